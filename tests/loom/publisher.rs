//! The published snapshot: swaps against readers that pin.
//!
//! arc-swap itself has no loom double; `src/sync/modelled.rs` stands in for it
//! with the same contract, relaxed look included. What is modelled is ours: the
//! reader, its worker's own copy, and what a pin promises.

use loom::thread;

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex};
use crate::{model, must_fail};

#[path = "../../src/route/publisher.rs"]
mod real;

use real::{Pinned, Publisher, Reader};

/// A table: what a request finds in it must fit together.
struct Table {
    generation: usize,
    routes: Vec<usize>,
}

impl Table {
    fn new(generation: usize) -> Arc<Self> {
        Arc::new(Self { generation, routes: vec![generation; generation] })
    }
}

#[test]
fn a_pin_keeps_its_table_and_a_pin_after_the_swap_has_the_new_one() {
    model(|| {
        let publisher = Arc::new(Publisher::new(Table::new(1)));
        let reader = publisher.reader();
        let other = publisher.reader();
        let publishing = {
            let publisher = Arc::clone(&publisher);
            thread::spawn(move || {
                publisher.publish(Table::new(2));
            })
        };
        let working = thread::spawn(move || other.pin().generation);
        let pin = reader.pin();
        let (before, later) = (pin.generation, reader.pin().generation);
        assert!(before <= later, "a later pin has an older table");
        assert_eq!(pin.routes, vec![before; before], "the pinned table changed");
        assert!((1..=2).contains(&working.join().unwrap()));
        publishing.join().unwrap();
        assert_eq!(reader.pin().generation, 2, "a published table is not seen");
        assert_eq!(pin.generation, before, "the pinned table changed");
    });
}

#[test]
fn two_tasks_of_one_worker_pin_while_a_table_is_published_and_the_old_one_is_freed() {
    model(|| {
        let freed = Arc::new(AtomicUsize::new(0));
        let publisher = Publisher::new(Arc::new(Counted(Arc::clone(&freed))));
        let reader = Arc::new(publisher.reader());
        let task = {
            let reader = Arc::clone(&reader);
            thread::spawn(move || {
                let pin: Pinned<Counted> = reader.pin();
                assert_eq!(pin.0.load(Ordering::SeqCst), 0, "a pinned table was freed");
            })
        };
        let pin = reader.pin();
        publisher.publish(Arc::new(Counted(Arc::new(AtomicUsize::new(0)))));
        assert_eq!(freed.load(Ordering::SeqCst), 0, "a pinned table was freed");
        task.join().unwrap();
        reader.refresh();
        drop(pin);
        assert_eq!(freed.load(Ordering::SeqCst), 1, "the old table is kept for ever");
    });
}

/// Must not be freed on a worker, once somebody sweeps.
struct FreedBy(thread::ThreadId);

impl Drop for FreedBy {
    fn drop(&mut self) {
        assert_eq!(thread::current().id(), self.0, "a worker freed a table");
    }
}

/// A worker that takes up what is new and ends the last request of the old.
fn worker_lets_go(reader: Reader<FreedBy>) -> thread::JoinHandle<Reader<FreedBy>> {
    let pin = reader.pin();
    thread::spawn(move || {
        drop(reader.pin());
        drop(pin);
        reader
    })
}

#[test]
fn a_table_that_a_worker_lets_go_of_while_it_is_swept_is_freed_by_the_sweep() {
    model(|| {
        let control = thread::current().id();
        let publisher = Publisher::new(Arc::new(FreedBy(control)));
        publisher.sweep();
        let letting_go = worker_lets_go(publisher.reader());
        publisher.publish(Arc::new(FreedBy(control)));
        publisher.sweep();
        drop(letting_go.join().unwrap());
        publisher.sweep();
    });
}

#[test]
fn mutant_a_publisher_that_nobody_sweeps_leaves_freeing_to_a_worker() {
    must_fail("a worker freed a table", || {
        let control = thread::current().id();
        let publisher = Publisher::new(Arc::new(FreedBy(control)));
        let letting_go = worker_lets_go(publisher.reader());
        publisher.publish(Arc::new(FreedBy(control)));
        drop(letting_go.join().unwrap());
    });
}

/// Counts when it is freed.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A publisher that announces a table before it is there.
struct AnnouncedThenStored {
    stamp: AtomicUsize,
    table: Mutex<Arc<Table>>,
}

#[test]
fn mutant_a_table_announced_before_it_is_stored_is_never_seen() {
    must_fail("a published table is not seen", || {
        let shared = Arc::new(AnnouncedThenStored {
            stamp: AtomicUsize::new(1),
            table: Mutex::new(Table::new(1)),
        });
        let publishing = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.stamp.store(2, Ordering::SeqCst);
                *shared.table.lock() = Table::new(2);
            })
        };
        let (mut stamp, mut copy) = (1, Arc::clone(&shared.table.lock()));
        let mut pin = || {
            let current = shared.stamp.load(Ordering::SeqCst);
            if current != stamp {
                (stamp, copy) = (current, Arc::clone(&shared.table.lock()));
            }
            copy.generation
        };
        pin();
        publishing.join().unwrap();
        assert_eq!(pin(), 2, "a published table is not seen");
    });
}

#[test]
fn mutant_a_request_that_looks_again_instead_of_pinning_mixes_two_tables() {
    must_fail("two tables are mixed", || {
        let publisher = Arc::new(Publisher::new(Table::new(1)));
        let publishing = {
            let publisher = Arc::clone(&publisher);
            thread::spawn(move || publisher.publish(Table::new(2)))
        };
        let route = publisher.current().routes.len() - 1;
        assert_eq!(publisher.current().routes[route], route + 1, "two tables are mixed");
        publishing.join().unwrap();
    });
}
