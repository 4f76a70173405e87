//! Closing a connection whose input was not read to its end.
//!
//! Closing a socket with unread input makes the system send a reset, which can
//! destroy the answer before the client has read it. So the write side is shut
//! first and what still comes is discarded, for a bounded time and amount
//! (RFC 9112 section 9.6).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::listen::connections::ConnectionEntry;
use crate::listen::http1::connection::ClientConnection;
use crate::sync::Mutex;

/// Shuts the write side, then discards input until the client has closed too
/// or `patience` has passed. Past `most_bytes` input is no longer taken: the
/// reset would overtake what the client has not read yet, so a client that
/// sends without end is held back for the rest of the time. It ends early for
/// whoever needs the room.
pub(crate) async fn close(
    connection: &Mutex<ClientConnection>,
    patience: Duration,
    most_bytes: u64,
    entry: &ConnectionEntry,
) {
    let due = Instant::now() + patience;
    let mut shut = false;
    poll_fn(|cx| {
        let mut connection = connection.lock();
        let client = &mut *connection;
        if !shut {
            match Pin::new(&mut *client.stream).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => shut = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
        }
        let left = client.poll_discard(cx, most_bytes).is_ready() || client.inbox.ended();
        if left || entry.is_evicted() {
            return Poll::Ready(());
        }
        ready!(client.clock.poll_until(cx, due));
        Poll::Ready(())
    })
    .await;
}
