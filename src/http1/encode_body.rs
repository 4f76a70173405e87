//! Chunks and trailers, written.

use std::num::NonZeroUsize;

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::FieldLines;
use super::encode::{size_hint, write_fields};

/// What stands behind the data of each chunk (RFC 9112 section 7.1).
pub const CHUNK_TAIL: &[u8] = b"\r\n";

/// Appends the line before `len` bytes of data; [`CHUNK_TAIL`] goes behind
/// them. The length cannot be zero: that line would end the body.
pub fn encode_chunk_head(out: &mut BytesMut, len: NonZeroUsize) {
    let mut digits = [0; 16];
    let mut at = digits.len();
    let mut left = len.get();
    while left > 0 {
        at -= 1;
        digits[at] = b"0123456789abcdef"[left & 15];
        left >>= 4;
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk and the trailer section, which ends the body. Lines
/// that frame content never stand in trailers (RFC 9110 section 6.5.1) and are
/// left out.
pub fn encode_last_chunk(out: &mut BytesMut, trailers: Option<&FieldLines>) {
    out.reserve(5 + trailers.map_or(0, size_hint));
    out.extend_from_slice(b"0\r\n");
    if let Some(trailers) = trailers {
        write_fields(out, trailers, |name| *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HeaderName, HeaderValue};

    #[test]
    fn a_chunk_line_states_the_length_in_hexadecimal() {
        for len in [1, 9, 10, 15, 16, 255, 4096, 65_537, usize::MAX] {
            let mut out = BytesMut::new();
            encode_chunk_head(&mut out, NonZeroUsize::new(len).unwrap());
            assert_eq!(out, format!("{len:x}\r\n").as_bytes());
        }
    }

    #[test]
    fn the_last_chunk_carries_the_trailers_without_framing_fields() {
        let mut out = BytesMut::new();
        encode_last_chunk(&mut out, None);
        assert_eq!(out, &b"0\r\n\r\n"[..]);
        out.clear();
        let trailers: FieldLines = ["x-sum", "content-length", "transfer-encoding"]
            .into_iter()
            .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1")))
            .collect();
        encode_last_chunk(&mut out, Some(&trailers));
        assert_eq!(out, &b"0\r\nx-sum: 1\r\n\r\n"[..]);
    }
}
