//! The seam between real and modelled synchronisation.
//!
//! Every concurrency core takes its atomics and locks from here: `std` and
//! `parking_lot` in a normal build, loom's types under `--cfg pointsman_loom`,
//! so that the model checks the very code that ships.

#[cfg(not(pointsman_loom))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(pointsman_loom))]
pub(crate) use std::sync::{Arc, atomic};

#[cfg(pointsman_loom)]
pub(crate) use loom::sync::{Arc, atomic};

/// loom's mutex behind `parking_lot`'s signature (no poisoning).
#[cfg(pointsman_loom)]
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

#[cfg(pointsman_loom)]
impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
