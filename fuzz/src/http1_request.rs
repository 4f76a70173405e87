//! Requests through the codec: any cut reads the same, what was read can be
//! written and read again, and hyper reads it alike.

use bytes::BytesMut;
use pointsman::http1::{ParsedRequest, encode_request_head};

use super::http1_wire::{
    LIMITS, Message, WIDE, framing_of, read_requests, without_framing, write_content,
};
use super::{input, input::Input, oracle};

/// The first byte cuts, the second chooses limits, the rest is the wire.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let cuts = input::cuts(input.byte());
    let limits = *input.pick(&[WIDE, LIMITS]);
    let wire = input.rest();
    let whole = read_requests(wire, &[usize::MAX], limits);
    assert_eq!(read_requests(wire, &cuts, limits), whole, "the cut shows");
    assert_eq!(read_requests(wire, &[1], limits), whole, "trickling shows");
    for message in whole.messages.iter().filter(|message| message.whole) {
        written_is_read_back(message);
    }
    oracle::agree_on_requests(wire);
}

fn written_is_read_back(message: &Message<ParsedRequest>) {
    let head = &message.head;
    let mut out = BytesMut::new();
    encode_request_head(&mut out, &head.method, &head.target, &head.fields, head.framing);
    let pieces: Vec<_> = message.data.chunks(3).map(<[u8]>::to_vec).collect();
    let trailers = message.trailers.clone().unwrap_or_default();
    let chunked = head.framing == pointsman::http1::Framing::Chunked;
    if !chunked && head.framing != pointsman::http1::Framing::None {
        assert_eq!(framing_of(false, &pieces), head.framing);
    }
    write_content(&mut out, chunked, &pieces, &trailers);
    let again = read_requests(&out, &[usize::MAX], WIDE);
    assert_eq!(again.end, Ok(()), "what was written is refused");
    assert!(again.left.is_empty(), "what was written has more than one message");
    let [read] = &again.messages[..] else { panic!("not one message: {again:?}") };
    assert!(read.whole);
    assert_eq!(read.head.method, head.method);
    assert_eq!(read.head.target, head.target);
    assert_eq!(read.head.framing, head.framing);
    assert_eq!(without_framing(read.head.fields.clone()), without_framing(head.fields.clone()));
    assert_eq!(read.data, message.data);
    let sent = (!trailers.is_empty()).then_some(trailers);
    assert_eq!(read.trailers, sent);
}
