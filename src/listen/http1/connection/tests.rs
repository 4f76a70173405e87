//! What a connection lets onto the wire before, at and after the commit.

use super::*;
use crate::http1::{HeadReader, encode_response_head};

/// A connection that is never written.
fn connection() -> Mutex<ClientConnection> {
    Mutex::new(ClientConnection::new(Box::new(tokio::io::duplex(1).0), false, Seats::plenty()))
}

fn hint(connection: &Mutex<ClientConnection>) -> Result<(), InterimDropped> {
    connection.send(StatusCode::EARLY_HINTS, FieldLines::new())
}

fn head(out: &mut BytesMut) {
    let (status, framing) = (StatusCode::OK, Framing::None);
    encode_response_head(out, Version::Http11, status, None, &FieldLines::new(), framing, true);
}

/// The statuses written so far.
fn written(connection: &Mutex<ClientConnection>) -> Vec<u16> {
    let mut bytes = connection.lock().outbox.head().split();
    let limits = HeadLimits { bytes: 1 << 10, fields: 10 };
    let mut statuses = Vec::new();
    while !bytes.is_empty() {
        let head = HeadReader::new().response(&mut bytes, &limits, &http::Method::HEAD);
        statuses.push(head.unwrap().unwrap().status.as_u16());
    }
    statuses
}

#[test]
fn hints_go_out_before_the_head_and_never_behind_it() {
    let connection = connection();
    assert_eq!(hint(&connection), Err(InterimDropped::Late), "no exchange has begun");
    for (before, after) in [(0, 0), (0, 2), (2, 0), (3, 3)] {
        let fresh = connection.lock().begin_exchange(&BodyTerms::NONE, Version::Http11);
        (0..before).for_each(|_| assert_eq!(hint(&connection), Ok(())));
        let _content = connection.lock().commit(fresh, head);
        (0..after).for_each(|_| assert_eq!(hint(&connection), Err(InterimDropped::Late)));
        assert_eq!(written(&connection), [vec![103; before], vec![200]].concat());
    }
}

#[test]
fn a_client_of_http_1_0_and_one_whose_head_was_refused_get_no_hints() {
    let connection = connection();
    let fresh = connection.lock().begin_exchange(&BodyTerms::NONE, Version::Http10);
    assert_eq!(hint(&connection), Err(InterimDropped::Version));
    let _content = connection.lock().commit(fresh, head);
    assert_eq!(hint(&connection), Err(InterimDropped::Late));
    let _refusal = connection.lock().begin_refusal();
    assert_eq!(hint(&connection), Err(InterimDropped::Version));
    assert_eq!(written(&connection), [200]);
}

#[test]
fn a_client_that_takes_nothing_gets_no_more_hints_than_fit() {
    let connection = connection();
    let _fresh = connection.lock().begin_exchange(&BodyTerms::NONE, Version::Http11);
    let refused = (0..10_000).find_map(|_| hint(&connection).err());
    assert_eq!(refused, Some(InterimDropped::Backlog));
}

#[test]
fn a_client_that_waits_to_be_told_to_go_on_is_told_however_little_it_takes() {
    let connection = connection();
    let terms = BodyTerms { awaits_continue: true, ..BodyTerms::NONE };
    let _fresh = connection.lock().begin_exchange(&terms, Version::Http11);
    while hint(&connection).is_ok() {}
    let go_on = connection.send(StatusCode::CONTINUE, FieldLines::new());
    assert_eq!(go_on, Ok(()), "it would wait for ever");
    assert!(!connection.lock().exchange.awaits_continue);
    assert_eq!(written(&connection).last(), Some(&100));
}
