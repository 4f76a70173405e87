//! The addresses of endpoints that are known by a name.
//!
//! Nothing here is on a request's way. On the control runtime each name of the
//! table in force is asked for again and again ([`keep`]); what its answers
//! come to is decided in [`endpoint`](crate::endpoint); and when its addresses
//! are others than before, a table with them is put in force, as a reload
//! does. So a request meets names only where its route has no address yet.

mod client;
mod keeper;
mod resolver;

use crate::endpoint::Resolution;
use crate::lifecycle::{SourceHealth, SourceState};
use crate::router::Shared;

pub(crate) use keeper::{first_answers, keep};

/// How the names stand, as a source of routes; `None` without names.
pub(crate) fn health(shared: &Shared, now_ms: u64) -> Option<SourceHealth> {
    let names = shared.names.attended();
    let resolutions: Vec<_> = names.iter().map(|name| name.resolution()).collect();
    let any = |state| resolutions.iter().any(|resolution| resolution.state() == state);
    let state = match (any("unresolved"), any("stale")) {
        (true, _) => SourceState::Pending,
        (false, true) => SourceState::Stale,
        (false, false) => SourceState::Current,
    };
    let oldest_ms = resolutions.iter().filter_map(Resolution::resolved_at_ms).min();
    let age_ms = oldest_ms.map(|at_ms| now_ms.saturating_sub(at_ms));
    (!names.is_empty()).then(|| SourceHealth { name: "dns".into(), state, age_ms, error: None })
}

/// How many names there are in each state.
pub(crate) fn states(shared: &Shared) -> Vec<(&'static str, u64)> {
    let names = shared.names.attended();
    let states: Vec<_> = names.iter().map(|name| name.resolution().state()).collect();
    let count = |state| states.iter().filter(|own| **own == state).count() as u64;
    ["resolved", "stale", "unresolved"].map(|state| (state, count(state))).into()
}
