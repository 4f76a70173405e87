//! The line before each chunk: its size and its extensions.

use bytes::{Buf, BytesMut};

use super::RefusalKind;

/// The most bytes of extensions, with the spaces round them, on one chunk.
/// Nobody is known to use extensions; only their cost has to be bounded.
pub const MAX_EXTENSION_BYTES_A_CHUNK: usize = 1024;

/// The most bytes of extensions in all of one body, so that a sender cannot
/// make the router read a thousand bytes for each byte of content.
pub const MAX_EXTENSION_BYTES_A_BODY: usize = 16 * 1024;

/// Hexadecimal digits that fit 64 bits.
const MAX_DIGITS: u32 = 16;

/// Reads chunk lines one after the other (RFC 9112 section 7.1), a byte at a
/// time: they are short, and so any cut of the bytes gives the same result.
///
/// Extensions are read over and never forwarded: they belong to this hop. A
/// quoted string must be closed on its line, since a parser that let it run
/// over the line end would find the chunk elsewhere. Spaces are taken where the
/// grammar has BWS, which section 7.1.1 demands of recipients: after the size
/// only if a `;` follows. The other spaces seen in the wild, before the size
/// or between it and the line end, have no place in the grammar and parsers
/// disagree about them.
#[derive(Debug, Default)]
pub(super) struct ChunkLine {
    at: At,
    size: u64,
    digits: u32,
    extension_bytes_line: usize,
    extension_bytes_body: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    SpaceAfterSize,
    Extension,
    Quoted,
    QuotedPair,
    LineFeed,
}

impl ChunkLine {
    /// Takes bytes up to the end of the line and gives the size it stated;
    /// `None` if more are needed. A refused byte stays in the buffer, so the
    /// refusal repeats.
    pub(super) fn read(&mut self, buf: &mut BytesMut) -> Result<Option<u64>, RefusalKind> {
        let mut taken = 0;
        for &byte in buf.iter() {
            let next = match self.step(byte) {
                Ok(next) => next,
                Err(kind) => {
                    buf.advance(taken);
                    return Err(kind);
                }
            };
            taken += 1;
            let Some(next) = next else {
                buf.advance(taken);
                let size = self.size;
                *self = Self { extension_bytes_body: self.extension_bytes_body, ..Self::default() };
                return Ok(Some(size));
            };
            self.at = next;
        }
        buf.advance(taken);
        Ok(None)
    }

    /// Where the line stands after this byte; `None` at its end.
    fn step(&mut self, byte: u8) -> Result<Option<At>, RefusalKind> {
        match (self.at, byte) {
            (At::LineFeed, b'\n') => return Ok(None),
            (At::LineFeed, _) => return Err(RefusalKind::BareCr),
            (_, b'\n') => return Err(RefusalKind::BareLf),
            _ => {}
        }
        let next = match (self.at, byte) {
            (At::Size, _) => return self.size_step(byte).map(Some),
            (At::SpaceAfterSize, b' ' | b'\t') => At::SpaceAfterSize,
            (At::SpaceAfterSize, b';') => At::Extension,
            (At::SpaceAfterSize, _) => return Err(RefusalKind::ChunkSizeMalformed),
            (At::Extension, b'\r') => return Ok(Some(At::LineFeed)),
            (At::Extension, b'"') => At::Quoted,
            (At::Quoted, b'"') => At::Extension,
            (At::Quoted, b'\\') => At::QuotedPair,
            (_, byte) if super::octets::first_forbidden(&[byte]).is_some() => {
                return Err(RefusalKind::ChunkExtensionMalformed);
            }
            (At::QuotedPair, _) => At::Quoted,
            (at, _) => at,
        };
        self.count_extension_byte()?;
        Ok(Some(next))
    }

