//! How many endpoints are in which condition.

use std::collections::HashSet;
use std::net::SocketAddr;

use crate::endpoint::{Condition, EndpointSet, SeenOn};
use crate::router::{Route, Shared, Snapshot};

/// The endpoints of all routes, each once, by the word for its condition.
pub(super) fn counted(shared: &Shared, now_ms: u64) -> Vec<(&'static str, u64)> {
    let states = shared.endpoints.in_use();
    let down = shared.probes.down();
    let snapshot = shared.snapshots.current();
    let starting = starting(&snapshot, now_ms);
    let mut counts = Condition::ALL.map(|condition| (condition.as_str(), 0));
    for state in &states {
        let address = state.address();
        let condition = match state.seen(now_ms, SeenOn::default()).condition {
            _ if down.contains(&address) => Condition::Down,
            Condition::Available if starting.contains(&address) => Condition::SlowStart,
            condition => condition,
        };
        counts[condition as usize].1 += 1;
    }
    // What no request has needed yet has no state, and nothing against it.
    let registered = shared.live.lock().ledger.endpoints() as u64;
    let unused = registered.saturating_sub(states.len() as u64);
    counts[Condition::Available as usize].1 += unused;
    counts.into()
}

/// Who is in its slow start, on any route that has one.
fn starting(snapshot: &Snapshot, now_ms: u64) -> HashSet<SocketAddr> {
    let of = |set: &EndpointSet| {
        let is_starting = |index: &usize| {
            set.seen(*index, now_ms).is_some_and(|seen| seen.condition == Condition::SlowStart)
        };
        let those = (0..set.len()).filter(is_starting);
        those.map(|index| set.endpoints()[index].address()).collect::<Vec<_>>()
    };
    let of_route = |route: Route<'_>| {
        let set = route.entry().set_in_use().filter(|set| set.choosing().slow_start_ms > 0);
        set.map(of).unwrap_or_default()
    };
    match snapshot.settings.registry.slow_start.is_zero() {
        // Of the file there are few.
        true => snapshot.of_file().flat_map(of_route).collect(),
        false => snapshot.routes().flat_map(of_route).collect(),
    }
}
