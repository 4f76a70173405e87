//! A worker's own buffer of lines.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use crate::config::AccessLogFormat;
use crate::sync::Mutex;

use super::record::AccessRecord;
use super::{common, json};

/// Bytes of lines a worker may have waiting; a line that finds as many is
/// dropped. At 400 bytes a line, that is a sink stalled for 100 ms at 26,000
/// requests per second on this one worker.
pub(super) const LANE_BYTES: usize = 1 << 20;

/// Lines of one worker, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Lane {
    /// Locked by its worker for one line, by the writer for one swap.
    waiting: Mutex<Vec<u8>>,
    dropped: AtomicU64,
}

impl Lane {
    /// Takes all waiting lines, leaving `empty` in their place.
    pub(super) fn swap(&self, empty: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.waiting.lock(), empty)
    }

    /// Lines that found the buffer full.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

/// What workers and writer share.
#[derive(Debug)]
pub(super) struct Lanes {
    pub(super) lanes: Box<[Lane]>,
    pub(super) format: AccessLogFormat,
    /// The writer, to be woken by the first line in an empty buffer.
    pub(super) writer: OnceLock<Thread>,
}

impl Lanes {
    /// Wakes the writer.
    pub(super) fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }
}

/// Where one worker's lines go.
#[derive(Clone, Debug)]
pub struct AccessLogHandle {
    to: Option<(Arc<Lanes>, usize)>,
}

impl AccessLogHandle {
    /// A handle of a log that is off.
    pub const fn off() -> Self {
        Self { to: None }
    }

    pub(super) fn new(lanes: Arc<Lanes>, worker: usize) -> Self {
        Self { to: Some((lanes, worker)) }
    }

    /// Whether a record would be written: if not, do not build one.
    pub fn enabled(&self) -> bool {
        self.to.is_some()
    }

    /// Writes a line, or drops it and counts that if the sink is behind.
    /// Never waits for the sink.
    pub fn write(&self, record: &AccessRecord<'_>) {
        let Some((lanes, worker)) = &self.to else { return };
        let lane = &lanes.lanes[*worker];
        let was_empty = {
            let mut waiting = lane.waiting.lock();
            if waiting.len() >= LANE_BYTES {
                lane.dropped.fetch_add(1, Relaxed);
                return;
            }
            let was_empty = waiting.is_empty();
            match lanes.format {
                AccessLogFormat::Json => json::push_line(&mut waiting, record),
                AccessLogFormat::Common => common::push_line(&mut waiting, record),
            }
            was_empty
        };
        // Later lines of the batch find the writer awake, or about to be.
        if was_empty {
            lanes.wake();
        }
    }
}
