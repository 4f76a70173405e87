//! One attempt to have a request answered: the head it carries, how it can
//! fail, and whether another one follows.
//!
//! - [`derive()`]: the one constructor of attempt heads, all header hygiene in it
//! - [`AttemptHead`]: owned, not cloneable, consumed when written
//! - [`HeadPolicy`], [`Forwarded`], [`HeaderEdits`], [`Via`]: what a route adds
//!   and drops
//! - [`Failure`]: how far a failed attempt got, worked out and not asserted
//! - [`Planner`]: failure in, next action out
//! - [`RetryBudget`]: how many retries the endpoints can be asked to bear

mod budget;
mod derive;
mod failure;
mod head;
pub(crate) mod hygiene;
pub(crate) mod intern;
mod planner;
mod policy;
#[cfg(feature = "router")]
mod replay;
pub mod upgrade;
mod via;

pub use budget::RetryBudget;
pub use derive::{derive, request_trailers};
pub use failure::{Exchange, Failure, Progress};
pub use head::{AttemptHead, AttemptParts};
pub use planner::{Action, Body, Event, GiveUp, Past, Plan, Planner, Reason, is_idempotent};
pub use policy::{Forwarded, HeadPolicy, HeaderEdits, PolicyError};
#[cfg(feature = "router")]
pub(crate) use replay::ReplayBody;
pub use via::Via;
