//! What every end-to-end test stands on: the real binary, a client that can
//! send any bytes, and an endpoint that can misbehave at any byte.
//!
//! Everything here is blocking sockets and threads. A test is then a straight
//! line, a stack trace points at the step that waits, and nothing of what is
//! being tested (a runtime, an HTTP library) is used to test it. Nothing
//! sleeps to let something else happen: what must happen is waited for, with
//! a deadline ([`wait::PATIENCE`]) after which the test fails and says what
//! it waited for. Every process, socket and thread ends with the value that
//! started it, also when the test panics.

pub(crate) mod absent;
mod carry;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod dns;
pub(crate) mod encrypted;
pub(crate) mod endpoint;
pub(crate) mod held;
pub(crate) mod line;
pub(crate) mod nats;
pub(crate) mod pattern;
mod port;
pub(crate) mod record;
pub(crate) mod router;
pub(crate) mod script;
pub(crate) mod servers;
pub(crate) mod tls;
pub(crate) mod tls_endpoint;
pub(crate) mod tls_peer;
pub(crate) mod wait;
pub(crate) mod wire;

pub(crate) use absent::RefusingEndpoint;
pub(crate) use client::{Answer, Connection, get, try_get};
pub(crate) use config::Config;
pub(crate) use endpoint::ScriptedEndpoint;
pub(crate) use held::Held;
pub(crate) use router::Router;
pub(crate) use script::{Gate, Script, Step, Visit};
