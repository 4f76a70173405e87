//! The incident this program exists for: a transport that writes late
//! informational responses, and an error handler, on one response head.
//!
//! In a router written in Go, the transport wrote the fields of a late 1xx into
//! the response's header map while the error handler set its own field there:
//! `fatal error: concurrent map writes`, and the process was gone. Both mutants
//! here share that cell, with and without a lock. Ours has no cell: an answer is
//! owned by who made it, and the [commit](pointsman::respond::commit) lets one
//! through. It needs no lock, since one task does all of it; the listener keeps
//! it under the lock of the connection nevertheless, and that is modelled.

use loom::cell::UnsafeCell;
use loom::thread;
use pointsman::http1::Version;
use pointsman::respond::commit::{Content, Fresh, InterimGate};

use crate::sync::{Arc, Mutex};
use crate::{model, must_fail};

/// One line of a head: who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Informational,
    Error,
    Attempt,
}

/// What the listener keeps of an exchange, and what it has written.
struct Connection {
    gate: InterimGate,
    wire: Vec<Vec<Line>>,
}

impl Connection {
    fn informational(&mut self) -> bool {
        let admitted = self.gate.admit().is_ok();
        if admitted {
            self.wire.push(vec![Line::Informational]);
        }
        admitted
    }

    fn commit(&mut self, fresh: Fresh, head: Vec<Line>) -> Content {
        self.wire.push(head);
        fresh.commit(&mut self.gate)
    }
}

#[test]
fn a_late_informational_response_and_an_error_answer_never_meet() {
    model(|| {
        let mut gate = InterimGate::closed();
        let fresh = gate.open(Version::Http11);
        let connection = Arc::new(Mutex::new(Connection { gate, wire: Vec::new() }));
        let late = {
            let connection = Arc::clone(&connection);
            thread::spawn(move || {
                let passed = [(); 2].map(|()| connection.lock().informational());
                passed.iter().filter(|passed| **passed).count()
            })
        };
        let content = connection.lock().commit(fresh, vec![Line::Error, Line::Error]);
        let passed = late.join().unwrap();
        let wire = &connection.lock().wire;
        assert_eq!(wire.len(), passed + 1);
        let (head, hints) = wire.split_last().unwrap();
        assert_eq!(*head, [Line::Error, Line::Error], "the answer is a blend");
        assert!(hints.iter().all(|hint| *hint == [Line::Informational]), "late, or a blend");
        assert!(content.flows());
    });
}

#[test]
fn an_answer_and_an_error_that_race_for_the_commit_are_one_head() {
    model(|| {
        let mut gate = InterimGate::closed();
        // One right, and whoever takes it answers.
        let fresh = Arc::new(Mutex::new(Some(gate.open(Version::Http11))));
        let connection = Arc::new(Mutex::new(Connection { gate, wire: Vec::new() }));
        let answer = {
            let (fresh, connection) = (Arc::clone(&fresh), Arc::clone(&connection));
            move |line| {
                let Some(fresh) = fresh.lock().take() else { return };
                let _content = connection.lock().commit(fresh, vec![line, line]);
            }
        };
        let attempt = thread::spawn({
            let answer = answer.clone();
            move || answer(Line::Attempt)
        });
        answer(Line::Error);
        attempt.join().unwrap();
        let wire = &connection.lock().wire;
        assert_eq!(wire.len(), 1, "there is one head");
        assert!(wire[0] == [Line::Attempt; 2] || wire[0] == [Line::Error; 2], "it is a blend");
    });
}

#[test]
fn mutant_the_incident_two_writers_of_one_map() {
    must_fail("Causality violation: Concurrent write accesses", || {
        let head = Arc::new(UnsafeCell::new(Vec::<Line>::new()));
        let late = Arc::clone(&head);
        // What each would write does not matter: that both have the map does.
        let late = thread::spawn(move || late.with_mut(|_map| ()));
        head.with_mut(|_map| ());
        late.join().unwrap();
    });
}

#[test]
fn mutant_the_incident_mended_with_a_lock_sends_a_blend() {
    must_fail("the answer is a blend", || {
        let head = Arc::new(Mutex::new(Vec::new()));
        let late = Arc::clone(&head);
        let late = thread::spawn(move || late.lock().push(Line::Informational));
        for _ in 0..2 {
            head.lock().push(Line::Error);
        }
        let sent = head.lock().clone();
        late.join().unwrap();
        assert_eq!(sent, [Line::Error, Line::Error], "the answer is a blend");
    });
}

/// A commit that is asked for and then done: a flag in the place of a right.
#[test]
fn mutant_a_commit_by_flag_sends_two_heads() {
    must_fail("there is one head", || {
        let connection = Arc::new(Mutex::new((false, Vec::new())));
        let answer = {
            let connection = Arc::clone(&connection);
            move |line| {
                let committed = connection.lock().0;
                if !committed {
                    let mut connection = connection.lock();
                    connection.0 = true;
                    connection.1.push(line);
                }
            }
        };
        let attempt = thread::spawn({
            let answer = answer.clone();
            move || answer(Line::Attempt)
        });
        answer(Line::Error);
        attempt.join().unwrap();
        assert_eq!(connection.lock().1.len(), 1, "there is one head");
    });
}
