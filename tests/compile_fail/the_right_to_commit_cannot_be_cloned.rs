use pointsman::respond::commit::Fresh;

fn one_for_the_error_handler(fresh: Fresh) -> (Fresh, Fresh) {
    (fresh.clone(), fresh)
}

fn main() {}
