//! The nearest valid word to one that is not.

/// The candidate that `word` is most probably a slip of, if any is near enough.
///
/// Near enough is one edit in a word of three, two in one of six, a third of
/// the letters in longer ones: wide enough for `conect` and `request-head`, too
/// narrow to propose something unrelated.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
