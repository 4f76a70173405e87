//! What a model uses where loom has no double of the real thing.

use std::sync::PoisonError;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};

/// loom's mutex behind `parking_lot`'s signature (no poisoning).
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In the place of `arc_swap::ArcSwap`: its contract, by other means. How
/// arc-swap keeps a value alive while it is being loaded is its own affair and
/// proved there, not here.
#[derive(Debug)]
pub(crate) struct ArcSwap<T> {
    /// Tells values apart as arc-swap does by their addresses.
    stamp: AtomicUsize,
    value: Mutex<Arc<T>>,
}

#[allow(dead_code, reason = "the publisher is modelled on its own, outside this crate")]
impl<T> ArcSwap<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Self { stamp: AtomicUsize::new(0), value: Mutex::new(value) }
    }

    pub(crate) fn swap(&self, next: Arc<T>) -> Arc<T> {
        let mut value = self.value.lock();
        let before = std::mem::replace(&mut *value, next);
        self.stamp.fetch_add(1, Ordering::SeqCst);
        before
    }

    pub(crate) fn load_full(&self) -> Arc<T> {
        Arc::clone(&self.value.lock())
    }
}

/// In the place of `arc_swap::Cache`. As there, the look that decides whether
/// to load again is a relaxed one.
#[derive(Debug)]
pub(crate) struct Cache<A, T> {
    shared: A,
    stamp: usize,
    cached: T,
}

#[allow(dead_code, reason = "the publisher is modelled on its own, outside this crate")]
impl<T> Cache<Arc<ArcSwap<T>>, Arc<T>> {
    pub(crate) fn new(shared: Arc<ArcSwap<T>>) -> Self {
        let value = shared.value.lock();
        let (stamp, cached) = (shared.stamp.load(Ordering::Relaxed), Arc::clone(&value));
        drop(value);
        Self { shared, stamp, cached }
    }

    pub(crate) fn load(&mut self) -> &Arc<T> {
        if self.shared.stamp.load(Ordering::Relaxed) != self.stamp {
            let value = self.shared.value.lock();
            self.stamp = self.shared.stamp.load(Ordering::Relaxed);
            self.cached = Arc::clone(&value);
        }
        &self.cached
    }
}
