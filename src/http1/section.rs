//! A section of field lines, tokenised.

use std::mem;
use std::ops::Range;

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};

use super::octets::trim;
use super::{FieldLines, RefusalKind};

/// What becomes of whitespace between a field's name and its colon (RFC 9112
/// section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BeforeColon {
    /// It is refused: of requests a server must not take it.
    #[default]
    Refused,
    /// It is left out: from responses a proxy must remove it. Only where the
    /// field would frame the message it is refused here too: a reader before us
    /// may not have known the field so, and have ended the message elsewhere.
    Removed,
}

/// Reads the field lines of `bytes` from `start` on, which end with an empty
/// line and went through [`super::scan::LineScan`]. Values are slices of
/// `bytes`. `note` sees each line as it is read and may refuse it.
pub(super) fn parse_section(
    bytes: &Bytes,
    start: usize,
    lines: usize,
    before_colon: BeforeColon,
    mut note: impl FnMut(&HeaderName, &[u8]) -> Result<(), RefusalKind>,
) -> Result<FieldLines, RefusalKind> {
    let mut fields = FieldLines::of_buffer(bytes.clone(), lines + ADDED_LINES);
    let mut rest = &bytes[start..];
    while let Some(end) = memchr::memchr(b'\n', rest) {
        // A line end is a pair.
        let line = &rest[..end.saturating_sub(1)];
        if line.is_empty() {
            break;
        }
        rest = &rest[end + 1..];
        let (name, value) = match (field(line), before_colon) {
            (Some(read), _) => read,
            (None, BeforeColon::Removed) => repaired(line).ok_or_else(|| diagnose(line))?,
            (None, BeforeColon::Refused) => return Err(diagnose(line)),
        };
        note(&name, value)?;
        fields.append_received(name, place_in(bytes, value));
    }
    Ok(fields)
}

/// Lines that are likely to be added to a section that was read: with room for
/// them it need not be moved.
const ADDED_LINES: usize = 2;

/// A field line as its name and value (RFC 9112 section 5). Its bytes are known
/// to be those of a line, so a value can have nothing wrong with it.
fn field(line: &[u8]) -> Option<(HeaderName, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    // Nothing but a token is taken here, so neither blanks round a name nor a
    // folded line.
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    Some((name, trim(&line[colon + 1..])))
}

/// A line that is a field line but for whitespace before its colon, and that
/// does not frame its message.
fn repaired(line: &[u8]) -> Option<(HeaderName, &[u8])> {
    // A name cannot be seen behind leading whitespace: the line is a folded one.
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return None;
    }
    let colon = memchr::memchr(b':', line)?;
    let name = HeaderName::from_bytes(trim(&line[..colon])).ok()?;
    let frames = name == CONTENT_LENGTH || name == TRANSFER_ENCODING;
    (!frames).then(|| (name, trim(&line[colon + 1..])))
}

/// Takes a head that was read and keeps a part of it. Counting references is
/// the largest cost of reading a head; this spares one.
pub(super) fn keep_only(head: &mut Bytes, part: Range<usize>) -> Bytes {
    let mut kept = mem::take(head);
    kept.truncate(part.end);
    kept.advance(part.start);
    kept
}

/// Where `part` stands in `whole`, of which it is a part. A head is limited to
/// far less than 4 GiB.
fn place_in(whole: &[u8], part: &[u8]) -> Range<u32> {
    // An empty value may point anywhere.
    if part.is_empty() {
        return 0..0;
    }
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start as u32..(start + part.len()) as u32
}

