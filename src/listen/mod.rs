//! Where clients connect: sockets, connections, and the HTTP/1 loop on each.

mod accept;
mod at_once;
pub(crate) mod connections;
pub(crate) mod http1;
mod newcomers;
mod passed;
mod prelude;
mod socket;
pub(crate) mod tls;

pub(crate) use accept::{Acceptor, accept, client_limit};
pub use passed::PassedError;
pub(crate) use passed::PassedSockets;
pub(crate) use prelude::Preludes;
pub use socket::BindError;
pub(crate) use socket::{Listener, listen, try_address};
