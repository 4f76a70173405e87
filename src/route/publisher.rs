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
//!
//! Whoever lets go of a value last frees it, and to free a table that differs in
//! much from the next takes milliseconds: on a worker, every request there would
//! wait for it. So where somebody [sweeps](Publisher::sweep), the publisher keeps
//! old values, and they are freed by who publishes and who sweeps, once nobody
//! else has them. Where nobody does, as in an embedded router, nothing is kept
//! for want of a sweep.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;

use crate::sync::{Arc, ArcSwap, Cache, Mutex};

/// Publishes values for [`Reader`]s; the side of the one who makes them.
#[derive(Debug)]
pub struct Publisher<T> {
    current: Arc<ArcSwap<T>>,
    old: Mutex<Old<T>>,
}

/// Values that were replaced and may still be in use.
#[derive(Debug)]
struct Old<T> {
    /// Whether anybody sweeps.
    swept: bool,
    values: VecDeque<Arc<T>>,
}

/// Old values looked at with each publication, which adds one. So between two
/// sweeps, too, no more wait for a look than are in use.
const LOOKS: usize = 2;

impl<T> Publisher<T> {
    /// Publishes the first value.
    pub fn new(first: Arc<T>) -> Self {
        let old = Mutex::new(Old { swept: false, values: VecDeque::new() });
        Self { current: Arc::new(ArcSwap::new(first)), old }
    }

    /// Replaces the value. From the return on, every pin anywhere is a pin of
    /// this one or a later one; pins taken before keep the old one.
    pub fn publish(&self, next: Arc<T>) {
        let before = self.current.swap(next);
        {
            let mut old = self.old.lock();
            if !old.swept {
                return;
            }
            old.values.push_back(before);
        }
        self.free(LOOKS);
    }

    /// Frees what was replaced and is not in use any more. With the first sweep
    /// begins that nobody else does; there must be another now and then.
    pub fn sweep(&self) {
        let held = {
            let mut old = self.old.lock();
            old.swept = true;
            old.values.len()
        };
        self.free(held);
    }

    fn free(&self, looks: usize) {
        for _ in 0..looks {
            let free = self.old.lock().next_free();
            // Without the lock: it can take its time.
            drop(free);
        }
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

impl<T> Old<T> {
    /// Looks at one; it, if nobody else has it. Nobody can get it again then:
    /// it is not the current one.
    fn next_free(&mut self) -> Option<Arc<T>> {
        let oldest = self.values.pop_front()?;
        if Arc::strong_count(&oldest) == 1 {
            return Some(oldest);
        }
        self.values.push_back(oldest);
        None
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
    fn where_somebody_sweeps_only_who_publishes_or_sweeps_frees() {
        let publisher = Publisher::new(Arc::new(0));
        publisher.sweep();
        let reader = publisher.reader();
        let old = Arc::downgrade(&publisher.current());
        let pinned = reader.pin();
        publisher.publish(Arc::new(1));
        drop((reader.pin(), pinned));
        assert!(old.upgrade().is_some(), "the last pin freed it");
        publisher.sweep();
        assert!(old.upgrade().is_none(), "nobody frees it");
    }

    #[test]
    fn values_that_nobody_pins_do_not_pile_up_between_sweeps() {
        let publisher = Publisher::new(Arc::new(0));
        publisher.sweep();
        let reader = publisher.reader();
        let pins: Vec<_> = (1..=100)
            .map(|n| {
                publisher.publish(Arc::new(n));
                reader.pin()
            })
            .collect();
        (0..10_000).for_each(|n| publisher.publish(Arc::new(n)));
        let held = publisher.old.lock().values.len();
        assert!((100..=204).contains(&held), "{held} for 100 that are pinned");
        drop((pins, reader.pin()));
        publisher.sweep();
        assert_eq!(publisher.old.lock().values.len(), 0);
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
