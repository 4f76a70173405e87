//! Where routes come from.
//!
//! Three [`Source`]s stand side by side: the configuration file, the admin API
//! and NATS. What the last two say comes as [`Change`]s, one endpoint of one
//! route each.

mod file;
mod registration;
mod source;
mod watch;

pub use registration::{Change, Heard, Outcome, Registration, Tags};
pub use source::Source;

pub(crate) use file::{FileSource, Stamp};
pub(crate) use watch::Watch;
