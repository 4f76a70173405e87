//! Who is evicted, who is closed when the router closes, and how all of them
//! are reached and counted.

use std::future::pending;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Wake, Waker};

use super::*;
use crate::telemetry::metrics::Metrics;

fn connections() -> Arc<Connections> {
    Connections::new(Metrics::new(1).worker(0))
}

fn enter(connections: &Arc<Connections>) -> ConnectionEntry {
    connections.enter(([127, 0, 0, 1], 40_000).into())
}

/// How often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Polls `task` once, as one that is woken through `woken`.
fn poll<T>(task: Pin<&mut impl Future<Output = T>>, woken: &Arc<Woken>) -> Poll<T> {
    task.poll(&mut Context::from_waker(&Waker::from(woken.clone())))
}

#[test]
fn the_longest_idle_goes_first_though_others_come_and_are_used() {
    let connections = connections();
    let enter_idle = |since_us: u64| {
        let entry = enter(&connections);
        entry.state.idle_since_us.store(since_us, Ordering::Relaxed);
        entry
    };
    assert!(!connections.evict_longest_idle(), "there is none");
    let count = EVICTIONS_A_LOOK as u64 + 100;
    // Not in their order.
    let mut all: Vec<_> = (0..count).map(|at| enter_idle(1 + at * 7919 % count)).collect();
    all.sort_by_key(|entry| entry.state.idle_since_us.load(Ordering::Relaxed));
    assert!(connections.evict_longest_idle());
    assert!(all[0].is_evicted());
    // One is used, one has gone, one is used and idle again.
    all[1].active();
    all[3].active();
    all[3].idle(Instant::now());
    let again_us = count + 10;
    all[3].state.idle_since_us.store(again_us, Ordering::Relaxed);
    drop(all.remove(2));
    let late = enter_idle(again_us + 1);
    for _ in 4..count {
        assert!(connections.evict_longest_idle());
    }
    let spared: Vec<_> = (1..all.len()).filter(|at| !all[*at].is_evicted()).collect();
    assert_eq!(spared, [1, 2], "the used one, and the one idle again");
    assert!(!late.is_evicted());
    assert!(connections.evict_longest_idle() && all[2].is_evicted());
    assert!(connections.evict_longest_idle() && late.is_evicted());
    assert!(!connections.evict_longest_idle(), "one is in use, all else has gone");
}

#[test]
fn closing_spares_who_has_just_come_until_silence_is_over() {
    let connections = connections();
    let enter = || enter(&connections);
    let (fresh, used, busy, silent) = (enter(), enter(), enter(), enter());
    used.active();
    used.idle(Instant::now());
    busy.active();
    let now_us = 10_000_000;
    fresh.state.idle_since_us.store(now_us - micros(FIRST_REQUEST_COMES), Ordering::Relaxed);
    silent.state.idle_since_us.store(now_us - micros(FIRST_REQUEST_COMES) - 1, Ordering::Relaxed);
    connections.close_idle_at(now_us);
    assert!(!fresh.closes_idle());
    assert!(used.closes_idle() && busy.closes_idle() && silent.closes_idle());
    connections.close_silent();
    assert!(fresh.closes_idle());
}

#[test]
fn a_first_request_gets_its_time_from_when_it_could_come() {
    let ten_seconds = Duration::from_secs(10);
    let connections = connections().aged(ten_seconds);
    let enter = || enter(&connections);
    let (shakes_hands, used) = (enter(), enter());
    used.active();
    used.idle(Instant::now() - FIRST_REQUEST_COMES);
    // Accepted long ago.
    shakes_hands.state.first_request_us.store(0, Ordering::Relaxed);
    assert_eq!(shakes_hands.closes_idle_in(), None, "nobody asks for it");
    connections.close_silent();
    assert_eq!(used.closes_idle_in(), Some(Duration::ZERO));
    assert_eq!(shakes_hands.closes_idle_in(), Some(Duration::ZERO));
    shakes_hands.greeted();
    let since_us = shakes_hands.state.first_request_us.load(Ordering::Relaxed);
    assert!(since_us >= micros(ten_seconds));
    assert!(shakes_hands.closes_idle_in().is_some_and(|left| left <= FIRST_REQUEST_COMES));
}

