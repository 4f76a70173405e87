//! Endpoints: their state, and the choice between them.
//!
//! - [`EndpointState`]: what is known of one address, whatever routes lead there
//! - [`Lease`]: one request in flight, counted until the end of its body
//! - [`EndpointRegistry`]: one state for each address, across reloads
//! - [`EndpointSet`]: the endpoints of one route, and how one is chosen
//! - [`Tried`]: the ones a request need not go to again

mod balance_words;
mod in_flight;
mod least_requests;
mod pass_over;
mod registry;
mod round_robin;
mod set;
mod state;
mod tried;
mod weights;

pub use balance_words::UnknownBalance;
pub use in_flight::Lease;
pub use registry::EndpointRegistry;
pub use set::{Balance, Choice, EndpointSet};
pub use state::EndpointState;
pub use tried::Tried;
