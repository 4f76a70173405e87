//! The fields the codec itself understands: those that say where a message
//! ends and what becomes of its connection.

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderName, TRANSFER_ENCODING};

use super::octets::trim;
use super::{RefusalKind, Version};

/// What the field lines of one head said, gathered in one pass over them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) content_length: Option<u64>,
    pub(super) chunked: bool,
    close: bool,
    keep_alive: bool,
    pub(super) expect: Expect,
}

/// What `Expect` asked for (RFC 9110 section 10.1.1).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    #[default]
    Nothing,
    Continue,
    Unknown,
}

impl Meaning {
    /// Takes in one field line.
    pub(super) fn note(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), RefusalKind> {
        if *name == CONTENT_LENGTH {
            if self.content_length.is_some() {
                return Err(RefusalKind::ContentLengthRepeated);
            }
            self.content_length = Some(content_length(value)?);
        } else if *name == TRANSFER_ENCODING {
            if self.chunked {
                return Err(RefusalKind::TransferEncodingRepeated);
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(RefusalKind::TransferEncodingUnknown);
            }
            self.chunked = true;
        } else if *name == CONNECTION {
            self.note_connection(value);
        } else if *name == EXPECT {
            self.note_expect(value);
        }
        Ok(())
    }

    /// Refuses what only the whole head can show (RFC 9112 section 6.1: in
    /// HTTP/1.0 a transfer coding is a sign of a broken or hostile sender).
    pub(super) fn refuse_contradictions(&self, version: Version) -> Result<(), RefusalKind> {
        if self.chunked && self.content_length.is_some() {
            return Err(RefusalKind::LengthAndTransferEncoding);
        }
        if self.chunked && version == Version::Http10 {
            return Err(RefusalKind::TransferEncodingInHttp10);
        }
        Ok(())
    }

    /// Whether the connection stays open after this message (RFC 9112 section
    /// 9.3); `close` beats everything.
    pub(super) fn keeps_alive(&self, version: Version) -> bool {
        match version {
            Version::Http10 => self.keep_alive && !self.close,
            Version::Http11 => !self.close,
        }
    }

    fn note_connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(trim) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn note_expect(&mut self, value: &[u8]) {
        let known = value.eq_ignore_ascii_case(b"100-continue");
        if !known {
            self.expect = Expect::Unknown;
        } else if self.expect == Expect::Nothing {
            self.expect = Expect::Continue;
        }
    }
}

/// RFC 9110 section 8.6: `1*DIGIT`. `str::parse` would take a leading plus.
fn content_length(value: &[u8]) -> Result<u64, RefusalKind> {
    if value.is_empty() {
        return Err(RefusalKind::ContentLengthMalformed);
    }
    if !value.iter().all(u8::is_ascii_digit) {
        return Err(RefusalKind::ContentLengthMalformed);
    }
    value
        .iter()
        .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(RefusalKind::ContentLengthTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&'static str, &'static str)]) -> Result<Meaning, RefusalKind> {
        let mut meaning = Meaning::default();
        for (name, value) in lines {
            meaning.note(&HeaderName::from_static(name), value.as_bytes())?;
        }
        meaning.refuse_contradictions(Version::Http11)?;
        Ok(meaning)
    }

    #[test]
    fn a_content_length_is_one_line_of_digits_that_can_be_counted() {
        let length = |value| read(&[("content-length", value)]).map(|m| m.content_length);
        assert_eq!(length("0"), Ok(Some(0)));
        assert_eq!(length("007"), Ok(Some(7)));
        assert_eq!(length("18446744073709551615"), Ok(Some(u64::MAX)));
        assert_eq!(length("18446744073709551616"), Err(RefusalKind::ContentLengthTooLarge));
        for odd in ["", "+5", "-5", "5, 5", "5,5", "5 5", "0x5", "5.0", "five", "5;"] {
            assert_eq!(length(odd), Err(RefusalKind::ContentLengthMalformed), "{odd:?}");
        }
    }

    #[test]
    fn a_second_content_length_line_is_refused_even_if_it_says_the_same() {
        let twice = [("content-length", "5"), ("content-length", "5")];
        assert_eq!(read(&twice), Err(RefusalKind::ContentLengthRepeated));
    }

    #[test]
    fn a_transfer_encoding_is_one_line_with_chunked_alone() {
        let coding = |value| read(&[("transfer-encoding", value)]).map(|m| m.chunked);
        assert_eq!(coding("chunked"), Ok(true));
        assert_eq!(coding("ChunkeD"), Ok(true));
        for odd in ["", "identity", "gzip, chunked", "chunked, chunked", "chunked;q=1", "xchunked"]
        {
            assert_eq!(coding(odd), Err(RefusalKind::TransferEncodingUnknown), "{odd:?}");
        }
        let twice = [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert_eq!(read(&twice), Err(RefusalKind::TransferEncodingRepeated));
    }

    #[test]
    fn a_length_beside_a_transfer_encoding_is_refused_in_either_order() {
        let mut both = [("content-length", "5"), ("transfer-encoding", "chunked")];
        assert_eq!(read(&both), Err(RefusalKind::LengthAndTransferEncoding));
        both.reverse();
        assert_eq!(read(&both), Err(RefusalKind::LengthAndTransferEncoding));
    }

    #[test]
    fn a_transfer_encoding_in_http_1_0_is_refused() {
        let meaning = read(&[("transfer-encoding", "chunked")]).unwrap();
        assert_eq!(
            meaning.refuse_contradictions(Version::Http10),
            Err(RefusalKind::TransferEncodingInHttp10)
        );
    }

    #[test]
    fn a_connection_persists_by_version_and_its_options_in_any_line() {
        let cases: &[(&[&'static str], bool, bool)] = &[
            (&[], false, true),
            (&["close"], false, false),
            (&["CLOSE"], false, false),
            (&["keep-alive"], true, true),
            (&["Keep-Alive , close"], false, false),
            (&["x", "te,\tclose "], false, false),
            (&["foo", "bar, Keep-Alive"], true, true),
            (&["not-close"], false, true),
        ];
        for (values, http10, http11) in cases {
            let lines: Vec<_> = values.iter().map(|value| ("connection", *value)).collect();
            let meaning = read(&lines).unwrap();
            assert_eq!(meaning.keeps_alive(Version::Http10), *http10, "{values:?}");
            assert_eq!(meaning.keeps_alive(Version::Http11), *http11, "{values:?}");
        }
    }

    #[test]
    fn one_unknown_expectation_among_known_ones_is_unknown() {
        let expect = |values: &[&'static str]| {
            let lines: Vec<_> = values.iter().map(|value| ("expect", *value)).collect();
            read(&lines).unwrap().expect
        };
        assert_eq!(expect(&[]), Expect::Nothing);
        assert_eq!(expect(&["100-Continue"]), Expect::Continue);
        assert_eq!(expect(&["100-continue", "100-continue"]), Expect::Continue);
        assert_eq!(expect(&["tea"]), Expect::Unknown);
        assert_eq!(expect(&["tea", "100-continue"]), Expect::Unknown);
        assert_eq!(expect(&["100-continue", "tea"]), Expect::Unknown);
        assert_eq!(expect(&["100-continue, tea"]), Expect::Unknown);
    }
}
