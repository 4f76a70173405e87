//! What is known of the bus, for health and metrics.

use std::sync::Arc;
use std::time::Instant;

use super::intake::Subject;
use crate::lifecycle::{SourceHealth, SourceState};
use crate::registry::Outcome;
use crate::registry::message::{Ignored, MessageError};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The bus as seen from outside its task.
#[derive(Debug, Default)]
pub(crate) struct NatsStatus {
    connected: AtomicBool,
    heard: Mutex<Option<Instant>>,
    fault: Mutex<Option<String>>,
    pub(crate) figures: Arc<Figures>,
}

impl NatsStatus {
    /// There is a connection, and it works.
    pub(super) fn connected(&self) {
        self.connected.store(true, Relaxed);
        *self.fault.lock() = None;
    }

    /// There is none, or it is of no use. Whether this reason is news.
    pub(super) fn lost(&self, why: &str) -> bool {
        self.connected.store(false, Relaxed);
        let mut fault = self.fault.lock();
        let is_news = fault.as_deref() != Some(why);
        if is_news {
            *fault = Some(why.to_owned());
        }
        is_news
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
            error: self.fault.lock().clone(),
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
    stale: AtomicU64,
    ignored: [AtomicU64; Ignored::ALL.len()],
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

    pub(super) fn ignored(&self, ignored: Ignored) {
        self.ignored[ignored as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn dropped_more(&self, messages: u64) {
        self.dropped.fetch_add(messages, Relaxed);
    }

    /// So many endpoints were named by a word that is older than the last.
    pub(super) fn stale(&self, endpoints: u64) {
        self.stale.fetch_add(endpoints, Relaxed);
    }

    pub(super) fn made(&self, outcomes: &[Outcome]) {
        let count = |of| outcomes.iter().filter(|outcome| **outcome == of).count() as u64;
        self.added.fetch_add(count(Outcome::Added), Relaxed);
        self.removed.fetch_add(count(Outcome::Removed), Relaxed);
        self.full.fetch_add(count(Outcome::Full), Relaxed);
        self.stale.fetch_add(count(Outcome::Stale), Relaxed);
    }

    /// Messages lost because too many waited. While they come faster than they
    /// are read these are the least it can be; afterwards, all.
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

    /// Messages with an option that is not followed, by option.
    pub(crate) fn by_ignored_option(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.ignored.iter().map(|count| count.load(Relaxed));
        Ignored::ALL.into_iter().map(Ignored::option).zip(counts)
    }

    /// Messages refused, by kind.
    pub(crate) fn by_kind(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.refused.iter().map(|count| count.load(Relaxed));
        MessageError::KINDS.into_iter().zip(counts)
    }

    /// Endpoints added and removed, those there was no room for, and words on
    /// endpoints that came after a later one.
    pub(crate) fn endpoints(&self) -> [(&'static str, u64); 4] {
        let counts = [
            ("added", &self.added),
            ("removed", &self.removed),
            ("full", &self.full),
            ("stale", &self.stale),
        ];
        counts.map(|(name, count)| (name, count.load(Relaxed)))
    }
}