/// Says what is wrong with a line that is no field line.
fn diagnose(line: &[u8]) -> RefusalKind {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return RefusalKind::FoldedField;
    }
    let Some(colon) = memchr::memchr(b':', line) else {
        return RefusalKind::FieldWithoutColon;
    };
    match &line[..colon] {
        [] => RefusalKind::FieldNameEmpty,
        [.., b' ' | b'\t'] => RefusalKind::SpaceBeforeColon,
        _ => RefusalKind::FieldNameNotToken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(section: &'static str) -> Result<FieldLines, RefusalKind> {
        let lines = section.matches('\n').count() - 1;
        read(section, lines, BeforeColon::Refused)
    }

    fn read(
        section: &'static str,
        lines: usize,
        before_colon: BeforeColon,
    ) -> Result<FieldLines, RefusalKind> {
        let bytes = Bytes::from_static(section.as_bytes());
        parse_section(&bytes, 0, lines, before_colon, |_, _| Ok(()))
    }

    #[test]
    fn each_malformed_line_is_refused_for_its_own_reason() {
        let cases = [
            ("A: 1\r\nB\r\n\r\n", RefusalKind::FieldWithoutColon),
            ("A: 1\r\n: x\r\n\r\n", RefusalKind::FieldNameEmpty),
            ("A: 1\r\nB : x\r\n\r\n", RefusalKind::SpaceBeforeColon),
            ("A: 1\r\nB\t: x\r\n\r\n", RefusalKind::SpaceBeforeColon),
            ("A: 1\r\n folded\r\n\r\n", RefusalKind::FoldedField),
            ("A: 1\r\n\tB: 2\r\n\r\n", RefusalKind::FoldedField),
            (" A: 1\r\n\r\n", RefusalKind::FoldedField),
            ("A: 1\r\nB C: x\r\n\r\n", RefusalKind::FieldNameNotToken),
            ("A(: 1\r\n\r\n", RefusalKind::FieldNameNotToken),
            ("\"A\": 1\r\n\r\n", RefusalKind::FieldNameNotToken),
            ("\u{e9}: 1\r\n\r\n", RefusalKind::FieldNameNotToken),
        ];
        for (section, fault) in cases {
            assert_eq!(parse(section), Err(fault), "{section:?}");
        }
    }

    #[test]
    fn values_are_trimmed_and_names_lowered_and_order_is_kept() {
        let fields = parse("B: \t x y \t\r\na:\r\nB:\u{e9}:\r\n\r\n").unwrap();
        let lines: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        assert_eq!(lines, [("b", b"x y".as_slice()), ("a", b""), ("b", "\u{e9}:".as_bytes())]);
    }

    #[test]
    fn before_a_colon_whitespace_is_removed_if_it_is_to_be_and_nothing_else_is_mended() {
        let repaired = |section| read(section, 2, BeforeColon::Removed);
        let fields = repaired("A \t: x y \r\nB: 1\r\n\r\n").unwrap();
        let lines: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        assert_eq!(lines, [("a", b"x y".as_slice()), ("b", b"1")]);
        for (section, fault) in [
            ("Content-Length : 5\r\n\r\n", RefusalKind::SpaceBeforeColon),
            ("transfer-encoding\t: chunked\r\n\r\n", RefusalKind::SpaceBeforeColon),
            (" A: 1\r\n\r\n", RefusalKind::FoldedField),
            ("\t: 1\r\n\r\n", RefusalKind::FoldedField),
            (": 1\r\n\r\n", RefusalKind::FieldNameEmpty),
            ("A B : 1\r\n\r\n", RefusalKind::SpaceBeforeColon),
            ("A B: 1\r\n\r\n", RefusalKind::FieldNameNotToken),
            ("A \r\n\r\n", RefusalKind::FieldWithoutColon),
        ] {
            assert_eq!(repaired(section), Err(fault), "{section:?}");
        }
    }

    #[test]
    fn values_share_the_buffer_they_were_read_from() {
        let bytes = Bytes::from_static(b"A: value\r\n\r\n");
        let fields = parse_section(&bytes, 0, 1, BeforeColon::Refused, |_, _| Ok(())).unwrap();
        assert_eq!(fields.iter().next().unwrap().1.as_bytes().as_ptr(), bytes[3..].as_ptr());
    }

    #[test]
    fn sections_of_any_number_of_lines_are_read() {
        for count in [0, 1, 24, 25, 128, 129, 1000] {
            let section = "a: b\r\n".repeat(count) + "\r\n";
            let bytes = Bytes::from(section);
            let fields = parse_section(&bytes, 0, count, BeforeColon::Refused, |_, _| Ok(()));
            let fields = fields.unwrap();
            assert_eq!(fields.len(), count);
        }
    }
}
