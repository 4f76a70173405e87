//! The last errors, for `/errors`.
//!
//! Each worker has a ring of its own: when everything fails at once, workers
//! do not wait for each other to say so. What falls off a ring is dropped
//! outside of its lock.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::error::Code;
use crate::sync::Mutex;

/// An error that a request ended with, or a connection before there was one.
#[derive(Clone, Debug)]
pub struct RecentError {
    /// When.
    pub time: SystemTime,
    /// The request's id.
    pub request_id: String,
    /// Who asked.
    pub client: SocketAddr,
    /// The request's method.
    pub method: String,
    /// Its host, as looked up.
    pub host: String,
    /// Its path, with the query if there was one: the admin side masks it.
    pub path: String,
    /// The route's name, if one was found.
    pub route: Option<Arc<str>>,
    /// The endpoint of the last attempt, if there was one.
    pub endpoint: Option<SocketAddr>,
    /// What went wrong.
    pub code: Code,
    /// The status answered; `None` if it went wrong without an answer.
    pub status: Option<u16>,
    /// What went wrong, in a sentence.
    pub detail: Cow<'static, str>,
    /// The attempts that were made.
    pub attempts: Vec<AttemptSummary>,
}

/// An attempt of a request that ended with an error.
#[derive(Clone, Debug)]
pub struct AttemptSummary {
    /// Where it went.
    pub endpoint: SocketAddr,
    /// How it failed; `None` if a response head came.
    pub failure: Option<Code>,
    /// How long it took.
    pub elapsed: Duration,
}

/// The last [`RecentErrors::CAPACITY`] errors of requests of all workers, and
/// the last [`RecentErrors::CONNECTIONS`] of connections that came to none:
/// whoever scans ports must not push out what happened to requests.
#[derive(Debug)]
pub struct RecentErrors {
    /// How many there ever were.
    count: AtomicU64,
    rings: Box<[Ring]>,
    connections: Ring,
}

/// The last errors of one worker with their numbers, the newest last.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Ring(Mutex<VecDeque<(u64, Arc<RecentError>)>>);

impl RecentErrors {
    /// How many errors of requests are kept, and at most of each worker.
    pub const CAPACITY: usize = 1_000;
    /// How many errors of connections are kept besides.
    pub const CONNECTIONS: usize = 100;
    /// How much of a text that a client chose is kept.
    pub const MAX_TEXT_BYTES: usize = 1_024;

    /// None yet, of so many workers.
    pub fn new(workers: usize) -> Arc<Self> {
        let rings = std::iter::repeat_with(Ring::default).take(workers.max(1)).collect();
        Arc::new(Self { count: AtomicU64::new(0), rings, connections: Ring::default() })
    }

    /// Keeps an error of a worker's request; its oldest makes room. Method, host
    /// and path are cut to [`Self::MAX_TEXT_BYTES`].
    pub fn record(&self, worker: usize, error: RecentError) {
        self.push(&self.rings[worker % self.rings.len()], error, Self::CAPACITY);
    }

    /// Keeps an error of a connection that brought no request, likewise.
    pub fn record_connection(&self, error: RecentError) {
        self.push(&self.connections, error, Self::CONNECTIONS);
    }

    fn push(&self, ring: &Ring, mut error: RecentError, capacity: usize) {
        for text in [&mut error.method, &mut error.host, &mut error.path] {
            text.truncate(text.floor_char_boundary(Self::MAX_TEXT_BYTES));
            text.shrink_to_fit();
        }
        let error = Arc::new(error);
        let _evicted = {
            let mut ring = ring.0.lock();
            // Drawn under the lock, so that a ring is in the order of numbers.
            let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
            ring.push_back((number, error));
            (ring.len() > capacity).then(|| ring.pop_front())
        };
    }

    /// The last of all workers, newest first, each with its number: the first
    /// error since the start is 1.
    pub fn newest_first(&self) -> Vec<(u64, Arc<RecentError>)> {
        let newest = |(number, _): &(u64, Arc<RecentError>)| Reverse(*number);
        let mut all = Vec::new();
        for ring in &self.rings {
            all.extend(ring.0.lock().iter().cloned());
        }
        all.sort_unstable_by_key(newest);
        all.truncate(Self::CAPACITY);
        all.extend(self.connections.0.lock().iter().cloned());
        all.sort_unstable_by_key(newest);
        all
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn error(path: &str) -> RecentError {
        RecentError {
            time: SystemTime::UNIX_EPOCH,
            request_id: "id".into(),
            client: ([127, 0, 0, 1], 40_000).into(),
            method: "GET".into(),
            host: "shop.example".into(),
            path: path.into(),
            route: Some("shop.example/".into()),
            endpoint: Some(([10, 0, 0, 1], 80).into()),
            code: Code::UpstreamReset,
            status: Some(502),
            detail: "the endpoint closed".into(),
            attempts: vec![AttemptSummary {
                endpoint: ([10, 0, 0, 1], 80).into(),
                failure: Some(Code::UpstreamReset),
                elapsed: Duration::from_millis(3),
            }],
        }
    }

    #[test]
    fn only_the_last_thousand_are_kept_and_the_newest_comes_first() {
        let errors = RecentErrors::new(2);
        for n in 1..=1_500 {
            errors.record(n % 3, error(&format!("/{n}")));
        }
        let kept = errors.newest_first();
        assert_eq!(kept.len(), RecentErrors::CAPACITY);
        assert_eq!((kept[0].0, kept[0].1.path.as_str()), (1_500, "/1500"));
        assert_eq!((kept[999].0, kept[999].1.path.as_str()), (501, "/501"));
    }

    #[test]
    fn connections_that_came_to_nothing_push_out_no_request() {
        let errors = RecentErrors::new(1);
        errors.record(0, error("/first"));
        (0..5_000).for_each(|n| errors.record_connection(error(&format!("/{n}"))));
        errors.record(0, error("/last"));
        let kept = errors.newest_first();
        assert_eq!(kept.len(), RecentErrors::CONNECTIONS + 2);
        assert_eq!((kept[0].0, kept[0].1.path.as_str()), (5_002, "/last"));
        assert_eq!((kept[1].0, kept[1].1.path.as_str()), (5_001, "/4999"));
        assert_eq!((kept[101].0, kept[101].1.path.as_str()), (1, "/first"));
    }

    #[test]
    fn a_path_of_any_length_is_kept_only_in_part_and_cut_between_characters() {
        let errors = RecentErrors::new(1);
        errors.record(0, error(&format!("/{}", "é".repeat(30_000))));
        let kept = errors.newest_first();
        assert_eq!(kept[0].1.path.len(), RecentErrors::MAX_TEXT_BYTES - 1);
    }

    #[test]
    fn a_host_and_a_method_of_any_length_are_kept_only_in_part() {
        let errors = RecentErrors::new(1);
        let long = || "x".repeat(60_000);
        errors.record(0, RecentError { host: long(), method: long(), ..error("/") });
        let kept = &errors.newest_first()[0].1;
        let most = RecentErrors::MAX_TEXT_BYTES;
        assert_eq!((kept.host.len(), kept.method.len()), (most, most));
    }
}
