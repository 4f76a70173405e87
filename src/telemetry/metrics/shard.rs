//! One worker's own figures.
//!
//! Everything here is a relaxed atomic on cache lines that no other worker
//! writes: an addition costs a few nanoseconds and orders nothing. A route's
//! figures are allocated when its first request on this worker ends, those of
//! its errors when the first error does.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::error::Code;

use super::histogram::{Histogram, HistogramSum};
use super::kinds::{ConnectionState, InformationalDrop, STATUS_CLASSES, Side, status_class};
use super::labels::RouteLabel;

/// How many codes there are.
const CODES: usize = Code::ALL.len();
const CLASSES: usize = STATUS_CLASSES.len();

/// A count for each code.
type ByCode = [AtomicU64; CODES];

/// The figures of one worker. Cheap to add to from that worker; correct, if
/// slower, from anywhere.
///
/// Aligned to 128 bytes: the pair of cache lines that x86 prefetches together.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerMetrics {
    in_flight: AtomicU64,
    queued: AtomicU64,
    attempts_with_response: AtomicU64,
    attempts_failed: ByCode,
    retries: ByCode,
    errors: ByCode,
    connections: [Connections; Side::ALL.len()],
    informational_dropped: [AtomicU64; InformationalDrop::ALL.len()],
    stale_reuse: AtomicU64,
    panics: AtomicU64,
    routes: Box<[OnceLock<Box<RouteFigures>>]>,
}

/// Connections of one side; the active ones are the difference, so that a
/// change of state is one addition.
#[derive(Debug, Default)]
struct Connections {
    open: AtomicU64,
    idle: AtomicU64,
}

/// A request's wait for an endpoint.
#[derive(Debug)]
pub struct Wait<'m> {
    queued: &'m AtomicU64,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        subtract(self.queued);
    }
}

/// What is counted for one route.
#[derive(Debug, Default)]
#[repr(align(128))]
struct RouteFigures {
    answered: [AtomicU64; CLASSES],
    with_code: [OnceLock<Box<ByCode>>; CLASSES],
    duration: Histogram,
}

impl WorkerMetrics {
    pub(super) fn new() -> Self {
        Self {
            in_flight: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            attempts_with_response: AtomicU64::new(0),
            attempts_failed: zeros(),
            retries: zeros(),
            errors: zeros(),
            connections: Default::default(),
            informational_dropped: Default::default(),
            stale_reuse: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            routes: (0..RouteLabel::COUNT).map(|_| OnceLock::new()).collect(),
        }
    }

    /// A request head has arrived. Each is followed by exactly one
    /// [`Self::request_finished`].
    pub fn request_started(&self) {
        add(&self.in_flight);
    }

    /// A request waits for an endpoint, until what this gives is dropped.
    #[must_use = "a request whose wait is dropped does not wait"]
    pub fn queued(&self) -> Wait<'_> {
        add(&self.queued);
        Wait { queued: &self.queued }
    }

    /// A request has ended with the last byte of its answer, or without one.
    ///
    /// `status` is the one sent to the client, or the one the log has
    /// (499 `client-closed`); 0 if there was none. `code` says what the router
    /// had to say about it; with a code, `errors_total` counts as well.
    pub fn request_finished(
        &self,
        route: RouteLabel,
        status: u16,
        code: Option<Code>,
        duration: Duration,
    ) {
        subtract(&self.in_flight);
        let figures = self.routes[route.index()].get_or_init(Box::default);
        let class = status_class(status);
        match code {
            None => add(&figures.answered[class]),
            Some(code) => {
                add_for(figures.with_code[class].get_or_init(|| Box::new(zeros())), code);
                self.error(code);
            }
        }
        figures.duration.observe(duration);
    }

    /// An error outside of any request, such as a failed TLS handshake or a
    /// head that never came.
    pub fn error(&self, code: Code) {
        add_for(&self.errors, code);
    }

    /// An attempt has ended: with a response head (`None`, whatever its
    /// status) or with the code of its failure.
    pub fn attempt_finished(&self, failure: Option<Code>) {
        match failure {
            None => add(&self.attempts_with_response),
            Some(code) => add_for(&self.attempts_failed, code),
        }
    }

    /// An attempt that failed with `reason` is followed by another.
    pub fn retried(&self, reason: Code) {
        add_for(&self.retries, reason);
    }

    /// A connection is open, in this state.
    pub fn connection_opened(&self, side: Side, state: ConnectionState) {
        let connections = &self.connections[side as usize];
        add(&connections.open);
        if state == ConnectionState::Idle {
            add(&connections.idle);
        }
    }

    /// An open connection changed to `state` from the other one.
    pub fn connection_became(&self, side: Side, state: ConnectionState) {
        let idle = &self.connections[side as usize].idle;
        match state {
            ConnectionState::Idle => add(idle),
            ConnectionState::Active => subtract(idle),
        }
    }

    /// A connection that was last in `state` is closed.
    pub fn connection_closed(&self, side: Side, state: ConnectionState) {
        let connections = &self.connections[side as usize];
        subtract(&connections.open);
        if state == ConnectionState::Idle {
            subtract(&connections.idle);
        }
    }

    /// An informational response was not forwarded.
    pub fn informational_dropped(&self, why: InformationalDrop) {
        add(&self.informational_dropped[why as usize]);
    }

    /// A reused endpoint connection died before the first response byte.
    pub fn stale_reuse(&self) {
        add(&self.stale_reuse);
    }

    /// A panic was caught.
    pub fn panicked(&self) {
        add(&self.panics);
    }
}

