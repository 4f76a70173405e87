//! Where clients connect: sockets, connections, and the HTTP/1 loop on each.

mod accept;
pub(crate) mod connections;
pub(crate) mod http1;
mod newcomers;
mod passed;
mod socket;

pub(crate) use accept::{Acceptor, accept};
pub use passed::PassedError;
pub(crate) use passed::PassedSockets;
pub use socket::BindError;
pub(crate) use socket::{Listener, listen};
