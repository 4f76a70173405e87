//! What somebody may have meant who named a code that does not exist.

use thiserror::Error;

use super::Code;

/// Only this much of an unknown name is looked at and shown.
const ASKED_CHARS: usize = 64;

/// No more suggestions than this.
const SUGGESTIONS: usize = 12;

/// A name that is no code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no error code `{asked}`{}", suggestion(.nearest))]
pub struct UnknownCode {
    /// What was asked for: at most its first 64 characters, control characters
    /// replaced.
    pub asked: String,
    /// The codes it may stand for, best first; empty if nothing comes near.
    pub nearest: Vec<Code>,
}

impl UnknownCode {
    pub(super) fn of(asked: &str) -> Self {
        let asked: String = asked
            .chars()
            .take(ASKED_CHARS)
            .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
            .collect();
        let nearest = nearest(&asked);
        Self { asked, nearest }
    }
}

fn suggestion(nearest: &[Code]) -> String {
    match nearest {
        [] => "; without a code, `pointsman explain` lists them all".to_owned(),
        [one] => format!("; did you mean `{one}`?"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|code| format!("`{code}`")).collect();
            format!("; did you mean {} or `{last}`?", first.join(", "))
        }
    }
}

/// By status if it is a number, else by spelling, else by a part of the name.
fn nearest(asked: &str) -> Vec<Code> {
    let asked = asked.trim().to_ascii_lowercase().replace(['_', ' '], "-");
    if let Ok(status) = asked.parse::<u16>() {
        return codes_where(|code| status != 0 && code.log_status() == status);
    }
    let close = spelt_alike(&asked);
    if !close.is_empty() {
        return close;
    }
    codes_where(|code| asked.len() >= 3 && code.as_str().contains(&asked))
}

fn codes_where(fits: impl Fn(Code) -> bool) -> Vec<Code> {
    Code::ALL.iter().copied().filter(|code| fits(*code)).take(SUGGESTIONS).collect()
}

fn spelt_alike(asked: &str) -> Vec<Code> {
    let tolerated = (asked.len() / 4).max(1);
    let mut close: Vec<(usize, Code)> = Code::ALL
        .iter()
        .map(|code| (edits(asked, code.as_str()), *code))
        .filter(|(edits, _)| *edits <= tolerated)
        .collect();
    close.sort_unstable();
    close.into_iter().take(3).map(|(_, code)| code).collect()
}

/// The number of characters to insert, drop or replace to make one text of the
/// other (Levenshtein's distance), kept by one row of its matrix.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("same", "same"), 0);
    }

    #[test]
    fn a_slip_of_the_finger_finds_the_code() {
        assert_eq!(UnknownCode::of("conect-refused").nearest, [Code::ConnectRefused]);
        assert_eq!(UnknownCode::of("Connect_Refused").nearest, [Code::ConnectRefused]);
        assert_eq!(UnknownCode::of("no-rout").nearest, [Code::NoRoute]);
        assert_eq!(UnknownCode::of("conect-refusd").nearest, [Code::ConnectRefused]);
    }

    #[test]
    fn a_part_of_a_name_finds_the_codes_that_have_it() {
        let found = UnknownCode::of("tls").nearest;
        assert!(found.contains(&Code::TlsUntrusted) && found.contains(&Code::TlsHandshakeFailed));
        assert!(UnknownCode::of("e").nearest.is_empty());
    }

    #[test]
    fn a_status_finds_the_codes_that_answer_with_it() {
        assert_eq!(UnknownCode::of("508").nearest, [Code::LoopDetected]);
        assert_eq!(UnknownCode::of("499").nearest, [Code::ClientClosed]);
        assert!(UnknownCode::of("0").nearest.is_empty());
    }

    #[test]
    fn what_was_asked_is_shown_short_and_without_control_characters() {
        let error = UnknownCode::of(&format!("\x1b[31m{}", "é".repeat(1000)));
        assert_eq!(error.asked.chars().count(), 64);
        assert!(!error.to_string().contains('\x1b'));
        assert!(error.nearest.is_empty());
    }

    #[test]
    fn suggestions_read_as_a_sentence() {
        let error = UnknownCode::of("no-rout");
        assert_eq!(error.to_string(), "there is no error code `no-rout`; did you mean `no-route`?");
        let error = UnknownCode::of("408");
        assert!(
            error
                .to_string()
                .ends_with("did you mean `request-head-timeout` or `request-body-timeout`?")
        );
    }
}
