//! The requests one worker has in flight, for whoever wants to look.

use std::sync::Arc;

use crate::request::scope::Record;
use crate::sync::Mutex;

/// The records of one worker's requests in flight. A place is taken when a
/// request begins and given back when its scope ends; places are reused, so
/// that steady traffic allocates nothing here.
#[derive(Default)]
pub(crate) struct InFlightRecords {
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    records: Vec<Option<Arc<Record>>>,
    free: Vec<usize>,
}

impl InFlightRecords {
    /// Adds the record that `make` builds for its place.
    pub(crate) fn insert(&self, make: impl FnOnce(usize) -> Record) -> Arc<Record> {
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
    pub(crate) fn all(&self) -> Vec<Arc<Record>> {
        self.slots.lock().records.iter().flatten().cloned().collect()
    }
}
