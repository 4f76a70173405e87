//! A request on its way in: what it asks for, read in one way only.

mod host;
mod path;

pub use host::{AmbiguousHost, MAX_HOST_BYTES, MAX_LABEL_BYTES, RequestHost, same_host};
pub use path::{AmbiguousPath, MatchPath};

pub(crate) use host::HostName;
