//! Some bytes as our codec reads them.

use bytes::BytesMut;
use http::header::CONNECTION;
use http::{HeaderMap, Method, Uri};
use pointsman::http1::{
    BodyDecoder, Decoded, FieldLines, Framing, HeadLimits, HeadReader, ParsedRequest,
    ParsedResponse, RefusalKind,
};

use super::differences::Difference;
use super::reading::{Message, Reading, Request, Response};

const LIMITS: HeadLimits = HeadLimits { bytes: 1 << 16, fields: 100 };

pub(crate) fn read_requests(bytes: &[u8]) -> Reading<Request> {
    let mut buf = BytesMut::from(bytes);
    let mut reader = HeadReader::new();
    let mut reading = Reading::of(vec![]);
    let mut behind = None;
    loop {
        let start = buf.clone();
        let parsed = match reader.request(&mut buf, &LIMITS) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return reading,
            Err(refusal) => {
                reading.refuse(refusal.kind, &buf);
                return reading;
            }
        };
        let (framing, keep_alive) = (parsed.framing, parsed.keep_alive);
        let obs_text = parsed.fields.all(&CONNECTION).any(|options| !options.as_bytes().is_ascii());
        let connects = parsed.method == Method::CONNECT;
        let (head, refused) = request(&start[..parsed.head_bytes], parsed);
        let head = (head, behind.or(refused));
        if !read_content(&mut reading, &mut buf, head, BodyDecoder::new(framing, LIMITS)) {
            return reading;
        }
        behind = behind.or(connects.then_some(Difference::BehindConnect));
        if !keep_alive {
            reading.goes_on = obs_text.then_some(Difference::CloseBesideObsText);
            return reading;
        }
    }
}

pub(crate) fn read_response(bytes: &[u8], method: &Method) -> Reading<Response> {
    let mut buf = BytesMut::from(bytes);
    let mut reader = HeadReader::new();
    let mut reading = Reading::of(vec![]);
    // What hyper refuses in an interim head it refuses the final one for.
    let mut before = None;
    loop {
        let start = buf.clone();
        let parsed = match reader.response(&mut buf, &LIMITS, method) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return reading,
            Err(refusal) => {
                reading.refuse(refusal.kind, &buf);
                return reading;
            }
        };
        if parsed.status.is_informational() && parsed.status != 101 {
            before = before.or(higher_minor_version(start.get(7)));
            continue;
        }
        let framing = parsed.framing;
        let (head, refused) = response(&start[..parsed.head_bytes], parsed);
        let head = (head, before.or(refused));
        // hyper reads a trailer section by the rule of requests.
        let refusal = content_refusal(buf.clone(), BodyDecoder::new(framing, LIMITS));
        let spaced = refusal == Some(RefusalKind::SpaceBeforeColon);
        read_content(&mut reading, &mut buf, head, BodyDecoder::of_response(framing, LIMITS));
        if let Some(message) = reading.messages.last_mut() {
            message.content_refused_by_hyper = spaced.then_some(Difference::SpacedTrailer);
        }
        return reading;
    }
}

fn request(wire: &[u8], parsed: ParsedRequest) -> (Request, Option<Difference>) {
    let text = std::str::from_utf8(&parsed.target).ok();
    let target = text.and_then(|text| Uri::try_from(text).ok());
    let refused_by_hyper = if target.is_none() {
        Some(Difference::TargetIsNoUri)
    } else if is_greatest_length(parsed.framing) {
        Some(Difference::GreatestLengths)
    } else {
        let line = wire.trim_ascii_start().split(|&byte| byte == b'\r').next();
        higher_minor_version(line.and_then(|line| line.last()))
    };
    let (method, version) = (parsed.method, parsed.version);
    (Request { method, target, version, fields: parsed.fields.into() }, refused_by_hyper)
}

fn response(wire: &[u8], parsed: ParsedResponse) -> (Response, Option<Difference>) {
    // httparse shows a reason phrase with other than ASCII bytes as empty.
    let reason = if parsed.reason.is_ascii() { parsed.reason.to_vec() } else { vec![] };
    let refused_by_hyper = if is_greatest_length(parsed.framing) {
        Some(Difference::GreatestLengths)
    } else {
        higher_minor_version(wire.get(7))
    };
    let (status, version) = (parsed.status, parsed.version);
    (Response { status, reason, version, fields: parsed.fields.into() }, refused_by_hyper)
}

fn is_greatest_length(framing: Framing) -> bool {
    matches!(framing, Framing::Length(length) if length >= u64::MAX - 1)
}

fn higher_minor_version(digit: Option<&u8>) -> Option<Difference> {
    digit.is_some_and(|digit| *digit > b'1').then_some(Difference::HigherMinorVersion)
}

/// Reads the content behind a head; whether it was accepted to its end.
fn read_content<Head>(
    reading: &mut Reading<Head>,
    buf: &mut BytesMut,
    (head, refused_by_hyper): (Head, Option<Difference>),
    mut decoder: BodyDecoder,
) -> bool {
    let mut data = Vec::new();
    let mut trailers = FieldLines::new();
    let whole = loop {
        match decoder.decode(buf) {
            Ok(Decoded::Data(piece)) => data.extend_from_slice(&piece),
            Ok(Decoded::Trailers(fields)) => trailers = fields,
            Ok(Decoded::End) => break true,
            Ok(Decoded::NeedMore) => break decoder.eof().is_ok(),
            Err(refusal) => {
                reading.refuse(refusal.kind, buf);
                break false;
            }
        }
    };
    let trailers = HeaderMap::from(trailers);
    reading.messages.push(Message {
        head,
        data,
        trailers,
        whole,
        refused_by_hyper,
        content_refused_by_hyper: None,
    });
    whole
}

/// Why a decoder refuses this content, if it does.
fn content_refusal(mut buf: BytesMut, mut decoder: BodyDecoder) -> Option<RefusalKind> {
    loop {
        match decoder.decode(&mut buf) {
            Ok(Decoded::Data(_) | Decoded::Trailers(_)) => {}
            Ok(Decoded::End | Decoded::NeedMore) => return None,
            Err(refusal) => return Some(refusal.kind),
        }
    }
}
