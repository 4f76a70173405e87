//! Many clients at a time, and a router that must hold after them what it held
//! before.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::harness::router::binary;
use crate::harness::wait::{PACE, PATIENCE};
use crate::harness::{Config, Held, Router};

/// Clients at a time.
const CLIENTS: usize = 32;

/// What its memory may be larger by, in KiB: 200 bytes for each of 20,000
/// exchanges, far less than the least record of one.
pub(super) const ROOM_KIB: u64 = 4_000;
/// The same for connections that come and go, of which there are fewer: 1 KiB
/// for each of 2,000.
const ROOM_FOR_CONNECTIONS_KIB: u64 = 2_000;

/// A router whose allocator gives back at once what it is given back: what is
/// still resident is in use.
pub(super) fn router(config: &Config) -> Router {
    let mut command = binary();
    command.env("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0,thp:never");
    Router::start_as(command, config)
}

/// A client for every number below `count`, many at a time.
pub(super) fn clients(count: usize, client: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    client(number);
                }
            });
        }
    });
}

/// Has `count` clients come and go, after some that warm the router up. It
/// must hold no more after any of them than it did at rest.
#[track_caller]
pub(super) fn come_and_go(
    router: &Router,
    [warm_up, count]: [usize; 2],
    client: impl Fn(usize) + Sync,
) {
    let rest = Held::at_rest(router);
    clients(warm_up, &client);
    keeps_to(router, &rest, ROOM_FOR_CONNECTIONS_KIB, || clients(count, &client));
}

/// Does `work` on a router that is warm and has only to come to `rest`; its
/// memory may be larger by `room_kib` then.
#[track_caller]
pub(super) fn keeps_to(router: &Router, rest: &Held, room_kib: u64, work: impl FnOnce()) {
    rest.again(router);
    let before_kib = router.own_memory_kib();
    work();
    rest.again(router);
    let after_kib = memory_again(router, before_kib + room_kib);
    let line = format!("{before_kib} KiB before, {after_kib} KiB after\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr takes a line");
}

/// Waits until `router` has no more memory than this.
#[track_caller]
fn memory_again(router: &Router, most_kib: u64) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now_kib = router.own_memory_kib();
        if now_kib <= most_kib {
            return now_kib;
        }
        assert!(Instant::now() < deadline, "{now_kib} KiB, and at most {most_kib} would be right");
        std::thread::sleep(PACE);
    }
}
