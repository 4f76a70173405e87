//! The HTTP/1 codec driven over bytes that come in pieces, and content written
//! for it: what property tests and fuzzers share.

use std::num::NonZeroUsize;

use bytes::{Bytes, BytesMut};
use http::Method;
use pointsman::http1::{
    BodyDecoder, CHUNK_TAIL, Decoded, FieldLines, Framing, HeadLimits, HeadReader, ParsedRequest,
    ParsedResponse, RefusalKind, encode_chunk_head, encode_last_chunk,
};

/// Limits that small messages run into.
pub(crate) const LIMITS: HeadLimits = HeadLimits { bytes: 160, fields: 6 };
/// Limits that no small message runs into.
pub(crate) const WIDE: HeadLimits = HeadLimits { bytes: 1 << 16, fields: 200 };

/// All that was read of a connection, and how reading ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Reading<Head> {
    pub(crate) messages: Vec<Message<Head>>,
    pub(crate) end: Result<(), RefusalKind>,
    pub(crate) left: Bytes,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Message<Head> {
    pub(crate) head: Head,
    pub(crate) data: Vec<u8>,
    pub(crate) trailers: Option<FieldLines>,
    pub(crate) whole: bool,
}

/// A connection fed piece by piece; `cuts` are taken in turn.
struct Wire<'a> {
    bytes: &'a [u8],
    cuts: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    buf: BytesMut,
}

impl<'a> Wire<'a> {
    fn new(bytes: &'a [u8], cuts: &'a [usize]) -> Self {
        Self { bytes, cuts: cuts.iter().cycle(), buf: BytesMut::new() }
    }

    /// One more piece; false at the end.
    fn feed(&mut self) -> bool {
        let cut = self.cuts.next().map_or(1, |cut| (*cut).max(1));
        let (piece, rest) = self.bytes.split_at(cut.min(self.bytes.len()));
        self.buf.extend_from_slice(piece);
        self.bytes = rest;
        !piece.is_empty()
    }

    fn left(&self) -> Bytes {
        Bytes::from([&self.buf[..], self.bytes].concat())
    }
}

fn read<Head>(
    wire: &mut Wire<'_>,
    mut next_head: impl FnMut(&mut BytesMut) -> Result<Option<Head>, RefusalKind>,
    content_of: impl Fn(&Head) -> BodyDecoder,
) -> Reading<Head> {
    let mut messages = Vec::new();
    let end = 'connection: loop {
        let head = loop {
            match next_head(&mut wire.buf) {
                Ok(Some(head)) => break head,
                Ok(None) if wire.feed() => {}
                Ok(None) => break 'connection Ok(()),
                Err(kind) => break 'connection Err(kind),
            }
        };
        let mut decoder = content_of(&head);
        messages.push(Message { head, data: vec![], trailers: None, whole: false });
        let Some(message) = messages.last_mut() else { unreachable!() };
        loop {
            match decoder.decode(&mut wire.buf) {
                Ok(Decoded::Data(data)) => message.data.extend_from_slice(&data),
                Ok(Decoded::Trailers(fields)) => message.trailers = Some(fields),
                Ok(Decoded::End) => break message.whole = true,
                Ok(Decoded::NeedMore) if wire.feed() => {}
                Ok(Decoded::NeedMore) => {
                    message.whole = decoder.eof().is_ok();
                    break 'connection Ok(());
                }
                Err(refusal) => break 'connection Err(refusal.kind),
            }
        }
    };
    // What a refused message has left in the buffer depends on the cut.
    let left = if end.is_ok() { wire.left() } else { Bytes::new() };
    Reading { messages, end, left }
}

/// Reads requests, cut into pieces of these lengths.
pub(crate) fn read_requests(
    bytes: &[u8],
    cuts: &[usize],
    limits: HeadLimits,
) -> Reading<ParsedRequest> {
    let mut reader = HeadReader::new();
    let next = |buf: &mut BytesMut| reader.request(buf, &limits).map_err(|refusal| refusal.kind);
    read(&mut Wire::new(bytes, cuts), next, |head| BodyDecoder::new(head.framing, limits))
}

/// Reads answers to requests with `method`.
pub(crate) fn read_responses(
    bytes: &[u8],
    cuts: &[usize],
    limits: HeadLimits,
    method: &Method,
) -> Reading<ParsedResponse> {
    let mut reader = HeadReader::new();
    let next =
        |buf: &mut BytesMut| reader.response(buf, &limits, method).map_err(|refusal| refusal.kind);
    let content_of = |head: &ParsedResponse| BodyDecoder::of_response(head.framing, limits);
    read(&mut Wire::new(bytes, cuts), next, content_of)
}

/// The framing of content in these pieces.
pub(crate) fn framing_of(chunked: bool, pieces: &[Vec<u8>]) -> Framing {
    match (chunked, pieces.iter().map(Vec::len).sum::<usize>()) {
        (true, _) => Framing::Chunked,
        (false, length) => Framing::Length(length as u64),
    }
}

/// Writes content behind a head; no piece is empty.
pub(crate) fn write_content(
    out: &mut BytesMut,
    chunked: bool,
    pieces: &[Vec<u8>],
    trailers: &FieldLines,
) {
    for piece in pieces {
        if !chunked {
            out.extend_from_slice(piece);
            continue;
        }
        encode_chunk_head(out, NonZeroUsize::new(piece.len()).unwrap());
        out.extend_from_slice(piece);
        out.extend_from_slice(CHUNK_TAIL);
    }
    if chunked {
        encode_last_chunk(out, Some(trailers));
    }
}

/// What a head says beside its framing.
pub(crate) fn without_framing(mut fields: FieldLines) -> FieldLines {
    fields.remove(&http::header::CONTENT_LENGTH);
    fields.remove(&http::header::TRANSFER_ENCODING);
    fields
}
