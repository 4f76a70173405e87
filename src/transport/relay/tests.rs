//! Every order of what two ends can do, played in memory: the relay is polled
//! only when it asked to be woken, and judged against a plain account of what
//! was sent, taken and lost.

mod played;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Waker};

use proptest::prelude::*;

use super::*;
use crate::sync::Mutex;
use crate::transport::frames::GOING_AWAY;
use played::{Half, Played, Shared, Woken, World};

/// The largest read, and what a growing buffer may have beyond it.
const HELD_BYTES: usize = 128 << 10;

/// Turns after which a task that is woken again and again counts as spinning.
const TURNS: usize = 1_000;

/// A relay between two ends.
struct Stage {
    relay: Relay,
    halves: [Half; 2],
    worlds: [Shared; 2],
    /// All that each end ever sent, and how many bytes it was ever to take.
    sent: [Vec<u8>; 2],
    room: [usize; 2],
    counted: [u64; 2],
    going_away: bool,
    end: Option<Result<(), Side>>,
    woken: Arc<Woken>,
}

const CLIENT: usize = 0;
const ENDPOINT: usize = 1;

#[derive(Clone, Debug)]
enum Event {
    Sends(usize, Vec<u8>),
    Ends(usize),
    Resets(usize),
    /// It would take so many bytes more.
    Takes(usize, usize),
    RouterGoesAway,
}

impl Stage {
    fn set(websocket: bool, telling_takes_room: bool) -> Self {
        let world = || Arc::new(Mutex::new(World { telling_takes_room, ..World::default() }));
        let worlds = [world(), world()];
        let half = |world: &Shared| Half {
            stream: Played(world.clone()),
            inbox: Inbox::new(),
            outbox: Outbox::default(),
            departure: None,
            seats: Seats::plenty(),
        };
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let halves = [half(&worlds[CLIENT]), half(&worlds[ENDPOINT])];
        let mut stage = Self {
            relay: Relay::new(websocket),
            halves,
            worlds,
            sent: Default::default(),
            room: [0; 2],
            counted: [0; 2],
            going_away: false,
            end: None,
            woken,
        };
        stage.run();
        stage
    }

