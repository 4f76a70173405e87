//! A client's connection after its upgrade: the 101, then bytes both ways in
//! the connection's own task.

use std::future::poll_fn;
use std::task::Poll;

use crate::http1::encode_informational;
use crate::listen::connections::ConnectionEntry;
use crate::listen::http1::connection::ClientConnection;
use crate::respond::Reply;
use crate::respond::commit::Fresh;
use crate::sync::Mutex;

/// Commits the 101 and relays until both sides have ended, or one is lost.
/// What the client had sent early goes first; a tunnel that does not end in
/// order is reset on both sides.
///
/// Once the router closes, a WebSocket client is told with a Close frame (1001)
/// between two of the endpoint's; any other protocol knows no such word, and
/// goes on until the cut.
pub(super) async fn run(
    connection: &Mutex<ClientConnection>,
    fresh: Fresh,
    mut reply: Box<Reply>,
    entry: &ConnectionEntry,
) {
    let mut content = connection.lock().commit(fresh, |out| {
        encode_informational(out, reply.status, &reply.fields);
    });
    let end = poll_fn(|cx| {
        let mut client = connection.lock();
        match reply.body.poll_tunnel(cx, &mut client.end(), entry.closes_idle()) {
            Some(end) => Poll::Ready(end),
            None => Poll::Pending,
        }
    })
    .await;
    match end {
        Ok(()) => content.finish(),
        Err(code) => content.fail(code),
    }
    match content.end() {
        Some(Err(code)) => reply.body.fail(code),
        _ => {
            connection.lock().reply_ended();
            reply.body.finish();
        }
    }
}
