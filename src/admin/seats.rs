//! The few connections of the admin side: who has one, and who makes room.
//!
//! When all are taken and another caller comes, the one that has been longest
//! without a whole request goes: silence, half a head and half a request are
//! all that it takes to hold a connection, and must not keep the operator, or
//! the balancer that asks for health, outside.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::sync::Mutex;

/// For so long nobody has to make room: a request may be on its way.
const SPARED: Duration = Duration::from_millis(250);

/// The connections of the admin side.
#[derive(Debug)]
pub(super) struct Seats {
    most: usize,
    taken: Vec<(Arc<Seat>, AbortHandle)>,
    /// One of them waits from now on.
    one_waits: Arc<Notify>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Seat {
    /// Since when it waits for a whole request; `None` while one is answered.
    waits_since: Mutex<Option<Instant>>,
    one_waits: Arc<Notify>,
}

impl Seats {
    /// For `most` connections.
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Vec::new(), one_waits: Arc::default() }
    }

    /// For a connection just accepted.
    pub(super) fn seat(&self) -> Arc<Seat> {
        let waits_since = Mutex::new(Some(Instant::now()));
        Arc::new(Seat { waits_since, one_waits: self.one_waits.clone() })
    }

    /// A seat is taken until `task` ends.
    pub(super) fn take(&mut self, seat: Arc<Seat>, task: AbortHandle) {
        self.taken.push((seat, task));
    }

    /// Waits until there is room for one connection more, which there is when
    /// one has ended or waits for its request for too long. To be asked again
    /// when a task has ended.
    pub(super) async fn room(&mut self) {
        loop {
            // Whoever's request has come gets to read it first.
            tokio::task::yield_now().await;
            self.taken.retain(|(_, task)| !task.is_finished());
            if self.taken.len() < self.most {
                return;
            }
            let waiting = self.taken.iter().map(|(seat, _)| *seat.waits_since.lock());
            match first_to_go(waiting) {
                Some((at, since)) if since + SPARED <= Instant::now() => {
                    self.taken.swap_remove(at).1.abort();
                    return;
                }
                Some((_, since)) => sleep_until(since + SPARED).await,
                None => self.one_waits.notified().await,
            }
        }
    }
}

/// The one that waits longest for a whole request, and since when.
fn first_to_go(waiting: impl Iterator<Item = Option<Instant>>) -> Option<(usize, Instant)> {
    let waiting = waiting.enumerate().filter_map(|(at, since)| Some((at, since?)));
    waiting.min_by_key(|(_, since)| *since)
}

impl Seat {
    fn answers(&self) {
        *self.waits_since.lock() = None;
    }

    fn waits(&self) {
        *self.waits_since.lock() = Some(Instant::now());
        self.one_waits.notify_one();
    }
}

/// The content of a request; once it has come whole, its seat is safe.
pub(super) struct Asked {
    body: Incoming,
    seat: Arc<Seat>,
}

impl Asked {
    /// The content of a request whose head has come on this seat.
    pub(super) fn new(body: Incoming, seat: Arc<Seat>) -> Self {
        let asked = Self { body, seat };
        if http_body::Body::is_end_stream(&asked.body) {
            asked.seat.answers();
        }
        asked
    }
}

impl http_body::Body for Asked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) {
            self.seat.answers();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

/// The content of an answer; when it has gone, its seat waits again.
pub(super) struct Told {
    body: Body,
    seat: Arc<Seat>,
}

impl Told {
    /// The content of an answer on this seat.
    pub(super) fn new(body: Body, seat: Arc<Seat>) -> Self {
        Self { body, seat }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.seat.waits();
    }
}

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_waits_longest_goes_first_and_none_that_is_answered() {
        let now = Instant::now();
        let later = now + SPARED;
        assert_eq!(first_to_go([None, Some(later), Some(now), None].into_iter()), Some((2, now)));
        assert_eq!(first_to_go([None, None].into_iter()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_goes_who_is_answered_or_has_just_come() {
        let mut seats = Seats::new(2);
        let task = || tokio::spawn(std::future::pending::<()>());
        let (answered, waiting) = (seats.seat(), seats.seat());
        let (first, second) = (task(), task());
        seats.take(answered.clone(), first.abort_handle());
        seats.take(waiting.clone(), second.abort_handle());
        answered.answers();
        let begun = Instant::now();
        seats.room().await;
        assert!(begun.elapsed() >= SPARED, "it was spared");
        assert!(second.await.unwrap_err().is_cancelled() && !first.is_finished());
        let third = task();
        let busy = seats.seat();
        busy.answers();
        seats.take(busy.clone(), third.abort_handle());
        let over = async {
            tokio::time::sleep(SPARED * 9).await;
            busy.waits();
        };
        tokio::join!(seats.room(), over);
        assert!(third.await.unwrap_err().is_cancelled());
        assert!(!first.is_finished());
    }
}
