//! Health: what the request path feels, never a constant.
//!
//! Two questions, and they differ. *Ready* (`/health`, `/health/ready`): would
//! a request sent now be served? Then a load balancer looks away while the
//! answer is no. *Live* (`/health/live`): is this process beyond help? Then
//! something restarts it. Overload and drain make a router unready, and
//! restarting it for them would only cut requests; so liveness asks for
//! turning workers and nothing else. How old the routes are is shown in both
//! and decides neither: a router with yesterday's routes beats none.
//!
//! A worker proves itself by beating from its own loop, the one that carries
//! requests, every [`HEARTBEAT_PERIOD`].

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::registry::snapshot::SnapshotHealth;

/// How often a worker beats.
pub const HEARTBEAT_PERIOD: Duration = Duration::from_millis(250);

/// A worker silent for longer makes the router unready: eight missed beats,
/// well beyond what a loaded machine's scheduler does.
pub const READY_LIMIT: Duration = Duration::from_secs(2);

/// A worker silent for longer is stuck, and the process not live.
pub const LIVE_LIMIT: Duration = Duration::from_secs(10);

/// When each worker last turned.
#[derive(Debug)]
pub struct Heartbeats {
    start: Instant,
    beats: Box<[Beat]>,
}

/// Milliseconds from the start to the last beat, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Beat(AtomicU64);

impl Heartbeats {
    /// For workers that all start at `now`.
    pub fn new(workers: usize, now: Instant) -> Self {
        Self { start: now, beats: (0..workers).map(|_| Beat::default()).collect() }
    }

    /// A worker turns at `now`.
    ///
    /// # Panics
    /// If there is no such worker.
    pub fn beat(&self, worker: usize, now: Instant) {
        self.beats[worker].0.store(self.millis(now), Relaxed);
    }

    /// How long ago each worker turned, in worker order.
    pub fn ages(&self, now: Instant) -> Vec<Duration> {
        let now = self.millis(now);
        let age = |beat: &Beat| Duration::from_millis(now.saturating_sub(beat.0.load(Relaxed)));
        self.beats.iter().map(age).collect()
    }

    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Everything health depends on, as it is at one moment.
#[derive(Clone, Debug, Default)]
pub struct HealthInputs {
    /// [`Heartbeats::ages`].
    pub heartbeat_ages: Vec<Duration>,
    /// Whether a drain has begun, its delay included.
    pub draining: bool,
    /// The limit that is reached, if one is.
    pub saturated: Option<Saturation>,
    /// The traffic listeners.
    pub listeners: Vec<ListenerHealth>,
    /// Where routes come from.
    pub sources: Vec<SourceHealth>,
    /// Where live routes are kept, if they are.
    pub snapshot: Option<SnapshotHealth>,
}

/// A limit that is reached, so that requests are turned away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saturation {
    /// The limit's key, such as `limits.requests_in_flight`, or in words what
    /// else sets it.
    pub limit: String,
    /// Where it stands.
    pub at: u64,
    /// What it is.
    pub of: u64,
}

/// One traffic listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerHealth {
    /// Where it is bound.
    pub address: SocketAddr,
    /// Whether it takes connections.
    pub accepting: bool,
}

/// One source of routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceHealth {
    /// Its name, such as `file`.
    pub name: String,
    /// What is known of it.
    pub state: SourceState,
    /// Milliseconds since its word in force was heard; absent before the first.
    pub age_ms: Option<u64>,
    /// Why it is not heard, if that is known.
    pub error: Option<String>,
}

impl SourceHealth {
    /// Its name and how long ago it was heard, if it was.
    pub(crate) fn age(&self) -> Option<(String, Duration)> {
        Some((self.name.clone(), Duration::from_millis(self.age_ms?)))
    }
}

/// What is known of a source of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceState {
    /// Its last word is in force.
    Current,
    /// Its last word was refused or it has gone silent; an older one is in
    /// force.
    Stale,
    /// It has not been heard yet.
    Pending,
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerHealth {
    /// Its number.
    pub worker: usize,
    /// Whether its last beat is younger than [`READY_LIMIT`].
    pub turning: bool,
    /// Milliseconds since its last beat.
    pub heartbeat_age_ms: u64,
}

/// Yes, or no and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The answer.
    pub healthy: bool,
    /// The first thing that speaks against it, in a sentence.
    pub reason: Option<String>,
}

impl Verdict {
    fn from_reason(reason: Option<String>) -> Self {
        Self { healthy: reason.is_none(), reason }
    }
}

/// Health in full, as `/health/ready` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// Whether a request sent now would be served.
    pub ready: Verdict,
    /// Whether this process is worth keeping.
    pub live: Verdict,
    /// Whether a drain has begun.
    pub draining: bool,
    /// The limit that is reached, if one is.
    pub saturated: Option<Saturation>,
    /// Every worker.
    pub workers: Vec<WorkerHealth>,
    /// Every traffic listener.
    pub listeners: Vec<ListenerHealth>,
    /// Every source of routes.
    pub sources: Vec<SourceHealth>,
    /// Where live routes are kept, if they are.
    #[serde(default)]
    pub snapshot: Option<SnapshotHealth>,
}