    /// One event and all that follows from it; false if it cannot be any more.
    fn play(&mut self, event: &Event) -> bool {
        let side = match *event {
            Event::RouterGoesAway => {
                // A drain wakes every connection.
                self.going_away = true;
                self.woken.0.store(true, Relaxed);
                self.run();
                return true;
            }
            Event::Sends(side, _) | Event::Ends(side) => {
                let world = self.worlds[side].lock();
                if world.ended || world.reset {
                    return false;
                }
                side
            }
            Event::Resets(side) | Event::Takes(side, _) => {
                let world = self.worlds[side].lock();
                // Who has ended and was told of an end is done.
                if world.reset || world.ended && world.told {
                    return false;
                }
                side
            }
        };
        let wakers = {
            let mut world = self.worlds[side].lock();
            match event {
                Event::Sends(_, bytes) => {
                    self.sent[side].extend_from_slice(bytes);
                    world.sent.extend(bytes);
                }
                Event::Ends(_) => world.ended = true,
                Event::Resets(_) => world.reset = true,
                Event::Takes(_, bytes) => {
                    self.room[side] += bytes;
                    world.room += bytes;
                }
                Event::RouterGoesAway => {}
            }
            std::mem::take(&mut world.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
        self.run();
        true
    }

    /// Polls as a runtime would.
    fn run(&mut self) {
        for _ in 0..TURNS {
            if self.end.is_some() || !self.woken.0.swap(false, Relaxed) {
                return;
            }
            self.turn();
        }
        panic!("it spins");
    }

    fn turn(&mut self) {
        let waker = Waker::from(self.woken.clone());
        let mut cx = Context::from_waker(&waker);
        let [client, endpoint] = &mut self.halves;
        let turn =
            self.relay.poll(&mut cx, &mut client.end(), &mut endpoint.end(), self.going_away);
        self.counted[ENDPOINT] += turn.to_endpoint_bytes;
        self.counted[CLIENT] += turn.to_client_bytes;
        self.end = turn.end;
    }

    /// What must hold at any time of a tunnel that nobody is told to leave.
    fn judge(&self) {
        let [client, endpoint] = [self.worlds[CLIENT].lock(), self.worlds[ENDPOINT].lock()];
        for (from, to, sender, receiver) in
            [(CLIENT, ENDPOINT, &client, &endpoint), (ENDPOINT, CLIENT, &endpoint, &client)]
        {
            let (sent, taken) = (&self.sent[from], &receiver.taken);
            assert!(sent.starts_with(taken), "what arrives is what was sent");
            assert_eq!(self.counted[to], taken.len() as u64, "bytes are counted as they go");
            assert!(self.halves[from].inbox.bytes.len() <= HELD_BYTES, "what is held is bounded");
            if receiver.told {
                assert!(sender.ended && taken == sent, "an end stands behind the last byte");
            }
            let lost = client.reset || endpoint.reset;
            let given_up = lost && self.end.is_some() && !sender.reset;
            if !receiver.reset && !given_up {
                // All that it takes it gets, even of who was lost since.
                assert_eq!(taken.len(), sent.len().min(self.room[to]), "nothing lies about");
                let tellable = !receiver.telling_takes_room || self.room[to] > sent.len();
                let over = sender.ended && taken == sent && tellable && !lost;
                assert_eq!(receiver.told, over || receiver.told, "an end is passed on at once");
            }
        }
        let delivered = |from: usize, receiver: &World| self.sent[from] == receiver.taken;
        let all_was_said = client.ended
            && endpoint.ended
            && delivered(CLIENT, &endpoint)
            && delivered(ENDPOINT, &client);
        let expected = match (client.reset, endpoint.reset) {
            // Lost with nothing left to say but that it is over.
            (one, other) if one | other && all_was_said && self.end == Some(Ok(())) => self.end,
            (true, _) => Some(Err(Side::Client)),
            (_, true) => Some(Err(Side::Endpoint)),
            _ => (client.told && endpoint.told).then_some(Ok(())),
        };
        assert_eq!(self.end, expected, "it ends with both, or with the loss of one, at once");
    }
}

/// Plays `events` up to the tunnel's end, with a judgement after each.
fn play(events: &[Event], telling_takes_room: bool) {
    let mut stage = Stage::set(false, telling_takes_room);
    stage.judge();
    for event in events {
        if stage.end.is_some() {
            return;
        }
        if stage.play(event) {
            stage.judge();
        }
    }
}

#[test]
fn any_few_events_in_any_order_are_passed_on_at_once_and_end_it_as_they_should() {
    let kinds: Vec<Event> = [CLIENT, ENDPOINT]
        .into_iter()
        .flat_map(|side| {
            let sends = Event::Sends(side, b"ab".to_vec());
            [sends, Event::Ends(side), Event::Resets(side), Event::Takes(side, 3)]
        })
        .collect();
    const LONG: u32 = 5;
    for number in 0..kinds.len().pow(LONG) {
        let digits = (0..LONG).map(|at| number / kinds.len().pow(at) % kinds.len());
        let events: Vec<Event> = digits.map(|kind| kinds[kind].clone()).collect();
        play(&events, false);
        play(&events, true);
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let side = || 0..2usize;
    let bytes = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 1..10),
        1 => (1..200_000usize).prop_map(|bytes| vec![b'x'; bytes]),
    ];
    prop_oneof![
        6 => (side(), bytes).prop_map(|(side, bytes)| Event::Sends(side, bytes)),
        1 => side().prop_map(Event::Ends),
        1 => side().prop_map(Event::Resets),
        6 => (side(), prop_oneof![1..20usize, 1..200_000usize])
            .prop_map(|(side, bytes)| Event::Takes(side, bytes)),
    ]
}

/// One unmasked frame of `payload` bytes.
fn frame(payload: usize) -> Vec<u8> {
    let mut frame = match payload {
        0..=125 => vec![0x82, payload as u8],
        _ => [&[0x82, 126][..], &(payload as u16).to_be_bytes()].concat(),
    };
    frame.resize(frame.len() + payload, 0x5a);
    frame
}

proptest! {
    #[test]
    fn many_events_of_all_sizes_too(
        events in prop::collection::vec(any_event(), 0..40),
        telling_takes_room in any::<bool>(),
    ) {
        play(&events, telling_takes_room);
    }

    #[test]
    fn a_goodbye_stands_between_two_frames_and_nothing_behind_it(
        payloads in prop::collection::vec(prop_oneof![0..10usize, 120..130usize, 0..3_000usize], 1..8),
        pieces in prop::collection::vec((1..400usize, 0..400usize), 1..40),
        goes_away_at in 0..40usize,
        takes_records in any::<bool>(),
    ) {
        let frames: Vec<Vec<u8>> = payloads.iter().map(|&payload| frame(payload)).collect();
        let mut ends: Vec<usize> = vec![0];
        for frame in &frames {
            ends.push(ends[ends.len() - 1] + frame.len());
        }
        let all = frames.concat();
        let mut stage = Stage::set(true, false);
        stage.worlds[CLIENT].lock().takes_records = takes_records;
        let mut left = &all[..];
        // What had gone, or begun to, when the router did.
        let mut gone = None;
        let begun = |stage: &Stage| {
            let client = stage.worlds[CLIENT].lock();
            client.taken.len() + client.record.len().max(usize::from(client.offered))
        };
        for (turn, (sends, takes)) in pieces.into_iter().enumerate() {
            if turn == goes_away_at {
                gone = Some(begun(&stage));
                stage.play(&Event::RouterGoesAway);
            }
            let (piece, rest) = left.split_at(sends.min(left.len()));
            left = rest;
            stage.play(&Event::Sends(ENDPOINT, piece.to_vec()));
            stage.play(&Event::Takes(CLIENT, takes));
        }
        let gone = gone.unwrap_or_else(|| begun(&stage));
        stage.play(&Event::RouterGoesAway);
        stage.play(&Event::Sends(ENDPOINT, left.to_vec()));
        stage.play(&Event::Takes(CLIENT, all.len() + GOING_AWAY.len()));
        let taken = stage.worlds[CLIENT].lock().taken.clone();
        let before = taken.strip_suffix(GOING_AWAY);
        prop_assert!(before.is_some_and(|before| all.starts_with(before)), "{taken:?}");
        let next = ends.iter().find(|end| **end >= gone);
        prop_assert_eq!(before.map(<[u8]>::len), next.copied(), "at once: {:?} {}", ends, gone);
        // The client's answer goes its way, and both ends close.
        stage.play(&Event::Sends(CLIENT, b"bye".to_vec()));
        stage.play(&Event::Takes(ENDPOINT, 3));
        stage.play(&Event::Sends(ENDPOINT, frame(3)));
        stage.play(&Event::Ends(ENDPOINT));
        stage.play(&Event::Ends(CLIENT));
        prop_assert_eq!(&stage.worlds[ENDPOINT].lock().taken, b"bye");
        prop_assert_eq!(stage.worlds[CLIENT].lock().taken.len(), taken.len());
        prop_assert_eq!(stage.end, Some(Ok(())));
    }
}

#[test]
fn a_stream_without_end_leaves_the_other_direction_its_turn() {
    for from in [CLIENT, ENDPOINT] {
        let to = 1 - from;
        let mut stage = Stage::set(false, false);
        stage.worlds[from].lock().endless = true;
        stage.worlds[to].lock().room = usize::MAX;
        stage.worlds[to].lock().sent.extend(b"stop");
        stage.worlds[from].lock().room = 4;
        stage.turn();
        assert_eq!(stage.worlds[from].lock().taken, b"stop");
        assert!(stage.woken.0.load(Relaxed), "and it goes on");
        assert!(stage.worlds[to].lock().taken.len() < 4 << 20, "a turn is bounded");
    }
}
