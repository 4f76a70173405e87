//! Bytes that a client chose, made safe to stand in a line.
//!
//! A log line is read by terminals and parsers. Neither may be steered by a
//! request: no control character (C1 included, which terminals obey in
//! UTF-8), no line or paragraph separator, and no unbounded length.

/// How much of one text is written, in bytes as received.
pub(super) const MAX_TEXT_BYTES: usize = 4_096;

/// Writes `bytes` as the inside of a JSON string. What is not UTF-8 becomes
/// U+FFFD; what is cut off leaves an ellipsis.
pub(super) fn push_json(out: &mut Vec<u8>, bytes: &[u8]) {
    let kept = &bytes[..bytes.len().min(MAX_TEXT_BYTES)];
    if kept.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        out.extend_from_slice(kept);
    } else {
        for chunk in kept.utf8_chunks() {
            chunk.valid().chars().for_each(|char| push_json_char(out, char));
            if !chunk.invalid().is_empty() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    if kept.len() < bytes.len() {
        out.extend_from_slice("…".as_bytes());
    }
}

fn push_json_char(out: &mut Vec<u8>, char: char) {
    match char {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
            out.extend_from_slice(b"\\u");
            let code = u32::from(char);
            for shift in [12, 8, 4, 0] {
                out.push(hex_digit(code >> shift));
            }
        }
        _ => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Writes `bytes` as the inside of a quoted string of the Common Log Format:
/// what is not printable ASCII becomes `\xHH`, as Apache has it.
pub(super) fn push_common(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes.iter().take(MAX_TEXT_BYTES) {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => out.push(*byte),
            _ => {
                let code = u32::from(*byte);
                out.extend_from_slice(&[b'\\', b'x', hex_digit(code >> 4), hex_digit(code)]);
            }
        }
    }
}

/// The lowest four bits, in lower case.
fn hex_digit(code: u32) -> u8 {
    b"0123456789abcdef"[(code & 0xf) as usize]
}

/// Writes a value that is known to be plain.
pub(super) fn push_plain(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    use std::io::Write;
    // Writing into a Vec does not fail.
    let _ = write!(out, "{value}");
}