impl HealthInputs {
    /// Would a request sent now be served?
    pub fn ready(&self) -> Verdict {
        let reason = self
            .silent_worker(READY_LIMIT)
            .or_else(|| self.draining.then(|| "draining".to_owned()))
            .or_else(|| self.closed_listener())
            .or_else(|| self.saturated.as_ref().map(|limit| format!("saturated: {limit}")));
        Verdict::from_reason(reason)
    }

    /// Is this process worth keeping?
    pub fn live(&self) -> Verdict {
        Verdict::from_reason(self.silent_worker(LIVE_LIMIT))
    }

    /// Both verdicts and all they rest on.
    pub fn report(self) -> HealthReport {
        let worker = |(worker, age): (usize, &Duration)| WorkerHealth {
            worker,
            turning: *age <= READY_LIMIT,
            heartbeat_age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
        };
        HealthReport {
            ready: self.ready(),
            live: self.live(),
            workers: self.heartbeat_ages.iter().enumerate().map(worker).collect(),
            draining: self.draining,
            saturated: self.saturated,
            listeners: self.listeners,
            sources: self.sources,
            snapshot: self.snapshot,
        }
    }

    fn silent_worker(&self, limit: Duration) -> Option<String> {
        let mut ages = self.heartbeat_ages.iter().enumerate();
        let (worker, age) = ages.find(|(_, age)| **age > limit)?;
        Some(format!("worker {worker} has not turned for {:.1} s", age.as_secs_f64()))
    }

    fn closed_listener(&self) -> Option<String> {
        if self.listeners.is_empty() {
            // An embedded router has neither workers nor listeners: those are
            // of the program it is in.
            let own = !self.heartbeat_ages.is_empty();
            return own.then(|| "no listener is open".to_owned());
        }
        let closed = self.listeners.iter().find(|listener| !listener.accepting)?;
        Some(format!("the listener {} does not accept connections", closed.address))
    }
}

impl std::fmt::Display for Saturation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is reached ({} of {})", self.limit, self.at, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn fine() -> HealthInputs {
        HealthInputs {
            heartbeat_ages: vec![200 * MS, READY_LIMIT],
            listeners: vec![ListenerHealth {
                address: ([127, 0, 0, 1], 8080).into(),
                accepting: true,
            }],
            ..Default::default()
        }
    }

    fn unready(inputs: &HealthInputs) -> String {
        let verdict = inputs.ready();
        assert!(!verdict.healthy);
        verdict.reason.unwrap()
    }

    #[test]
    fn turning_workers_and_open_listeners_are_health() {
        assert_eq!(fine().ready(), Verdict { healthy: true, reason: None });
        assert!(fine().live().healthy);
    }

    #[test]
    fn a_silent_worker_is_unready_first_and_not_live_later() {
        let mut inputs = fine();
        inputs.heartbeat_ages[1] = READY_LIMIT + MS;
        assert!(unready(&inputs).starts_with("worker 1 has not turned for 2.0 s"));
        assert!(inputs.live().healthy);
        inputs.heartbeat_ages[1] = LIVE_LIMIT + MS;
        assert!(!inputs.live().healthy);
        assert!(!inputs.report().workers[1].turning);
    }

    #[test]
    fn drain_and_saturation_are_unready_but_no_reason_for_a_restart() {
        let draining = HealthInputs { draining: true, ..fine() };
        assert_eq!(unready(&draining), "draining");
        let limit = Saturation { limit: "limits.requests_in_flight".into(), at: 7, of: 7 };
        let saturated = HealthInputs { saturated: Some(limit), ..fine() };
        assert_eq!(unready(&saturated), "saturated: limits.requests_in_flight is reached (7 of 7)");
        assert!(draining.live().healthy && saturated.live().healthy);
    }

    #[test]
    fn a_listener_that_does_not_accept_or_none_at_all_is_unready() {
        let mut inputs = fine();
        inputs.listeners[0].accepting = false;
        assert!(unready(&inputs).contains("127.0.0.1:8080"));
        inputs.listeners.clear();
        assert_eq!(unready(&inputs), "no listener is open");
    }

    #[test]
    fn a_router_that_is_embedded_has_no_listener_and_is_ready() {
        assert!(HealthInputs::default().ready().healthy);
        let draining = HealthInputs { draining: true, ..Default::default() };
        assert_eq!(unready(&draining), "draining");
    }

    #[test]
    fn a_stale_source_is_shown_and_decides_nothing() {
        let stale = SourceHealth {
            name: "file".into(),
            state: SourceState::Stale,
            age_ms: Some(u64::MAX),
            error: None,
        };
        let report = HealthInputs { sources: vec![stale.clone()], ..fine() }.report();
        assert!(report.ready.healthy && report.live.healthy);
        assert_eq!(report.sources, [stale]);
    }

    #[test]
    fn a_beat_resets_the_age_of_its_worker_alone() {
        let start = Instant::now();
        let beats = Heartbeats::new(2, start);
        beats.beat(1, start + 700 * MS);
        assert_eq!(beats.ages(start + 1_000 * MS), [1_000 * MS, 300 * MS]);
        assert_eq!(beats.ages(start), [Duration::ZERO; 2], "a clock that lags is no panic");
    }
}
