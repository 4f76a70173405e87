//! Content through the decoder, under every framing and cut; and any bytes as
//! content, written in chunks and read back.

use bytes::{Bytes, BytesMut};
use pointsman::http1::{BodyDecoder, Decoded, FieldLines, Framing, HeadLimits, RefusalKind};

use super::http1_wire::{LIMITS, WIDE, write_content};
use super::{input, input::Input};

/// The first byte cuts, the second chooses the framing, the third limits; the
/// rest is the content's wire.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let cuts = input::cuts(input.byte());
    let framing = match input.byte() {
        0..=127 => Framing::Chunked,
        128 => Framing::UntilClose,
        129 => Framing::None,
        length => Framing::Length(u64::from(length)),
    };
    let limits = *input.pick(&[WIDE, LIMITS]);
    let wire = input.rest();
    let whole = decode(wire, &[usize::MAX], framing, limits);
    assert_eq!(decode(wire, &cuts, framing, limits), whole, "the cut shows");
    assert_eq!(decode(wire, &[1], framing, limits), whole, "trickling shows");
    if let Framing::Length(length) = framing {
        assert_eq!(whole.data.len() as u64, length.min(wire.len() as u64));
    }

    let mut out = BytesMut::new();
    let pieces: Vec<_> = wire.chunks(cuts[0]).map(<[u8]>::to_vec).collect();
    write_content(&mut out, true, &pieces, &FieldLines::new());
    let again = decode(&out, &cuts, Framing::Chunked, WIDE);
    assert_eq!((&again.data[..], again.end), (wire, Ok(true)));
}

/// What a decoder made of some bytes.
#[derive(Debug, PartialEq)]
struct Decoding {
    data: Vec<u8>,
    trailers: Option<FieldLines>,
    /// Whether it came to its end, or why it was refused.
    end: Result<bool, RefusalKind>,
    /// What was not taken; known where nothing was refused.
    left: Bytes,
}

fn decode(bytes: &[u8], cuts: &[usize], framing: Framing, limits: HeadLimits) -> Decoding {
    let mut decoder = BodyDecoder::new(framing, limits);
    let mut pieces = bytes;
    let mut cuts = cuts.iter().cycle();
    let mut buf = BytesMut::new();
    let mut decoding =
        Decoding { data: vec![], trailers: None, end: Ok(false), left: Bytes::new() };
    loop {
        match decoder.decode(&mut buf) {
            Ok(Decoded::Data(data)) => {
                assert!(!data.is_empty(), "data without bytes");
                decoding.data.extend_from_slice(&data);
            }
            Ok(Decoded::Trailers(fields)) => decoding.trailers = Some(fields),
            Ok(Decoded::End) => {
                assert!(decoder.is_done());
                decoding.end = Ok(true);
                break;
            }
            Ok(Decoded::NeedMore) if pieces.is_empty() => {
                decoding.end = Ok(decoder.eof().is_ok());
                break;
            }
            Ok(Decoded::NeedMore) => {
                let cut = cuts.next().copied().unwrap_or(1).min(pieces.len());
                buf.extend_from_slice(&pieces[..cut]);
                pieces = &pieces[cut..];
            }
            Err(refusal) => {
                decoding.end = Err(refusal.kind);
                return decoding;
            }
        }
    }
    decoding.left = [&buf[..], pieces].concat().into();
    decoding
}