#[test]
fn who_was_answered_just_now_gets_the_time_for_its_next_request() {
    let connections = connections().aged(Duration::from_secs(10));
    let used = enter(&connections);
    used.active();
    connections.close_idle();
    // Answered in an hour from now, so that this does not hang on how fast it is.
    let hour = Duration::from_secs(3_600);
    used.idle(Instant::now() + hour);
    let left = used.closes_idle_in().unwrap();
    assert!(left > hour && left <= hour + NEXT_REQUEST_COMES, "{left:?}");
    used.active();
    used.idle(Instant::now() - NEXT_REQUEST_COMES);
    assert_eq!(used.closes_idle_in(), Some(Duration::ZERO));
}

#[test]
fn exactly_as_many_as_one_look_remembers_are_evicted_one_after_the_other() {
    let connections = connections();
    let all: Vec<_> = (0..EVICTIONS_A_LOOK).map(|_| enter(&connections)).collect();
    for evicted in 1..=all.len() {
        assert!(connections.evict_longest_idle());
        assert_eq!(all.iter().filter(|entry| entry.is_evicted()).count(), evicted);
    }
    assert!(!connections.evict_longest_idle());
}

#[test]
fn a_connection_counts_as_idle_or_in_use_however_often_it_is_told() {
    let connections = connections();
    let counts = || (connections.idle.load(Ordering::Relaxed), connections.metrics.clients());
    let (one, other) = (enter(&connections), enter(&connections));
    assert_eq!(counts(), (2, (2, 2)));
    one.active();
    one.active();
    assert_eq!(counts(), (1, (2, 1)));
    for _ in 0..2 {
        one.idle(Instant::now());
        assert_eq!(counts(), (2, (2, 2)));
    }
    one.active();
    drop(one);
    assert_eq!(counts(), (1, (1, 1)), "it went in use");
    drop(other);
    assert_eq!(counts(), (0, (0, 0)), "it went idle");
    assert_eq!(connections.len(), 0);
}

#[test]
fn what_comes_before_http_ends_without_ending_a_request() {
    let connections = connections();
    let (silent, busy) = (enter(&connections), enter(&connections));
    let idle_since_us = |entry: &ConnectionEntry| entry.state.idle_since_us.load(Ordering::Relaxed);
    silent.state.idle_since_us.store(ACTIVE - 1, Ordering::Relaxed);
    busy.active();
    silent.greeted();
    busy.greeted();
    assert!(idle_since_us(&silent) < ACTIVE - 1, "its silence begins anew");
    assert_eq!(idle_since_us(&busy), ACTIVE);
}

#[test]
fn there_is_no_room_while_nobody_could_make_any_or_someone_was_turned_away() {
    let connections = connections();
    assert!(!connections.is_full(1), "nobody is there");
    let (one, other) = (enter(&connections), enter(&connections));
    assert!(!connections.is_full(2), "whoever is idle makes room");
    one.active();
    other.active();
    assert!(connections.is_full(1) && connections.is_full(2));
    assert!(!connections.is_full(3));
    connections.turned_away();
    assert!(connections.is_full(3));
    assert!(!connections.is_full(3), "that was told");
}

#[test]
fn one_leaves_for_a_request_only_where_there_are_more_than_may_be() {
    let connections = connections();
    let (busy, idle) = (enter(&connections), enter(&connections));
    busy.active();
    connections.make_room_beyond(3);
    connections.make_room_beyond(2);
    assert!(!idle.is_evicted(), "two are not more than two");
    let more = enter(&connections);
    for _ in 0..2 {
        connections.make_room_beyond(2);
        assert!(idle.is_evicted() != more.is_evicted(), "one is enough");
    }
    connections.make_room_beyond(1);
    assert!(idle.is_evicted() && more.is_evicted());
    assert!(!busy.is_evicted());
}

#[test]
fn who_was_asked_to_leave_is_about_to_until_it_has_a_request_or_has_left() {
    let connections = connections();
    let counts = || (connections.staying(), connections.some_leave());
    let (one, other) = (enter(&connections), enter(&connections));
    assert_eq!(counts(), (2, false));
    assert!(connections.evict_longest_idle() && connections.evict_longest_idle());
    assert_eq!(counts(), (0, true));
    assert!(!connections.evict_longest_idle(), "all have been asked");
    one.active();
    one.active();
    assert_eq!(counts(), (1, true), "its request came first");
    one.idle(Instant::now());
    assert_eq!(counts(), (0, true), "which is over");
    drop(other);
    assert_eq!(counts(), (0, true));
    one.active();
    assert_eq!(counts(), (1, false));
    drop(one);
    assert_eq!(counts(), (0, false));
}

