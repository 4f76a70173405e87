//! The records of requests in flight: the admin side lists them while requests
//! begin and end.

use loom::thread;

use crate::sync::{Arc, Mutex};
use crate::{model, must_fail};

#[path = "../../src/request/in_flight.rs"]
mod real;

use real::InFlightRecords;

/// A record as the scope writes it: two fields that change together.
struct Record {
    name: &'static str,
    slot: usize,
    live: Mutex<(u32, u32)>,
}

impl Record {
    fn new(name: &'static str, slot: usize) -> Self {
        Self { name, slot, live: Mutex::new((0, 0)) }
    }

    fn advance(&self) {
        let mut live = self.live.lock();
        live.0 += 1;
        live.1 += 1;
    }
}

trait Records: 'static {
    fn new() -> Self;
    fn insert(&self, make: impl FnOnce(usize) -> Record) -> Arc<Record>;
    fn remove(&self, slot: usize);
    fn all(&self) -> Vec<Arc<Record>>;
}

impl Records for InFlightRecords<Record> {
    fn new() -> Self {
        Self::default()
    }

    fn insert(&self, make: impl FnOnce(usize) -> Record) -> Arc<Record> {
        self.insert(make)
    }

    fn remove(&self, slot: usize) {
        self.remove(slot);
    }

    fn all(&self) -> Vec<Arc<Record>> {
        self.all()
    }
}

/// One request ends while another begins; the admin side looks meanwhile.
fn the_list_has_what_is_in_flight<R: Records>() {
    let records = Arc::new(R::new());
    let first = records.insert(|slot| Record::new("first", slot));
    let ending = {
        let records = Arc::clone(&records);
        thread::spawn(move || {
            first.advance();
            records.remove(first.slot);
        })
    };
    let looking = {
        let records = Arc::clone(&records);
        thread::spawn(move || {
            for record in records.all() {
                let live = record.live.lock();
                assert_eq!(live.0, live.1, "half a change was seen");
            }
        })
    };
    let second = records.insert(|slot| Record::new("second", slot));
    second.advance();
    ending.join().unwrap();
    looking.join().unwrap();
    let listed: Vec<_> = records.all().iter().map(|record| record.name).collect();
    assert_eq!(listed, ["second"], "the list is not what is in flight");
    records.remove(second.slot);
    assert!(records.all().is_empty(), "the list is not what is in flight");
}

#[test]
fn a_request_that_begins_while_another_ends_is_listed_and_the_other_is_not() {
    model(the_list_has_what_is_in_flight::<InFlightRecords<Record>>);
}

/// Gives the place back before it is empty.
struct FreedThenCleared {
    records: Mutex<Vec<Option<Arc<Record>>>>,
    free: Mutex<Vec<usize>>,
}

impl Records for FreedThenCleared {
    fn new() -> Self {
        Self { records: Mutex::new(Vec::new()), free: Mutex::new(Vec::new()) }
    }

    fn insert(&self, make: impl FnOnce(usize) -> Record) -> Arc<Record> {
        let free = self.free.lock().pop();
        let mut records = self.records.lock();
        let slot = free.unwrap_or(records.len());
        let record = Arc::new(make(slot));
        if slot == records.len() {
            records.push(None);
        }
        records[slot] = Some(Arc::clone(&record));
        record
    }

    fn remove(&self, slot: usize) {
        self.free.lock().push(slot);
        self.records.lock()[slot] = None;
    }

    fn all(&self) -> Vec<Arc<Record>> {
        self.records.lock().iter().flatten().cloned().collect()
    }
}

#[test]
fn mutant_a_place_given_back_before_it_is_cleared_loses_the_next_request() {
    must_fail("the list is not what is in flight", {
        the_list_has_what_is_in_flight::<FreedThenCleared>
    });
}
