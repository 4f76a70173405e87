use super::*;

/// Answers that took `us` each, and how many requests were under way at a time.
fn seen(answers: u64, us: u64, peak: u64) -> (u64, u64, u64) {
    (answers, answers * us, peak)
}

const NOTHING: (u64, u64, u64) = (0, 0, 0);

/// One at `level`, whose requests have come down to it and warmed it up, at 0.
fn counting(level: u64) -> Measurement {
    let mut measurement = Measurement::first(level, 0);
    assert_eq!(measurement.look(0, level, NOTHING, None), Progress::Anew);
    let enough = measurement.wants();
    assert_eq!(measurement.look(0, level, seen(enough, 9, level), None), Progress::Warm);
    measurement
}

#[test]
fn it_waits_for_the_level_then_for_the_first_answers_then_for_a_mean() {
    let mut first = Measurement::first(30, 7);
    assert_eq!((first.level(), first.wants(), first.until_ms()), (30, 0, 60_007));
    assert_eq!(first.look(8, 31, seen(999, 1, 31), None), Progress::Waits);
    assert_eq!(first.look(9, 30, seen(999, 1, 31), None), Progress::Anew);
    assert_eq!((first.wants(), first.until_ms()), (60, 60_009));
    assert_eq!(first.look(10, 99, seen(59, 1, 30), None), Progress::Waits);
    assert_eq!(first.look(10, 99, seen(60, 1, 30), None), Progress::Warm);
    assert_eq!(first.wants(), 60);
    assert_eq!(first.look(11, 99, seen(59, 1, 30), None), Progress::Waits);
    assert_eq!(first.look(11, 99, seen(60, 2_000, 29), None), Progress::Found(2_000.0));
    assert_eq!(first.held_back_ms(99), 0, "it held nobody back");
}

#[test]
fn a_mean_is_of_fifty_at_least_and_the_first_answers_are_of_any_number() {
    let mut small = Measurement::first(2, 0);
    assert_eq!(small.look(0, 2, NOTHING, None), Progress::Anew);
    assert_eq!(small.wants(), 4);
    assert_eq!(counting(2).wants(), 50);
    assert_eq!(counting(1_000_000).wants(), FULL_WINDOW / 2, "what a window holds");
}

#[test]
fn half_of_the_level_is_tried_while_it_is_clearly_faster() {
    let mut measurement = counting(8);
    assert_eq!(measurement.look(5, 8, seen(50, 100_000, 8), None), Progress::Anew);
    assert_eq!((measurement.level(), measurement.wants()), (4, 0));
    assert_eq!((measurement.until_ms(), measurement.held_back_ms(25)), (405, 20));
    let step = |measurement: &mut Measurement, level, mean_us| {
        assert_eq!(measurement.look(10, level + 1, NOTHING, None), Progress::Waits);
        assert_eq!(measurement.look(10, level, NOTHING, None), Progress::Anew);
        let until_ms = measurement.until_ms();
        let enough = seen(measurement.wants(), 9, level);
        assert_eq!(measurement.look(10, level, enough, None), Progress::Warm);
        (until_ms, measurement.look(10, level, seen(50, mean_us, level), None))
    };
    assert_eq!(step(&mut measurement.clone(), 4, 80_000).1, Progress::Found(80_000.0));
    assert_eq!(step(&mut measurement, 4, 79_999), (5_010, Progress::Anew));
    assert_eq!((measurement.level(), measurement.held_back_ms(25)), (2, 20), "from the first on");
    assert_eq!(step(&mut measurement.clone(), 2, 64_000).1, Progress::Found(64_000.0));
    assert_eq!(step(&mut measurement, 2, 60_000).1, Progress::Anew);
    assert_eq!(step(&mut measurement, 1, 10_000).1, Progress::Found(10_000.0), "there is no half");
}

#[test]
fn a_level_that_was_not_reached_or_a_mean_that_was_expected_ends_it() {
    let look = |peak, expected| counting(8).look(5, 8, seen(50, 1_000, peak), expected);
    assert_eq!(look(8, None), Progress::Anew);
    assert_eq!(look(7, None), Progress::Found(1_000.0));
    assert_eq!(look(8, Some(999.0..=1_000.0)), Progress::Found(1_000.0));
    assert_eq!(look(8, Some(1_001.0..=2_000.0)), Progress::Anew);
}

#[test]
fn what_takes_too_long_makes_do_with_five_answers_or_is_given_up() {
    let mut drains = Measurement::first(8, 0);
    assert_eq!(drains.look(59_999, 9, NOTHING, None), Progress::Waits);
    assert_eq!(drains.look(60_000, 9, seen(99, 1, 9), None), Progress::GivenUp);
    assert_eq!(drains.look(60_000, 8, NOTHING, None), Progress::Anew, "just in time");
    let mut warms = drains;
    assert_eq!(warms.until_ms(), 120_000);
    for mut measurement in [warms.clone(), counting(8)] {
        let late_ms = measurement.until_ms();
        assert_eq!(measurement.look(late_ms - 1, 8, seen(5, 3, 1), None), Progress::Waits);
        assert_eq!(measurement.look(late_ms, 8, seen(4, 3, 1), None), Progress::GivenUp);
        assert_eq!(measurement.look(late_ms, 8, seen(5, 3, 1), None), Progress::Found(3.0));
    }
    assert_eq!(warms.look(120_000, 8, seen(999, 3, 1), None), Progress::Found(3.0));
}

#[test]
fn one_of_half_the_limit_holds_back_from_its_beginning() {
    let below = |limit, last_us| Measurement::below(limit, last_us, 1_000);
    let measurement = below(9, 100_000.0);
    assert_eq!((measurement.level(), measurement.wants()), (4, 0));
    assert_eq!((measurement.until_ms(), measurement.held_back_ms(1_500)), (1_400, 500));
    assert_eq!(below(1, 100_000.0).level(), 1);
    assert_eq!([1.0, 1e9].map(|us| below(9, us).until_ms()), [1_100, 61_000], "the bounds");
}
