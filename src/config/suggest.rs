//! The nearest valid word to one that is not.

use super::findings::{Fault, quoted};

/// One of a few words, else the nearest and all of them.
pub(super) fn choose<T: Copy>(text: &str, words: &[(&'static str, T)]) -> Result<T, Fault> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| none_of(text, words.iter().map(|(word, _)| *word)))
}

/// That a text is none of the valid words: all of them, and the nearest.
pub(super) fn none_of(text: &str, words: impl Iterator<Item = &'static str> + Clone) -> Fault {
    let names: Vec<_> = words.clone().map(|word| format!("{word:?}")).collect();
    let fault = Fault::new(format!("{} is not one of {}", quoted(text), names.join(", ")));
    match nearest(text, words) {
        Some(near) => fault.help(format!("did you mean {near:?}?")),
        None => fault,
    }
}

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