    fn size_step(&mut self, byte: u8) -> Result<At, RefusalKind> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ if self.digits == 0 => return Err(RefusalKind::ChunkSizeMalformed),
            b'\r' => return Ok(At::LineFeed),
            b';' => {
                self.count_extension_byte()?;
                return Ok(At::Extension);
            }
            b' ' | b'\t' => {
                self.count_extension_byte()?;
                return Ok(At::SpaceAfterSize);
            }
            _ => return Err(RefusalKind::ChunkSizeMalformed),
        };
        if self.digits == MAX_DIGITS {
            return Err(RefusalKind::ChunkSizeTooLarge);
        }
        self.digits += 1;
        self.size = self.size << 4 | u64::from(digit);
        Ok(At::Size)
    }

    fn count_extension_byte(&mut self) -> Result<(), RefusalKind> {
        if self.extension_bytes_line == MAX_EXTENSION_BYTES_A_CHUNK
            || self.extension_bytes_body == MAX_EXTENSION_BYTES_A_BODY
        {
            return Err(RefusalKind::ChunkExtensionsTooLong);
        }
        self.extension_bytes_line += 1;
        self.extension_bytes_body += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[u8]) -> Result<Option<u64>, RefusalKind> {
        let whole = ChunkLine::default().read(&mut BytesMut::from(line));
        let mut bytewise = ChunkLine::default();
        let mut result = Ok(None);
        for byte in line {
            result = bytewise.read(&mut BytesMut::from([*byte].as_slice()));
            if result != Ok(None) {
                break;
            }
        }
        assert_eq!(whole, result, "cut into bytes: {line:?}");
        whole
    }

    #[test]
    fn a_size_is_hexadecimal_in_either_case_and_at_most_16_digits() {
        assert_eq!(read(b"0\r\n"), Ok(Some(0)));
        assert_eq!(read(b"1aF\r\n"), Ok(Some(0x1af)));
        assert_eq!(read(b"000000000000000A\r\n"), Ok(Some(10)));
        assert_eq!(read(b"ffffffffffffffff\r\n"), Ok(Some(u64::MAX)));
        assert_eq!(read(b"10000000000000000\r\n"), Err(RefusalKind::ChunkSizeTooLarge));
        assert_eq!(read(b"00000000000000005\r\n"), Err(RefusalKind::ChunkSizeTooLarge));
    }

    #[test]
    fn whatever_else_stands_where_the_size_belongs_is_refused() {
        let lines: &[&[u8]] =
            &[b" 5\r\n", b"\t5", b"\r\n", b";a\r\n", b"+5", b"-5", b"0x5", b"g", b"5_0", b"5 5;"];
        for line in lines {
            assert_eq!(read(line), Err(RefusalKind::ChunkSizeMalformed), "{line:?}");
        }
    }

    #[test]
    fn spaces_after_the_size_are_taken_before_an_extension_only() {
        assert_eq!(read(b"5 \t; a=b\r\n"), Ok(Some(5)));
        assert_eq!(read(b"5 \r\n"), Err(RefusalKind::ChunkSizeMalformed));
    }

    #[test]
    fn the_line_ends_with_cr_lf_and_nothing_else() {
        assert_eq!(read(b"5\n"), Err(RefusalKind::BareLf));
        assert_eq!(read(b"5;a\n"), Err(RefusalKind::BareLf));
        assert_eq!(read(b"5 \n"), Err(RefusalKind::BareLf));
        assert_eq!(read(b"5\rX"), Err(RefusalKind::BareCr));
        assert_eq!(read(b"5;a\r\r\n"), Err(RefusalKind::BareCr));
        assert_eq!(read(b"5;a=\"\n"), Err(RefusalKind::BareLf));
    }

    #[test]
    fn extensions_are_read_over_with_their_quoted_strings() {
        assert_eq!(read(b"5;a;b=c;d=\"e;\\\"f\\\\\"\r\n"), Ok(Some(5)));
        assert_eq!(read(b"5;\r\n"), Ok(Some(5)));
        for odd in [b"5;a=\"b\r\n".as_slice(), b"5;a=\"b\\\r\n", b"5;a\0\r\n", b"5;a=\"\x7f\"\r\n"]
        {
            assert_eq!(read(odd), Err(RefusalKind::ChunkExtensionMalformed), "{odd:?}");
        }
    }

    #[test]
    fn the_extensions_of_one_chunk_are_bounded() {
        let line = |bytes: usize| [b"5;".as_slice(), &vec![b'a'; bytes - 1], b"\r\n"].concat();
        assert_eq!(read(&line(MAX_EXTENSION_BYTES_A_CHUNK)), Ok(Some(5)));
        assert_eq!(
            read(&line(MAX_EXTENSION_BYTES_A_CHUNK + 1)),
            Err(RefusalKind::ChunkExtensionsTooLong)
        );
        let spaces = [b"5".as_slice(), &vec![b' '; MAX_EXTENSION_BYTES_A_CHUNK + 1]].concat();
        assert_eq!(read(&spaces), Err(RefusalKind::ChunkExtensionsTooLong));
    }

    #[test]
    fn the_extensions_of_a_body_are_bounded_in_all() {
        let line = [b"5;".as_slice(), &[b'a'; 1023], b"\r\n"].concat();
        let mut lines = ChunkLine::default();
        for _ in 0..16 {
            assert_eq!(lines.read(&mut BytesMut::from(line.as_slice())), Ok(Some(5)));
        }
        assert_eq!(lines.read(&mut BytesMut::from(b"5\r\n".as_slice())), Ok(Some(5)));
        assert_eq!(
            lines.read(&mut BytesMut::from(b"5;\r\n".as_slice())),
            Err(RefusalKind::ChunkExtensionsTooLong)
        );
    }
}
