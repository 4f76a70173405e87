//! Who is still inside, how the one who waits for the last to leave hears of
//! it, and how a cut reaches everyone.
//!
//! Two wake-ups must not be lost, or a drain hangs until something else happens
//! by chance: that of the last one out, and that of the cut. Both are lost in
//! the same way, by looking first and leaving one's waker afterwards. So here
//! the count is looked at under the lock that the waker is left under, and a
//! waker is left before the cut is looked at. Wakers and one lock, no runtime,
//! so that a model can drive it through every order.

use std::collections::HashMap;
use std::task::{Context, Poll, Waker};

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Those inside, with what is known of each. One task at a time may wait for
/// the last to leave.
pub(crate) struct DrainGate<T> {
    inside: Mutex<Inside<T>>,
    cut: AtomicBool,
}

struct Inside<T> {
    places: HashMap<u64, Place<T>, foldhash::fast::RandomState>,
    next_key: u64,
    /// The one who waits for the last to leave.
    waiting: Option<Waker>,
}

struct Place<T> {
    known: T,
    waker: Option<Waker>,
}

impl<T> DrainGate<T> {
    pub(crate) fn new() -> Self {
        let inside = Inside { places: HashMap::default(), next_key: 0, waiting: None };
        Self { inside: Mutex::new(inside), cut: AtomicBool::new(false) }
    }

    /// Lets one in; what it leaves by.
    pub(crate) fn enter(&self, known: T) -> u64 {
        let mut inside = self.inside.lock();
        let key = inside.next_key;
        inside.next_key += 1;
        inside.places.insert(key, Place { known, waker: None });
        key
    }

    /// The last thing one does.
    pub(crate) fn leave(&self, key: u64) {
        let mut inside = self.inside.lock();
        inside.places.remove(&key);
        if inside.places.is_empty()
            && let Some(waiting) = inside.waiting.take()
        {
            drop(inside);
            waiting.wake();
        }
    }

    /// How many are inside.
    pub(crate) fn len(&self) -> usize {
        self.inside.lock().places.len()
    }

    /// What is known of each one inside.
    pub(crate) fn known(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.inside.lock().places.values().map(|place| place.known.clone()).collect()
    }

    /// Leaves the waker by which the one with `key` is reached.
    pub(crate) fn reach_by(&self, key: u64, waker: &Waker) {
        if let Some(place) = self.inside.lock().places.get_mut(&key) {
            place.waker = Some(waker.clone());
        }
    }

    /// Whether all is to end. To be asked after [`reach_by`](Self::reach_by).
    pub(crate) fn is_cut(&self) -> bool {
        // The lock that the waker was left under orders this: either the cut
        // found the waker, or it was before.
        self.cut.load(Ordering::Relaxed)
    }

    /// Wakes those for whom `tell` is true.
    pub(crate) fn wake(&self, tell: impl Fn(&T) -> bool) {
        for place in self.inside.lock().places.values().filter(|place| tell(&place.known)) {
            place.wake();
        }
    }

    /// The keys of those that have a rank, with it, in no order.
    pub(crate) fn ranked<K>(&self, rank: impl Fn(&T) -> Option<K>) -> Vec<(K, u64)> {
        let inside = self.inside.lock();
        let ranked = |(key, place): (&u64, &Place<T>)| Some((rank(&place.known)?, *key));
        inside.places.iter().filter_map(ranked).collect()
    }

    /// Wakes the one with `key` if `tell` is true for it; whether it was.
    pub(crate) fn wake_one(&self, key: u64, tell: impl FnOnce(&T) -> bool) -> bool {
        let inside = self.inside.lock();
        let told = inside.places.get(&key).filter(|place| tell(&place.known));
        told.inspect(|place| place.wake()).is_some()
    }

    /// Ends everything: whoever is inside, and whoever comes, sees the cut.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
        self.wake(|_| true);
    }

    /// Ready when nobody is inside.
    pub(crate) fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inside = self.inside.lock();
        if inside.places.is_empty() {
            return Poll::Ready(());
        }
        inside.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> Place<T> {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}
