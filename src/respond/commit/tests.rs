//! Every order of what can happen to an exchange.

use proptest::prelude::*;

use super::*;

/// What can come, in any order and any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Informational,
    /// An attempt's head.
    Answer,
    /// An attempt's failure that is not retried.
    Error,
    Deadline,
    /// The client leaves.
    Departure,
    Data,
    LastData,
}

const EVENTS: [Event; 7] = [
    Event::Informational,
    Event::Answer,
    Event::Error,
    Event::Deadline,
    Event::Departure,
    Event::Data,
    Event::LastData,
];

/// What the client gets to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Informational,
    /// A final head, and whose it is.
    Head(Event),
    Data,
    Last,
    Cut(Code),
}

/// A task that serves one exchange, with only what the types allow.
struct Task {
    gate: InterimGate,
    fresh: Option<Fresh>,
    content: Option<Content>,
    wire: Vec<Piece>,
    dropped: Vec<InterimDropped>,
}

impl Task {
    fn begin(version: Version) -> Self {
        let mut gate = InterimGate::closed();
        let fresh = Some(gate.open(version));
        Self { gate, fresh, content: None, wire: Vec::new(), dropped: Vec::new() }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Informational => match self.gate.admit() {
                Ok(()) => self.wire.push(Piece::Informational),
                Err(why) => self.dropped.push(why),
            },
            Event::Answer => self.head(event, None),
            Event::Error => self.head(event, Some(Code::UpstreamReset)),
            Event::Deadline => self.head(event, Some(Code::DeadlineExceeded)),
            Event::Departure => {
                self.fresh = None;
                self.cut(Code::ClientClosed);
            }
            Event::Data => self.write(Piece::Data, |content| content.flows()),
            Event::LastData => self.write(Piece::Last, |content| {
                let flowed = content.flows();
                content.finish();
                flowed
            }),
        }
    }

    /// Answers with a head, or with the head gone, is the failure of its content.
    fn head(&mut self, event: Event, failure: Option<Code>) {
        match (self.fresh.take(), failure) {
            (Some(fresh), _) => {
                self.content = Some(fresh.commit(&mut self.gate));
                self.wire.push(Piece::Head(event));
            }
            (None, Some(code)) => self.cut(code),
            (None, None) => {}
        }
    }

    fn cut(&mut self, code: Code) {
        self.write(Piece::Cut(code), |content| {
            let flowed = content.flows();
            content.fail(code);
            flowed
        });
    }

    fn write(&mut self, piece: Piece, step: impl FnOnce(&mut Content) -> bool) {
        if self.content.as_mut().is_some_and(step) {
            self.wire.push(piece);
        }
    }
}

/// Checks what one order of events led to.
fn check(events: &[Event], version: Version) {
    let mut task = Task::begin(version);
    events.iter().for_each(|event| task.on(*event));
    let Task { content, wire, dropped, .. } = task;

    let answers = |event: &Event| matches!(event, Event::Answer | Event::Error | Event::Deadline);
    let first = events.iter().position(|event| answers(event) || *event == Event::Departure);
    let winner = first.map(|at| events[at]).filter(answers);
    let heads: Vec<_> = wire.iter().filter(|piece| matches!(piece, Piece::Head(_))).collect();
    match winner {
        Some(winner) => assert_eq!(heads, [&Piece::Head(winner)], "{events:?}"),
        None => assert!(heads.is_empty(), "{events:?}: {wire:?}"),
    }

    let rank = |piece: &Piece| match piece {
        Piece::Informational => 0,
        Piece::Head(_) => 1,
        Piece::Data => 2,
        Piece::Last | Piece::Cut(_) => 3,
    };
    assert!(wire.iter().map(rank).is_sorted(), "{events:?}: {wire:?}");
    let ends = wire.iter().filter(|piece| rank(piece) == 3).count();
    assert!(ends <= 1, "{events:?}: {wire:?}");
    let end = content.and_then(|content| content.end());
    let told = wire.last().and_then(|piece| match piece {
        Piece::Last => Some(Ok(())),
        Piece::Cut(code) => Some(Err(*code)),
        _ => None,
    });
    assert_eq!(end, told, "{events:?}: {wire:?}");

    let hints = events.iter().filter(|event| **event == Event::Informational).count();
    let passed = wire.iter().filter(|piece| **piece == Piece::Informational).count();
    assert_eq!(passed + dropped.len(), hints, "each is passed on or counted");
    let late = dropped.iter().filter(|why| **why == InterimDropped::Late).count();
    let commit = first.filter(|_| winner.is_some()).unwrap_or(events.len());
    let after = &events[commit..];
    assert_eq!(late, after.iter().filter(|event| **event == Event::Informational).count());
    assert!(version == Version::Http11 || passed == 0, "HTTP/1.0 has no informational responses");
}

#[test]
fn every_order_of_up_to_five_events_has_exactly_one_head() {
    let mut orders = vec![Vec::new()];
    for _ in 0..5 {
        let longer: Vec<Vec<Event>> = orders
            .iter()
            .flat_map(|order: &Vec<Event>| EVENTS.map(|event| [&order[..], &[event]].concat()))
            .collect();
        for order in &longer {
            check(order, Version::Http11);
            check(order, Version::Http10);
        }
        orders = longer;
    }
    assert_eq!(orders.len(), 7_usize.pow(5));
}

proptest! {
    #[test]
    fn longer_orders_have_exactly_one_head_too(
        events in proptest::collection::vec(proptest::sample::select(&EVENTS[..]), 0..40),
        http_1_1: bool,
    ) {
        check(&events, if http_1_1 { Version::Http11 } else { Version::Http10 });
    }
}

#[test]
fn the_gate_opens_again_for_the_next_exchange_only() {
    let mut gate = InterimGate::closed();
    assert_eq!(gate.admit(), Err(InterimDropped::Late));
    let first = gate.open(Version::Http11);
    assert_eq!(gate.admit(), Ok(()));
    let _content = first.commit(&mut gate);
    assert_eq!(gate.admit(), Err(InterimDropped::Late));
    let _second = gate.open(Version::Http11);
    assert_eq!(gate.admit(), Ok(()));
}
