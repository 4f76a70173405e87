//! TLS with clients: which certificate, which clients, which tickets, and what
//! a connection that is through the handshake may be used for.

mod certificates;
mod context;
mod facts;
mod handshake;
mod policy;
mod tickets;
mod verifier;

pub(crate) use context::ListenerTls;
pub(crate) use facts::TlsFacts;
pub(crate) use handshake::{Arrived, arrive};
pub(crate) use policy::{Policies, PolicyFault};
