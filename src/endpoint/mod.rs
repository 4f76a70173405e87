//! Endpoints: their state, and the choice between them.
//!
//! - [`EndpointState`]: what is known of one address, whatever routes lead there
//! - [`Lease`]: one request in flight, counted until the end of its body
//! - [`EndpointRegistry`]: one state for each address, across reloads
//! - [`EndpointSet`]: the endpoints of one route, and how one is chosen
//! - [`Balance`]: by turns, by load, or by a [`key`]
//! - [`OutlierPolicy`]: when one is ejected; [`Trial`]: how it comes back
//! - [`Condition`]: what an operator is told of one, and the [`Reason`]
//! - [`Line`]: where requests wait for a free place at any of them
//! - [`Door`]: how many requests of a route may wait for an answer, by latency
//! - [`Tried`]: the ones a request need not go to again
//! - [`HealthCheck`], [`Rhythm`], [`RiseFall`]: what probes ask, when, and what
//!   their results come to
//! - [`EndpointAddress`]: where a route says an endpoint is: an address or a name
//! - [`Resolution`]: what is known of a name, and when it is asked for again;
//!   [`NameRegistry`] has one for each name
//! - [`Probed`]: what they have found out, kept by [`ProbeRegistry`]

mod adaptive;
mod address;
mod balance;
mod changes;
mod check;
mod choice;
mod condition;
mod ejection;
mod gate;
mod in_flight;
pub mod key;
mod lease;
mod least_requests;
mod line;
mod names;
mod noted;
mod outlier;
mod outlook;
mod pace;
mod pass_over;
mod probed;
mod recent;
mod registry;
mod resolution;
mod rhythm;
mod rise_fall;
mod round_robin;
mod set;
mod slots;
mod state;
mod tally;
mod trial;
mod tried;
mod verdict;
mod view;
mod wait;
mod weights;

pub use adaptive::{AdaptiveTerms, Door, DoorSeen, Permit};
pub use address::{EndpointAddress, is_of_one};
pub use balance::{Balance, CookieName, HashOn, UnknownBalance};
pub use check::{HealthCheck, StatusSet};
pub use choice::{Asked, Choice};
pub use condition::{Change, Condition, Reason, Seen};
pub use ejection::EjectionTerms;
pub use lease::Lease;
pub use line::{Full, Line, Ticket};
pub use names::{Name, NameRegistry, ResolvedAddress};
pub use outlier::OutlierPolicy;
pub use probed::{LastProbe, ProbeRegistry, Probed};
pub use registry::EndpointRegistry;
pub use resolution::{
    FamilyAnswer, Learnt, MOST_ADDRESSES, NameAnswer, NameFault, NameTerms, Resolution,
};
pub use rhythm::Rhythm;
pub use rise_fall::{RiseFall, Standing};
pub use set::{Choosing, EndpointSet, Member};
pub use state::{EndpointState, SeenOn};
pub use trial::Trial;
pub use tried::Tried;
pub use wait::{Entrance, LOOK_AGAIN_MS, Queued};
