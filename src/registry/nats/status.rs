//! What is known of the bus, for health and metrics.

use std::sync::Arc;
use std::time::Instant;

use super::intake::Subject;
use crate::lifecycle::{SourceHealth, SourceState};
use crate::registry::Outcome;
use crate::registry::message::MessageError;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The bus as seen from outside its task.
#[derive(Debug, Default)]
pub(crate) struct NatsStatus {
    connected: AtomicBool,
    heard: Mutex<Option<Instant>>,
    pub(crate) figures: Arc<Figures>,
}

impl NatsStatus {
    pub(super) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Relaxed);
    }

    /// Whether there is a connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Relaxed)
    }

    pub(super) fn heard(&self, now: Instant) {
        *self.heard.lock() = Some(now);
    }

    /// As the health report shows it. Without a connection it is stale, or
    /// pending if it was never there.
    pub(crate) fn health(&self, now: Instant) -> SourceHealth {
        let heard = *self.heard.lock();
        let age = heard.map(|heard| now.saturating_duration_since(heard).as_millis());
        SourceHealth {
            name: "nats".into(),
            state: match (self.is_connected(), heard) {
                (true, _) => SourceState::Current,
                (false, Some(_)) => SourceState::Stale,
                (false, None) => SourceState::Pending,
            },
            age_ms: age.map(|age| u64::try_from(age).unwrap_or(u64::MAX)),
        }
    }
}

/// Counts of messages, and of what became of them.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    subjects: [AtomicU64; 3],
    refused: [AtomicU64; MessageError::KINDS.len()],
    dropped: AtomicU64,
    added: AtomicU64,
    removed: AtomicU64,
    full: AtomicU64,
}

impl Figures {
    pub(super) fn taken(&self, subject: Subject) {
        self.subjects[subject as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn greeted(&self) {
        self.taken(Subject::Greet);
    }

    pub(super) fn refused(&self, error: &MessageError) {
        self.refused[error.index()].fetch_add(1, Relaxed);
    }

    pub(super) fn lost_one(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    pub(super) fn made(&self, outcomes: &[Outcome]) {
        let count = |of| outcomes.iter().filter(|outcome| **outcome == of).count() as u64;
        self.added.fetch_add(count(Outcome::Added), Relaxed);
        self.removed.fetch_add(count(Outcome::Removed), Relaxed);
        self.full.fetch_add(count(Outcome::Full), Relaxed);
    }

    /// Messages lost because too many waited, as far as was told: at least.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Good messages, by subject.
    pub(crate) fn messages(&self) -> [(&'static str, u64); 3] {
        let count = |subject: Subject| self.subjects[subject as usize].load(Relaxed);
        [
            ("register", count(Subject::Register)),
            ("unregister", count(Subject::Unregister)),
            ("greet", count(Subject::Greet)),
        ]
    }

    /// Messages refused, by kind.
    pub(crate) fn by_kind(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.refused.iter().map(|count| count.load(Relaxed));
        MessageError::KINDS.into_iter().zip(counts)
    }

    /// Endpoints added and removed, and those there was no room for.
    pub(crate) fn endpoints(&self) -> [(&'static str, u64); 3] {
        [("added", &self.added), ("removed", &self.removed), ("full", &self.full)]
            .map(|(name, count)| (name, count.load(Relaxed)))
    }
}
