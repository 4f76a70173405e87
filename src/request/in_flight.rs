//! The requests one worker has in flight, for whoever wants to look.
//!
//! Generic over the record, so that a model can drive it with records that
//! tell when they were mixed up.

use crate::sync::{Arc, Mutex};

/// The records of one worker's requests in flight. A place is taken when a
/// request begins and given back when its scope ends; places are reused, so
/// that steady traffic allocates nothing here.
pub(crate) struct InFlightRecords<R> {
    slots: Mutex<Slots<R>>,
}

struct Slots<R> {
    records: Vec<Option<Arc<R>>>,
    free: Vec<usize>,
}

impl<R> Default for InFlightRecords<R> {
    fn default() -> Self {
        Self { slots: Mutex::new(Slots { records: Vec::new(), free: Vec::new() }) }
    }
}

impl<R> InFlightRecords<R> {
    /// Adds the record that `make` builds for its place.
    pub(crate) fn insert(&self, make: impl FnOnce(usize) -> R) -> Arc<R> {
        let mut slots = self.slots.lock();
        let slot = slots.free.pop().unwrap_or(slots.records.len());
        let record = Arc::new(make(slot));
        if slot == slots.records.len() {
            slots.records.push(Some(record.clone()));
        } else {
            slots.records[slot] = Some(record.clone());
        }
        record
    }

    /// Gives a place back.
    pub(crate) fn remove(&self, slot: usize) {
        let mut slots = self.slots.lock();
        let record = slots.records.get_mut(slot).and_then(Option::take);
        if record.is_some() {
            slots.free.push(slot);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        let slots = self.slots.lock();
        slots.records.len() - slots.free.len()
    }

    /// The records of this moment.
    pub(crate) fn all(&self) -> Vec<Arc<R>> {
        self.slots.lock().records.iter().flatten().cloned().collect()
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_were_ever_in_flight_at_once() {
        let records = InFlightRecords::default();
        let kept = records.insert(|slot| slot);
        for _ in 0..1_000 {
            let two = [records.insert(|slot| slot), records.insert(|slot| slot)];
            assert_eq!(records.len(), 3);
            two.into_iter().for_each(|record| records.remove(*record));
        }
        assert_eq!((records.len(), records.slots.lock().records.len()), (1, 3));
        records.remove(7);
        records.remove(*kept);
        records.remove(*kept);
        assert_eq!((records.len(), records.all().len()), (0, 0), "it is taken out once");
    }
}
