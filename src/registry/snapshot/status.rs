//! How the snapshot does, for health, figures and the log.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{fmt, io};

use serde::{Deserialize, Serialize};

use crate::sync::Mutex;

/// Whether the snapshot is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotState {
    /// It is about to be written for the first time, or again after somebody
    /// took it away.
    Starting,
    /// It has what was in force a second ago.
    Current,
    /// It cannot be written; an older one may lie there.
    Failing,
    /// Another process writes it.
    Elsewhere,
}

/// The snapshot, as `/health/ready` shows it. It decides no verdict: a router
/// that cannot keep its routes still serves them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHealth {
    /// Where it lies.
    pub path: String,
    /// Whether it is kept.
    pub state: SnapshotState,
    /// Why not.
    pub error: Option<String>,
    /// Milliseconds since it was known to have every change; absent before.
    pub age_ms: Option<u64>,
    /// Its length in bytes.
    pub bytes: u64,
    /// Changes that were read from it at the start.
    pub restored: u64,
    /// What was wrong with the file that was found at the start, if it was.
    pub set_aside: Option<String>,
}

/// The snapshot's figures.
#[derive(Clone, Debug, Default)]
pub struct SnapshotFigures {
    /// Time since it was known to have every change.
    pub age: Option<Duration>,
    /// Its length in bytes.
    pub bytes: u64,
    /// Changes read at the start.
    pub restored: u64,
    /// Times it could not be written.
    pub failures: u64,
    /// Files set aside.
    pub set_aside: u64,
}

/// Written by the keeper, read by whoever asks.
#[derive(Debug)]
pub(crate) struct Status {
    path: String,
    now: Mutex<Now>,
    bytes: AtomicU64,
    restored: AtomicU64,
    failures: AtomicU64,
}

#[derive(Debug)]
struct Now {
    state: SnapshotState,
    error: Option<String>,
    current_at: Option<Instant>,
    set_aside: Option<String>,
}

impl Status {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.display().to_string(),
            now: Mutex::new(Now {
                state: SnapshotState::Starting,
                error: None,
                current_at: None,
                set_aside: None,
            }),
            bytes: AtomicU64::new(0),
            restored: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    pub(super) fn restored(&self, changes: u64) {
        self.restored.store(changes, Relaxed);
    }

    pub(super) fn set_aside(&self, why: impl fmt::Display) {
        self.now.lock().set_aside = Some(why.to_string());
    }

    /// Everything is written at `now`.
    pub(super) fn current(&self, now: Instant, bytes: u64) {
        self.bytes.store(bytes, Relaxed);
        let mut seen = self.now.lock();
        if seen.state != SnapshotState::Current && seen.state != SnapshotState::Starting {
            tracing::info!(path = self.path, "the snapshot is written again");
        }
        (seen.state, seen.error, seen.current_at) = (SnapshotState::Current, None, Some(now));
    }

    /// Logged when it begins, and when it fails otherwise.
    pub(super) fn failed(&self, path: &Path, error: &io::Error) {
        self.failures.fetch_add(1, Relaxed);
        let text = error.to_string();
        let mut seen = self.now.lock();
        if seen.error.as_ref() != Some(&text) {
            let path = path.display();
            tracing::error!(%path, %error, "the snapshot cannot be written; routes go on from memory");
        }
        (seen.state, seen.error) = (SnapshotState::Failing, Some(text));
    }

    /// It was removed or replaced by somebody else, and is about to be written
    /// anew.
    pub(super) fn lost(&self) {
        tracing::warn!(
            path = self.path,
            "the snapshot is gone or was replaced; it is written anew"
        );
        self.now.lock().state = SnapshotState::Starting;
    }

    pub(super) fn elsewhere(&self) {
        let mut seen = self.now.lock();
        if seen.state != SnapshotState::Elsewhere {
            tracing::warn!(path = self.path, "another process keeps this snapshot; waiting for it");
        }
        (seen.state, seen.error) = (SnapshotState::Elsewhere, None);
    }

    /// As of `now`.
    pub(crate) fn health(&self, now: Instant) -> SnapshotHealth {
        let seen = self.now.lock();
        let age = seen.current_at.map(|at| now.saturating_duration_since(at));
        SnapshotHealth {
            path: self.path.clone(),
            state: seen.state,
            error: seen.error.clone(),
            age_ms: age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            bytes: self.bytes.load(Relaxed),
            restored: self.restored.load(Relaxed),
            set_aside: seen.set_aside.clone(),
        }
    }

    /// As of `now`.
    pub(crate) fn figures(&self, now: Instant) -> SnapshotFigures {
        let seen = self.now.lock();
        SnapshotFigures {
            age: seen.current_at.map(|at| now.saturating_duration_since(at)),
            bytes: self.bytes.load(Relaxed),
            restored: self.restored.load(Relaxed),
            failures: self.failures.load(Relaxed),
            set_aside: u64::from(seen.set_aside.is_some()),
        }
    }
}
