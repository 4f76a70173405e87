//! Which app a request is for.
//!
//! A route is a host pattern, a path prefix and what stands behind them. A
//! [`RouteTable`] is built whole, never changed, and asked once per request; a
//! `Publisher` hands each new table to the workers. Requests keep the table
//! they began with (`Pinned`).

mod host_pattern;
mod path_prefix;
mod path_routes;
#[cfg(feature = "router")]
mod publisher;
mod table;

pub use host_pattern::{HostPattern, InvalidHostPattern};
pub use path_prefix::{InvalidPathPrefix, PathPrefix};
#[cfg(feature = "router")]
pub use publisher::{Pinned, Publisher, Reader};
pub use table::{Duplicate, RouteTable};
