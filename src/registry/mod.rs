//! Where routes come from.
//!
//! Three [`Source`]s stand side by side: the configuration file, the admin API
//! and NATS. What the last two say comes as [`Change`]s, one endpoint of one
//! route each.

mod calendar;
mod details;
mod draft;
mod endpoint;
mod entry;
mod expiry;
mod file;
mod file_routes;
mod in_force;
mod ledger;
mod left;
mod live;
pub mod message;
mod nats;
mod pauses;
mod registration;
mod room;
pub mod snapshot;
mod source;
mod term;
mod tombstones;

pub use in_force::InForce;
pub use live::LiveRoutes;
pub use nats::{Intake, Subject};
pub use registration::{Change, Heard, Outcome, Registration, Tags};
pub use source::Source;

pub(crate) use draft::Order;
pub(crate) use endpoint::Endpoint;
pub(crate) use entry::Entry;
pub(crate) use expiry::LOOKS_AT_ONCE;
pub(crate) use ledger::{Bounds, Ledger, Link};
pub(crate) use live::{Entries, LastHeard, Live};

pub(crate) use pauses::Pauses;

pub(crate) use nats::{NatsStatus, attend as attend_nats};

pub(crate) use file::{FileSource, Stamp};
