//! What routes with an adaptive limit let in.

use std::collections::HashSet;
use std::fmt::Error;
use std::sync::Arc;

use crate::endpoint::DoorSeen;

use super::families::Families;
use super::labels::RouteLabels;

/// The limits of the routes that have one and a label of their own.
pub(super) fn doors(
    out: &mut Families<'_>,
    doors: &[(Arc<str>, DoorSeen)],
    labels: &RouteLabels,
) -> Result<(), Error> {
    if doors.is_empty() {
        return Ok(());
    }
    let shown: HashSet<&str> = labels.shown().map(|(_, name)| name).collect();
    let doors = || doors.iter().filter(|(name, _)| shown.contains(&**name));
    let by_route = |figure: fn(&DoorSeen) -> u64| {
        doors().map(move |(name, seen)| ([("route", &**name)], figure(seen)))
    };
    out.gauges(
        "pointsman_adaptive_limit",
        "Requests of a route that may wait for an answer at a time, see adaptive_concurrency",
        by_route(|seen| seen.limit),
    )?;
    out.gauges(
        "pointsman_adaptive_in_flight",
        "Requests of a route with an adaptive limit that wait for an answer",
        by_route(|seen| seen.in_flight),
    )?;
    let known = doors().filter_map(|(name, seen)| Some((name, seen.base_us?)));
    out.gauges(
        "pointsman_adaptive_latency_seconds",
        "How long an answer takes without a queue, as last measured",
        known.map(|(name, us)| ([("route", &**name)], us as f64 / 1e6)),
    )?;
    out.counters(
        "pointsman_adaptive_shed",
        "Requests refused by the adaptive limit of their route",
        by_route(|seen| seen.shed),
    )
}
