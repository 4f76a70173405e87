//! The endpoint's side: opening connections, keeping idle ones, and one round
//! trip on one of them.

mod answer;
mod connection;
mod connector;
mod hints;
mod idle;
mod pool;
mod round_trip;
mod tls;
mod tunnel;
mod upload;
mod wait;
mod watch;

pub(crate) use answer::Answer;
pub use answer::AnswerFailure;
pub(crate) use connection::EndpointConnection;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use connector::Connecting;
pub(crate) use connector::{Connect, ConnectError, Hop, Shortage, Tcp, connect, open};
pub(crate) use hints::Hints;
pub(crate) use pool::{Pool, Reuse};
pub(crate) use round_trip::{Answered, RoundTripError, Terms, Trip};
pub(crate) use tls::{EndpointTls, Identities, IdentityFault, RegisteredTls, TlsFailure};
pub(crate) use tunnel::Tunnel;
pub(crate) use wait::Wait;
pub(crate) use watch::Watch;
