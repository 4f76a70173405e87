//! Where routes come from.

mod file;
mod watch;

pub(crate) use file::{FileSource, Stamp};
pub(crate) use watch::Watch;
