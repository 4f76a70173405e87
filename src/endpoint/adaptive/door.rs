//! The limit as requests meet it: they are let in or refused at once, and their
//! latencies are summed until a window is full.
//!
//! A window's sum and count are one word, so that it is taken whole, and no lock
//! is taken but once a window. (While a measurement waits for requests to end,
//! each that does takes it; those are a few.)

use super::gradient::{AdaptiveTerms, FULL_WINDOW, Gradient, Turn, Window};
use super::places::{Place, Places};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Where a window's count begins, above its sum.
const SAMPLE: u64 = 1 << 48;

/// No sample counts as longer, in microseconds (over an hour); a full window of
/// them, and as many more as there can be threads, fit below the count.
const LONGEST_US: u64 = (1 << 32) - 1;

/// What one route lets in.
#[derive(Debug)]
pub struct Door {
    places: Places,
    tally: Tally,
    gauge: Gauge,
    gradient: Mutex<Gradient>,
}

/// What requests write.
#[derive(Debug)]
#[repr(align(128))]
struct Tally {
    /// Samples since the last turn: count and sum.
    window: AtomicU64,
    /// Requests under way at a time since the last turn, at most.
    peak: AtomicU64,
    shed: AtomicU64,
}

/// What turns write and requests read.
#[derive(Debug)]
#[repr(align(128))]
struct Gauge {
    due_ms: AtomicU64,
    due_samples: AtomicU64,
    late_ms: AtomicU64,
    longest_us: AtomicU64,
    base_us: AtomicU64,
    /// Requests admitted under another number have no say.
    epoch: AtomicU64,
}

/// One request that was let in. Dropping it is its end, without a sample.
#[derive(Debug)]
#[must_use = "a permit that is dropped is given back"]
pub struct Permit<'a> {
    place: Place<'a>,
    door: &'a Door,
    epoch: u64,
}

/// What an operator is told of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorSeen {
    /// How many requests may be under way now.
    pub limit: u64,
    /// How many are, those left out whose client is still sending content.
    pub in_flight: u64,
    /// How many were refused so far.
    pub shed: u64,
    /// Latency without a queue in microseconds, once it is known.
    pub base_us: Option<u64>,
}

impl Door {
    /// A door that has seen nobody yet.
    pub fn new(terms: AdaptiveTerms) -> Self {
        let gradient = Gradient::new(terms);
        let zero = || AtomicU64::new(0);
        let door = Self {
            places: Places::new(0),
            tally: Tally { window: zero(), peak: zero(), shed: zero() },
            gauge: Gauge {
                due_ms: zero(),
                due_samples: zero(),
                late_ms: zero(),
                longest_us: zero(),
                base_us: zero(),
                epoch: zero(),
            },
            gradient: Mutex::new(gradient),
        };
        door.publish(&door.gradient.lock());
        door
    }

    /// Puts other bounds in force; what was learnt stays.
    pub fn set_terms(&self, terms: AdaptiveTerms) {
        let mut gradient = self.gradient.lock();
        if *gradient.terms() != terms {
            gradient.set_terms(terms);
            self.publish(&gradient);
        }
    }

    /// Lets a request in, or refuses it at once.
    pub fn enter(&self, now_ms: u64) -> Option<Permit<'_>> {
        let Some((place, taken)) = self.places.enter() else {
            self.tally.shed.fetch_add(1, Ordering::Relaxed);
            if now_ms >= self.gauge.late_ms.load(Ordering::Relaxed) {
                self.turn(now_ms);
            }
            return None;
        };
        if taken > self.tally.peak.load(Ordering::Relaxed) {
            self.tally.peak.fetch_max(taken, Ordering::Relaxed);
        }
        Some(Permit { place, door: self, epoch: self.gauge.epoch.load(Ordering::Acquire) })
    }

    /// What it is like now.
    pub fn seen(&self) -> DoorSeen {
        DoorSeen {
            limit: self.places.limit(),
            in_flight: self.places.waiting(),
            shed: self.tally.shed.load(Ordering::Relaxed),
            base_us: self.gradient.lock().base_us(),
        }
    }

    fn turn_if_due(&self, now_ms: u64, samples: u64) {
        let gauge = &self.gauge;
        let is_due = samples >= gauge.due_samples.load(Ordering::Relaxed)
            && now_ms >= gauge.due_ms.load(Ordering::Relaxed);
        if is_due || samples >= FULL_WINDOW || now_ms >= gauge.late_ms.load(Ordering::Relaxed) {
            self.turn(now_ms);
        }
    }

    fn turn(&self, now_ms: u64) {
        let mut gradient = self.gradient.lock();
        let seen = self.tally.window.load(Ordering::Relaxed);
        let window = Window {
            samples: seen / SAMPLE,
            sum_us: seen % SAMPLE,
            peak: self.tally.peak.load(Ordering::Relaxed),
        };
        let waiting = self.places.waiting();
        let turn = gradient.turn(now_ms, waiting, window);
        if turn == Turn::Goes && window.samples < FULL_WINDOW {
            return;
        }
        if turn == Turn::Anew {
            self.gauge.epoch.fetch_add(1, Ordering::AcqRel);
        }
        // What came in meanwhile stays.
        self.tally.window.fetch_sub(seen, Ordering::Relaxed);
        self.tally.peak.store(waiting, Ordering::Relaxed);
        self.publish(&gradient);
    }

    fn publish(&self, gradient: &Gradient) {
        let gauge = &self.gauge;
        let (due_ms, due_samples) = gradient.due();
        gauge.due_ms.store(due_ms, Ordering::Relaxed);
        gauge.due_samples.store(due_samples, Ordering::Relaxed);
        gauge.late_ms.store(gradient.late_ms(), Ordering::Relaxed);
        gauge.longest_us.store(gradient.longest_us().min(LONGEST_US), Ordering::Relaxed);
        // Before it is known, everything is faster than it.
        gauge.base_us.store(gradient.base_us().unwrap_or(u64::MAX), Ordering::Relaxed);
        self.places.set_limit(gradient.limit());
    }
}

impl Permit<'_> {
    /// The client is waited for: another request may take the place meanwhile.
    pub fn stand_aside(&mut self) {
        self.place.stand_aside();
    }

    /// The endpoint has the whole request now.
    pub fn step_in(&mut self) {
        self.place.step_in();
    }

    /// The endpoint has done what it was asked, and took so long for it.
    pub fn worked(&self, took_us: u64, now_ms: u64) {
        let door = self.door;
        if self.epoch != door.gauge.epoch.load(Ordering::Acquire) {
            return;
        }
        let took_us = took_us.min(door.gauge.longest_us.load(Ordering::Relaxed));
        let before = door.tally.window.fetch_add(SAMPLE + took_us, Ordering::Relaxed);
        door.turn_if_due(now_ms, before / SAMPLE + 1);
    }

    /// The endpoint had so long, and did not do it: it failed, or whoever asked
    /// waits no more. That it was quick proves nothing; that it was slow does.
    pub fn failed(&self, took_us: u64, now_ms: u64) {
        if took_us > self.door.gauge.base_us.load(Ordering::Relaxed) {
            self.worked(took_us, now_ms);
        }
    }

    /// Gives the place back.
    pub fn leave(self, now_ms: u64) {
        let door = self.door;
        drop(self);
        // A measurement may be waiting for that.
        door.turn_if_due(now_ms, door.tally.window.load(Ordering::Relaxed) / SAMPLE);
    }
}

#[cfg(all(test, not(pointsman_loom)))]
#[path = "door_tests.rs"]
mod tests;
