//! Which app a request is for.
//!
//! A route is a host pattern, a path prefix and what stands behind them. A
//! [`RouteTable`] is asked once per request and comes in versions: a change
//! makes a new one, and a `Publisher` hands it to the workers. Requests keep
//! the version they began with (`Pinned`).

mod host_pattern;
mod path_prefix;
mod path_routes;
#[cfg(feature = "router")]
mod publisher;
mod table;
mod trie;

pub use host_pattern::{HostPattern, InvalidHostPattern};
pub use path_prefix::{InvalidPathPrefix, PathPrefix};
#[cfg(feature = "router")]
pub use publisher::{Pinned, Publisher, Reader};
pub use table::{Duplicate, Place, RouteTable};
