//! Raw request bytes through the head reader, admission and derivation: what
//! is admitted goes out as one request that a strict reader takes for the same.

use bytes::BytesMut;
use http::header::HeaderValue;
use pointsman::attempt::{Forwarded, HeadPolicy, HeaderEdits, Via, derive};
use pointsman::http1::{Framing, HeadLimits, HeadReader, encode_request_head};
use pointsman::request::admission::{Admitted, Rules, admit};
use pointsman::request::{ClientInfo, RequestHead};

use super::input::Input;
use super::strict::{self, End, From};

const LIMITS: HeadLimits = HeadLimits { bytes: 1 << 16, fields: 128 };

/// The first byte chooses who is trusted and what is forwarded, the rest is
/// the wire.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let knobs = input.byte();
    let via = Via::new("pointsman", "n1").unwrap();
    let rules = Rules { body_limit_bytes: u64::from(knobs & 1) * 100, via: Some(&via) };
    let Some(head) = admitted(input.rest(), knobs & 2 != 0, rules) else { return };
    let forwarded =
        [Forwarded::Append, Forwarded::Replace, Forwarded::Off][usize::from(knobs >> 2) % 3];
    let policy = policy(forwarded, Some(via.clone()));
    let endpoint = ([192, 0, 2, 100], 80).into();
    let parts = derive(&head, &policy, endpoint, 1).into_parts();
    let mut out = BytesMut::new();
    encode_request_head(&mut out, &parts.method, &parts.target, &parts.fields, parts.framing);

    let (requests, end) = strict::requests(&out, From::Router);
    let [request] = &requests[..] else { panic!("not one request but {end:?} in {out:?}") };
    assert_eq!(request.raw.len(), out.len(), "the head ends early");
    let line = [head.method().as_str().as_bytes(), b" ", head.target(), b" HTTP/1.1"].concat();
    assert_eq!(request.start, line);
    assert_eq!(request.one("host"), Some(head.authority().as_bytes()));
    assert_eq!(request.one("x-request-id"), Some(&b"id-1"[..]));
    match head.framing() {
        Framing::None | Framing::Length(0) => assert_eq!(end, End::Clean),
        Framing::Length(_) | Framing::Chunked => assert_eq!(end, End::Partial),
        Framing::UntilClose => panic!("a request until close"),
    }
    if let Framing::Length(length) = head.framing() {
        assert_eq!(request.one("content-length"), Some(length.to_string().as_bytes()));
    }
}

/// The first request in these bytes, if there is one and it is admitted.
pub(crate) fn admitted(bytes: &[u8], trusted: bool, rules: Rules<'_>) -> Option<RequestHead> {
    let mut buf = BytesMut::from(bytes);
    let request = HeadReader::new().request(&mut buf, &LIMITS).ok()??;
    let client = ClientInfo {
        peer: ([192, 0, 2, 7], 4000).into(),
        local: ([192, 0, 2, 1], 80).into(),
        trusted,
        secure: false,
    };
    match admit(request, client, HeaderValue::from_static("id-1"), rules) {
        Ok(Admitted::Request(head) | Admitted::AboutRouter(head)) => Some(head),
        Err(refused) => {
            // How it is told must not fail either.
            let (error, request) = *refused;
            assert!(error.status().is_client_error() || error.status().is_server_error());
            assert!(request.head_bytes > 0);
            None
        }
    }
}

/// A policy with the usual names and no edits.
pub(crate) fn policy(forwarded: Forwarded, via: Option<Via>) -> HeadPolicy {
    let id = http::header::HeaderName::from_static("x-request-id");
    HeadPolicy::new(forwarded, id, via, HeaderEdits::default()).unwrap()
}
