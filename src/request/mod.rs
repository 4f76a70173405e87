//! A request from its arrival to its end: what is known of it once admitted,
//! its content, and the scope that everything it starts belongs to.

pub mod admission;
#[cfg(feature = "router")]
mod arrival;
mod body;
#[cfg(feature = "router")]
mod client_address;
#[cfg(feature = "router")]
mod cookies;
#[cfg(feature = "router")]
mod counted;
mod head;
mod host;
#[cfg(feature = "router")]
pub mod id;
#[cfg(feature = "router")]
mod in_flight;
mod interim;
pub(crate) mod max_forwards;
mod pace;
mod path;
#[cfg(feature = "router")]
mod phase;
#[cfg(feature = "router")]
mod record;
#[cfg(feature = "router")]
mod scope;
#[cfg(feature = "router")]
mod subject;
#[cfg(feature = "router")]
mod tables;
mod target;
#[cfg(feature = "router")]
mod trace;

#[cfg(feature = "router")]
pub use arrival::{Arrival, ClientAddress};
pub use body::{BodyFailure, BodyFrame, BodySource, RequestBody};
#[cfg(feature = "router")]
pub(crate) use client_address::client_address;
#[cfg(feature = "router")]
pub(crate) use cookies::cookies;
pub use head::{ClientInfo, RequestHead, RequestHeadParts};
pub(crate) use host::HostName;
pub use host::{AmbiguousHost, MAX_HOST_BYTES, MAX_LABEL_BYTES, RequestHost, same_host};
#[cfg(feature = "router")]
pub(crate) use in_flight::InFlightRecords;
pub use interim::{InterimDropped, InterimSink};
pub use pace::Pace;
pub use path::{AmbiguousPath, MatchPath};
#[cfg(feature = "router")]
pub(crate) use phase::Phase;
#[cfg(feature = "router")]
pub(crate) use record::Record;
#[cfg(feature = "router")]
pub(crate) use scope::Scope;
#[cfg(feature = "router")]
pub(crate) use subject::Subject;
pub use target::{Authority, Target};