/// Reading, for the collector. Each takes one worker; [`sum`] adds them up.
impl WorkerMetrics {
    /// Requests in flight here. A request may finish on another worker than
    /// it began on, so only the wrapping sum over all means something.
    pub(crate) fn requests_in_flight_delta(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// Client connections open and, of them, idle.
    #[cfg(test)]
    pub(crate) fn clients(&self) -> (u64, u64) {
        let clients = &self.connections[Side::Client as usize];
        (clients.open.load(Relaxed), clients.idle.load(Relaxed))
    }

    pub(super) fn requests_queued(&self) -> u64 {
        self.queued.load(Relaxed)
    }

    pub(super) fn attempts_with_response(&self) -> u64 {
        self.attempts_with_response.load(Relaxed)
    }

    pub(super) fn attempts_failed(&self, code: Code) -> u64 {
        read(&self.attempts_failed, code)
    }

    pub(super) fn retries(&self, code: Code) -> u64 {
        read(&self.retries, code)
    }

    pub(super) fn errors(&self, code: Code) -> u64 {
        read(&self.errors, code)
    }

    pub(super) fn connections(&self, side: Side, state: ConnectionState) -> u64 {
        let connections = &self.connections[side as usize];
        let idle = connections.idle.load(Relaxed);
        match state {
            ConnectionState::Idle => idle,
            ConnectionState::Active => connections.open.load(Relaxed).wrapping_sub(idle),
        }
    }

    pub(super) fn informational_drops(&self, why: InformationalDrop) -> u64 {
        self.informational_dropped[why as usize].load(Relaxed)
    }

    pub(super) fn stale_reuses(&self) -> u64 {
        self.stale_reuse.load(Relaxed)
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }

    /// Requests of a route that were answered by the endpoint, in one class.
    pub(super) fn answered(&self, route: RouteLabel, class: usize) -> u64 {
        self.route(route).map_or(0, |figures| figures.answered[class].load(Relaxed))
    }

    /// Requests of a route with a code, in one class; `None` if there are none.
    pub(super) fn with_code(&self, route: RouteLabel, class: usize, code: Code) -> u64 {
        let codes = self.route(route).and_then(|figures| figures.with_code[class].get());
        codes.map_or(0, |codes| read(codes, code))
    }

    /// Whether any request of a route had a code, in one class.
    pub(super) fn has_codes(&self, route: RouteLabel, class: usize) -> bool {
        self.route(route).is_some_and(|figures| figures.with_code[class].get().is_some())
    }

    /// Adds a route's durations to `sum`.
    pub(super) fn add_durations(&self, route: RouteLabel, sum: &mut HistogramSum) {
        if let Some(figures) = self.route(route) {
            sum.add(&figures.duration);
        }
    }

    /// Back to zero, because the label now means another route.
    pub(super) fn forget_route(&self, route: RouteLabel) {
        let Some(figures) = self.route(route) else { return };
        let codes = figures.with_code.iter().filter_map(OnceLock::get);
        for cell in figures.answered.iter().chain(codes.flat_map(|codes| codes.iter())) {
            cell.store(0, Relaxed);
        }
        figures.duration.reset();
    }

    fn route(&self, route: RouteLabel) -> Option<&RouteFigures> {
        self.routes[route.index()].get().map(|figures| &**figures)
    }
}

/// The sum of one figure over all workers; wrapping, so that a difference
/// kept across workers comes out right.
pub(super) fn sum(workers: &[Arc<WorkerMetrics>], figure: impl Fn(&WorkerMetrics) -> u64) -> u64 {
    workers.iter().fold(0, |sum, worker| sum.wrapping_add(figure(worker)))
}

fn zeros() -> ByCode {
    std::array::from_fn(|_| AtomicU64::new(0))
}

fn add(cell: &AtomicU64) {
    cell.fetch_add(1, Relaxed);
}

fn subtract(cell: &AtomicU64) {
    cell.fetch_sub(1, Relaxed);
}

fn add_for(by_code: &ByCode, code: Code) {
    add(&by_code[code as usize]);
}

fn read(by_code: &ByCode, code: Code) -> u64 {
    by_code[code as usize].load(Relaxed)
}
