//! Answers through the codec: as [`http1_request`](super::http1_request).

use bytes::BytesMut;
use http::Method;
use http::header::CONNECTION;
use pointsman::http1::{FieldLines, Framing, ParsedResponse, Version, encode_response_head};

use super::http1_wire::{LIMITS, Message, WIDE, read_responses, without_framing, write_content};
use super::{input, input::Input, oracle};

/// The first byte cuts, the second chooses limits, the third the method; the
/// rest is the wire.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let cuts = input::cuts(input.byte());
    let limits = *input.pick(&[WIDE, LIMITS]);
    let method = input.pick(&[Method::GET, Method::HEAD]);
    let wire = input.rest();
    let whole = read_responses(wire, &[usize::MAX], limits, method);
    assert_eq!(read_responses(wire, &cuts, limits, method), whole, "the cut shows");
    assert_eq!(read_responses(wire, &[1], limits, method), whole, "trickling shows");
    let informational = |head: &ParsedResponse| head.status.is_informational();
    for message in whole.messages.iter().filter(|m| m.whole && !informational(&m.head)) {
        written_is_read_back(message, method);
    }
    oracle::agree_on_response(wire, method);
}

fn written_is_read_back(message: &Message<ParsedResponse>, method: &Method) {
    let head = &message.head;
    let mut out = BytesMut::new();
    encode_response_head(
        &mut out,
        Version::Http11,
        head.status,
        Some(&head.reason),
        &head.fields,
        head.framing,
        head.keep_alive,
    );
    let pieces: Vec<_> = message.data.chunks(3).map(<[u8]>::to_vec).collect();
    let trailers = message.trailers.clone().unwrap_or_default();
    write_content(&mut out, head.framing == Framing::Chunked, &pieces, &trailers);
    let again = read_responses(&out, &[usize::MAX], WIDE, method);
    assert_eq!(again.end, Ok(()), "what was written is refused");
    assert!(again.left.is_empty(), "what was written has more than one message");
    let [read] = &again.messages[..] else { panic!("not one message: {again:?}") };
    assert!(read.whole);
    assert_eq!(read.head.status, head.status);
    assert_eq!(read.head.reason, head.reason);
    assert_eq!(read.head.framing, head.framing);
    assert_eq!(plain(&read.head.fields), plain(&head.fields));
    assert_eq!(read.data, message.data);
}

/// The fields beside framing and connection, which the encoder writes itself.
fn plain(fields: &FieldLines) -> FieldLines {
    let mut fields = without_framing(fields.clone());
    fields.remove(&CONNECTION);
    fields
}
