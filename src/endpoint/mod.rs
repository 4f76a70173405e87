//! Endpoints: their state, and the choice between them.
//!
//! - [`EndpointState`]: what is known of one address, whatever routes lead there
//! - [`Lease`]: one request in flight, counted until the end of its body
//! - [`EndpointRegistry`]: one state for each address, across reloads
//! - [`EndpointSet`]: the endpoints of one route, and how one is chosen
//! - [`Tried`]: the ones a request need not go to again
//! - [`HealthCheck`], [`Rhythm`], [`RiseFall`]: what probes ask, when, and what
//!   their results come to
//! - [`Probed`]: what they have found out, kept by [`ProbeRegistry`]

mod balance_words;
mod check;
mod in_flight;
mod least_requests;
mod pass_over;
mod probed;
mod registry;
mod rhythm;
mod rise_fall;
mod round_robin;
mod set;
mod state;
mod tried;
mod verdict;
mod weights;

pub use balance_words::UnknownBalance;
pub use check::{HealthCheck, StatusSet};
pub use in_flight::Lease;
pub use probed::{LastProbe, ProbeRegistry, Probed};
pub use registry::EndpointRegistry;
pub use rhythm::Rhythm;
pub use rise_fall::{RiseFall, Standing};
pub use set::{Balance, Choice, EndpointSet};
pub use state::EndpointState;
pub use tried::Tried;