#[test]
fn who_serves_a_client_tells_for_whom_and_whether_a_request_is_under_way() {
    let connections = connections();
    let busy = connections.enter(([127, 0, 0, 1], 40_001).into());
    let _idle = connections.enter(([127, 0, 0, 1], 40_002).into());
    busy.active();
    let tasks = connections.tasks().into_iter().map(|task| (task.subject, task.state));
    let mut tasks: Vec<_> = tasks.collect();
    tasks.sort();
    let expected = [("127.0.0.1:40001", "active"), ("127.0.0.1:40002", "idle")];
    assert_eq!(tasks, expected.map(|(client, state)| (client.to_owned(), Some(state))));
}

#[test]
fn a_drain_is_known_to_those_who_were_there_and_to_those_who_come() {
    let connections = connections();
    let before = enter(&connections);
    assert!(!before.is_draining());
    connections.drain();
    assert!(before.is_draining() && enter(&connections).is_draining());
}

#[test]
fn who_has_been_used_and_waits_is_closed_at_once_and_woken_for_it() {
    let connections = connections();
    let (used, fresh) = (enter(&connections), enter(&connections));
    used.active();
    used.idle(Instant::now());
    let wakers = [Arc::new(Woken::default()), Arc::new(Woken::default())];
    let mut serving = [pin!(pending()), pin!(pending())];
    for ((entry, serving), woken) in [&used, &fresh].into_iter().zip(&mut serving).zip(&wakers) {
        assert!(poll(pin!(entry.until_cut(serving.as_mut())), woken).is_pending());
    }
    connections.close_idle();
    assert!(used.closes_idle() && !fresh.closes_idle());
    assert_eq!(wakers.each_ref().map(|woken| woken.times()), [1, 0]);
}

#[test]
fn whoever_waits_for_a_request_is_woken_to_look_again_and_nobody_else() {
    let connections = connections();
    let (idle, busy) = (enter(&connections), enter(&connections));
    busy.active();
    let wakers = [Arc::new(Woken::default()), Arc::new(Woken::default())];
    let mut serving = [pin!(pending()), pin!(pending())];
    for ((entry, serving), woken) in [&idle, &busy].into_iter().zip(&mut serving).zip(&wakers) {
        assert!(poll(pin!(entry.until_cut(serving.as_mut())), woken).is_pending());
    }
    connections.look_again();
    assert_eq!(wakers.each_ref().map(|woken| woken.times()), [1, 0]);
}

#[test]
fn a_cut_ends_who_goes_on_after_one_more_turn_and_the_last_to_go_is_noticed() {
    let connections = connections();
    let (cut, done, waits) = Default::default();
    let (stays, ends) = (enter(&connections), enter(&connections));
    let mut turns = 0;
    let mut never = pin!(poll_fn(|_| {
        turns += 1;
        Poll::<()>::Pending
    }));
    let mut all_closed = pin!(connections.all_closed());
    {
        let mut serving = pin!(stays.until_cut(never.as_mut()));
        assert!(poll(serving.as_mut(), &cut).is_pending());
        let mut done_at_once = pin!(async {});
        let ended = pin!(ends.until_cut(done_at_once.as_mut()));
        assert!(poll(ended, &done).is_ready(), "what is served to its end is over");
        assert!(poll(all_closed.as_mut(), &waits).is_pending());
        connections.cut();
        assert_eq!(cut.times(), 1);
        assert!(poll(serving, &cut).is_ready());
    }
    assert_eq!(turns, 2, "what could be answered at the cut was");
    drop(ends);
    assert_eq!(waits.times(), 0);
    drop(stays);
    assert_eq!(waits.times(), 1);
    assert!(poll(all_closed, &waits).is_ready());
}

#[tokio::test]
async fn a_panic_that_nobody_caught_is_counted_and_ends_its_connection_alone() {
    let metrics = Metrics::new(1).worker(0);
    let connections = Connections::new(metrics.clone());
    let (ends, stays) = (enter(&connections), enter(&connections));
    // Not `panic!`, whose message would stand among the test's own.
    let bug = pin!(async { std::panic::resume_unwind(Box::new(())) });
    ends.until_cut(bug).await;
    drop(ends);
    assert_eq!((metrics.panics(), connections.len()), (1, 1));
    stays.until_cut(pin!(async {})).await;
    assert_eq!(metrics.panics(), 1);
}
