//! From the one who makes tables to the workers who read them.
//!
//! The control side publishes an immutable value; every worker has a [`Reader`],
//! and every request pins what is current when it begins. Two costs are kept
//! away from the request path: a shared reference count, which all cores would
//! write for every request, and an `arc-swap` guard, which must not be held
//! across an await. So a worker wraps the shared `Arc` into one of its own,
//! once per publication, and pinning clones that: the only count written is on a
//! cache line of the worker. What is read from the shared side is one pointer,
//! which changes only when something is published.
//!
//! A value lives as long as something pins it. That is wanted for requests: they
//! end with the table they began with, and have deadlines. It holds for readers
//! too: a reader keeps what it last saw, until it pins or [`Reader::refresh`]es
//! the next time. An idle worker should therefore refresh now and then, or it
//! keeps a table alive that nobody uses.

use std::fmt;
use std::ops::Deref;

use crate::sync::{Arc, ArcSwap, Cache, Mutex};

/// Publishes values for [`Reader`]s; the side of the one who makes them.
#[derive(Debug)]
pub struct Publisher<T> {
    current: Arc<ArcSwap<T>>,
}

impl<T> Publisher<T> {
    /// Publishes the first value.
    pub fn new(first: Arc<T>) -> Self {
        Self { current: Arc::new(ArcSwap::new(first)) }
    }

    /// Replaces the value. From the return on, every pin anywhere is a pin of
    /// this one or a later one; pins taken before keep the old one.
    pub fn publish(&self, next: Arc<T>) {
        self.current.store(next);
    }

    /// The value published last.
    pub fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// A reader, for one worker.
    pub fn reader(&self) -> Reader<T> {
        let mut cache = Cache::new(Arc::clone(&self.current));
        let copy = Arc::new(WorkerCopy { shared: Arc::clone(cache.load()) });
        Reader { seen: Mutex::new(Seen { cache, copy }) }
    }
}

/// The side of one worker. To be shared within the worker, where its lock is
/// never contended, and not across workers, which would then share the count
/// that this type exists to keep apart.
pub struct Reader<T> {
    seen: Mutex<Seen<T>>,
}

struct Seen<T> {
    cache: Cache<Arc<ArcSwap<T>>, Arc<T>>,
    copy: Arc<WorkerCopy<T>>,
}

struct WorkerCopy<T> {
    shared: Arc<T>,
}

impl<T> Reader<T> {
    /// Pins what is current now.
    pub fn pin(&self) -> Pinned<T> {
        let mut seen = self.seen.lock();
        seen.refresh();
        Pinned { copy: Arc::clone(&seen.copy) }
    }

    /// Looks at what is current now, without pinning it.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        let mut seen = self.seen.lock();
        seen.refresh();
        look(&seen.copy.shared)
    }

    /// Lets go of a value that is no longer current, without pinning another.
    pub fn refresh(&self) {
        self.seen.lock().refresh();
    }
}

impl<T> Seen<T> {
    fn refresh(&mut self) {
        let current = self.cache.load();
        if !Arc::ptr_eq(current, &self.copy.shared) {
            self.copy = Arc::new(WorkerCopy { shared: Arc::clone(current) });
        }
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// A value that stays the same, whatever is published meanwhile, until this and
/// its clones are dropped. Clones cost one write to a count of the worker's own.
pub struct Pinned<T> {
    copy: Arc<WorkerCopy<T>>,
}

impl<T> Deref for Pinned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.copy.shared
    }
}

impl<T> Clone for Pinned<T> {
    fn clone(&self) -> Self {
        Self { copy: Arc::clone(&self.copy) }
    }
}

impl<T: fmt::Debug> fmt::Debug for Pinned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pinned").field(&**self).finish()
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_pin_taken_before_a_swap_keeps_the_old_value_and_the_next_has_the_new() {
        let publisher = Publisher::new(Arc::new("old"));
        let reader = publisher.reader();
        let before = reader.pin();
        publisher.publish(Arc::new("new"));
        assert_eq!((*before, *before.clone()), ("old", "old"));
        assert_eq!((*reader.pin(), *publisher.current()), ("new", "new"));
    }

    #[test]
    fn the_old_value_is_freed_when_its_last_pin_goes() {
        let old = Arc::new("old");
        let witness = Arc::downgrade(&old);
        let publisher = Publisher::new(old);
        let reader = publisher.reader();
        let pinned = reader.pin();
        let also = pinned.clone();
        publisher.publish(Arc::new("new"));
        assert_eq!(*reader.pin(), "new");
        drop(pinned);
        assert!(witness.upgrade().is_some(), "a clone still pins it");
        drop(also);
        assert!(witness.upgrade().is_none());
    }

    #[test]
    fn an_idle_reader_keeps_the_old_value_until_it_refreshes() {
        let old = Arc::new("old");
        let witness = Arc::downgrade(&old);
        let publisher = Publisher::new(old);
        let reader = publisher.reader();
        publisher.publish(Arc::new("new"));
        assert!(witness.upgrade().is_some());
        reader.refresh();
        assert!(witness.upgrade().is_none());
    }

    #[test]
    fn pins_between_two_publications_share_the_copy_of_their_worker() {
        let publisher = Publisher::new(Arc::new(1));
        let (one, other) = (publisher.reader(), publisher.reader());
        let shared = publisher.current();
        let count = Arc::strong_count(&shared);
        let pins: Vec<_> = (0..100).map(|_| one.pin()).collect();
        assert_eq!(Arc::strong_count(&shared), count, "a pin touched the shared count");
        assert!(Arc::ptr_eq(&pins[0].copy, &pins[99].copy));
        assert!(!Arc::ptr_eq(&pins[0].copy, &other.pin().copy));
    }

    #[test]
    fn a_publication_by_another_thread_is_seen_by_the_next_pin() {
        let publisher = Publisher::new(Arc::new(0));
        let reader = publisher.reader();
        for round in 1..=1_000 {
            std::thread::scope(|scope| {
                scope.spawn(|| publisher.publish(Arc::new(round)));
            });
            assert_eq!(*reader.pin(), round);
        }
    }

    #[test]
    fn pins_may_cross_threads_as_futures_do() {
        fn crosses<P: Send + Sync + Clone>(_: &P) {}
        let publisher = Publisher::new(Arc::new(7));
        let pinned = publisher.reader().pin();
        crosses(&pinned);
        assert_eq!(std::thread::spawn(move || *pinned).join().unwrap(), 7);
    }
}
