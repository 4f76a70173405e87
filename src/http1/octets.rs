//! Classes of bytes (RFC 9110 section 5.6.2, RFC 5234 appendix B.1).

/// Whether the byte is a `tchar`.
pub(super) const fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Whether a byte may stand nowhere in a head except as part of a line end:
/// every control byte but the horizontal tab.
const fn is_forbidden(byte: u8) -> bool {
    (byte < b' ') & (byte != b'\t') | (byte == 0x7f)
}

/// The first byte that may not stand inside a line.
///
/// Nearly always there is none, so the whole slice is judged without a branch
/// a byte, which compiles to vector instructions; only then is it searched.
pub(super) fn first_forbidden(bytes: &[u8]) -> Option<u8> {
    if bytes.iter().fold(false, |any, &byte| any | is_forbidden(byte)) {
        return bytes.iter().copied().find(|&byte| is_forbidden(byte));
    }
    None
}

/// Whether nothing is wrong with the bytes of these lines, which end with a
/// line end: no byte that may not stand inside a line, and CR and LF only as
/// pairs.
///
/// Judged without a branch a byte, as in [`first_forbidden`].
pub(super) fn is_sound(lines: &[u8]) -> bool {
    let [first, behind @ ..] = lines else { return true };
    let may_not_stand = |byte: u8| is_forbidden(byte) & (byte != b'\r') & (byte != b'\n');
    let odd = lines.iter().zip(behind).fold(false, |odd, (&byte, &next)| {
        odd | may_not_stand(byte) | ((byte == b'\r') != (next == b'\n'))
    });
    !odd && *first != b'\n' && lines.ends_with(b"\r\n")
}

/// Removes spaces and tabs at both ends (RFC 9110 section 5.6.3).
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_the_bytes_that_make_a_field_name() {
        for byte in 0..=255 {
            assert_eq!(is_token(byte), http::HeaderName::from_bytes(&[byte]).is_ok(), "{byte}");
        }
    }

    #[test]
    fn the_bytes_that_may_stand_in_a_line_are_those_of_a_field_value() {
        for byte in 0..=255 {
            let value = http::HeaderValue::from_bytes(&[byte]);
            assert_eq!(first_forbidden(&[b'a', byte]).is_none(), value.is_ok(), "{byte}");
        }
        assert_eq!(first_forbidden(b"ab\x01c\x02"), Some(1));
    }

    #[test]
    fn lines_are_sound_if_no_byte_is_forbidden_and_line_ends_are_pairs() {
        for sound in ["", "\r\n", "a\r\n", "a\tb\r\n\r\nc\u{e9}\r\n"] {
            assert!(is_sound(sound.as_bytes()), "{sound:?}");
        }
        for odd in
            ["a", "\n", "a\r", "a\n\r\n", "\na\r\n", "a\rb\r\n", "a\r\r\n", "a\0\r\n", "\x7f\r\n"]
        {
            assert!(!is_sound(odd.as_bytes()), "{odd:?}");
        }
    }

    #[test]
    fn trimming_takes_spaces_and_tabs_from_both_ends_only() {
        assert_eq!(trim(b" \ta b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
    }
}
