//! Adaptive concurrency: how many requests of a route may wait for an answer at
//! a time, found out from how long they wait.
//!
//! An endpoint that is given more requests than it can work on makes them
//! queue: its throughput stays, its latency grows with every one more. The
//! limit keeps the route near that knee, and what is beyond is refused at once.
//!
//! **The algorithm** is the gradient of Netflix's `concurrency-limits` in the
//! form of Envoy's `adaptive_concurrency`: in every window the limit is
//! multiplied by *latency without a queue / latency now* and given headroom of
//! its square root, so that it settles where the queue is about as long as that
//! headroom. AIMD, the alternative, needs a latency or an error that means
//! "too much", which nobody knows beforehand for every route; and it saws
//! between half of the capacity and too much of it.
//!
//! **The latency without a queue** is where the literature differs. Netflix's
//! `Gradient2` takes a long average, which under lasting overload comes to
//! include the queue, so that the limit climbs. Envoy measures, every minute,
//! under a fixed small limit, which refuses nearly everything meanwhile and is
//! its floor as well (envoyproxy/envoy issues 38338 and 46532). Here it is
//! measured as BBR's second version does (`ProbeRTT`): at half of the limit, for
//! as few requests as give a mean, only where load hides it, and never for more
//! than a twentieth of the time. If that was clearly faster, and is not what was
//! expected, half of the half is tried, and so on: a start under overload finds
//! its way down ([`measure`]).
//!
//! **What is counted** is a request that an endpoint has, or is about to get,
//! and has not answered: from its admission to its final response head. That is
//! the very time that is measured, as Little's law asks for, and what makes
//! a stream or a tunnel of an hour neither hold a place nor count as slow. While
//! a client is still sending its content, the request stands aside: it is not
//! the endpoint that is waited for. How many *exchanges* an endpoint has, bodies
//! included, is the business of `max_requests`.
//!
//! - [`Gradient`](gradient::Gradient): the decisions, without clock or threads
//! - [`Places`](places::Places): the count, exact across workers
//! - [`Door`]: both, as requests meet them
//! - [`Doors`]: one for each route, across reloads

mod door;
mod doors;
mod gradient;
mod measure;
mod places;

#[cfg(all(test, not(pointsman_loom)))]
mod simulation;

pub use door::{Door, DoorSeen, Permit};
pub(super) use doors::Doors;
pub use gradient::AdaptiveTerms;
