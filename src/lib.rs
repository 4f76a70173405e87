//! Pointsman: an HTTP router for platforms.
//!
//! It takes requests by hostname and path to the apps that answer them. It is
//! built so that no two attempts, error answers or retries of a request ever
//! share a header map, so that nothing a request starts outlives it, and so
//! that every wait, queue and buffer has an end.
//!
//! # The command, and the library
//!
//! `pointsman demo` shows the router at work, `pointsman run` runs it from a
//! file; [`cli`] is that command. As a library it is one type: [`Router`], a
//! [`tower::Service`] that can stand in any tower stack, as `examples/axum.rs`
//! shows it inside an axum app.
//!
//! ```
//! # #[cfg(feature = "router")] {
//! use pointsman::{Router, config};
//!
//! let settings = config::parse(
//!     r#"
//!     [[listener]]                    # required, and not used by a `Router`
//!     address = "127.0.0.1:8080"
//!
//!     [[route]]
//!     host = "shop.example.com"
//!     endpoints = ["10.0.0.1:8080", "10.0.0.2:8080"]
//!     "#,
//!     "embedded",
//! )?;
//! let router = Router::new(settings)?;
//! # let _ = router;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Calls happen in a tokio runtime with I/O and time. A
//! [`request::ClientAddress`] in a request's extensions tells the router who
//! asks; without one the client is unknown and not trusted. Dropping the
//! response's content, or the call's future, ends the request.
//!
//! # The promises
//!
//! 1. **One owner.** A request head is frozen on arrival. What an attempt
//!    sends is [derived](attempt::derive()) from it, the same whatever failed
//!    before.
//! 2. **One commit.** One response head reaches the client: the winning
//!    attempt's or one error's.
//! 3. **One scope.** Nothing a request starts outlives it, except a connection
//!    going back to its pool.
//! 4. **No unbounded anything.** Every limit has a default, and reaching it has
//!    a [code](error::Code).
//! 5. **Safe retry.** The type of a [failed attempt](attempt::Failure) says how
//!    far it got, and so whether the request may be sent again.
//! 6. **Released at the end.** An endpoint's slot is free when the response's
//!    content has ended, not at its head.
//! 7. **Truthful health.** `/health` is 200 only while requests are served.
//! 8. **A bad update changes nothing.** Parsed, validated, then swapped; or the
//!    old stays, and the message says where and why.
//! 9. **Requests pin their snapshot.** A swap never cuts a stream.
//! 10. **Traffic never panics it.** A bug in one request is a 500 for that one.
//!
//! # The map of the house
//!
//! The rooms, in the order a request passes through them:
//!
//! | room | what happens there |
//! |---|---|
//! | `listen` | sockets, and the HTTP/1 connections of clients with their clocks |
//! | [`http1`] | bytes become heads and content, and back; the one parser of the house |
//! | [`request`] | admission; the frozen [`RequestHead`](request::RequestHead); the scope a request lives in |
//! | `router` | where the rooms meet: the way of one request |
//! | [`route`] | host and path to a route, in an immutable table |
//! | [`endpoint`] | which endpoint is next, and which is passed over |
//! | [`attempt`] | what one attempt sends, how it failed, whether another follows |
//! | `upstream` | the connections to endpoints, and the round trip on them |
//! | [`respond`] | the one answer: an app's, or an error's by media type |
//!
//! And round them:
//!
//! | room | what it is for |
//! |---|---|
//! | [`error`] | everything that can go wrong: code, status, blame, what to do |
//! | `config` | from TOML to checked settings, with diagnostics |
//! | [`registry`] | where routes come from: the file, and what is registered while requests flow |
//! | `descriptors` | who may hold how many connections, below the system's limit |
//! | `dns` | the addresses of endpoints that are known by a name |
//! | `probes` | asking endpoints whether they are well |
//! | `lifecycle` | start, reload, health, drain, the end |
//! | `admin` | the operator's HTTP side |
//! | `telemetry` | access log, metrics, recent errors |
//! | `tls` | files of certificates and keys, and the cryptography they are for |
//! | [`proxy_protocol`] | who is behind a balancer's connection |
//! | `transport` | byte streams, and noticing that a peer has left |
//! | `guard` | the build for tests in which a guard can be taken out |
//! | `clock` | the one timer of a connection, armed lazily |
//! | `sync` | the locks and atomics, which a model checker can replace |
//! | `cli` | the commands, one file each |
//!
//! [`http1`], [`request`], [`route`], [`endpoint`], [`attempt`], [`respond`]
//! and [`error`] hold the decisions: pure, without sockets or clocks, time
//! passed in. They are what `--no-default-features` leaves, so that models,
//! fuzzers and Miri build in seconds.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(feature = "router"),
    allow(rustdoc::broken_intra_doc_links, reason = "this page shows the whole house")
)]

#[cfg(feature = "router")]
mod admin;
pub mod attempt;
#[cfg(feature = "router")]
pub mod cli;
#[cfg(feature = "router")]
mod clock;
#[cfg(feature = "router")]
pub mod config;
#[cfg(feature = "router")]
mod descriptors;
#[cfg(feature = "router")]
mod dns;
pub mod endpoint;
pub mod error;
#[cfg(all(feature = "router", feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "router")]
mod guard;
pub mod http1;
#[cfg(feature = "router")]
mod lifecycle;
#[cfg(feature = "router")]
mod listen;
#[cfg(feature = "router")]
mod probes;
pub mod proxy_protocol;
#[cfg(feature = "router")]
pub mod registry;
pub mod request;
pub mod respond;
pub mod route;
#[cfg(feature = "router")]
pub mod router;
mod sync;
#[cfg(feature = "router")]
mod telemetry;
#[cfg(feature = "router")]
mod tls;
#[cfg(feature = "router")]
mod transport;
#[cfg(feature = "router")]
mod upstream;

#[cfg(feature = "router")]
pub use router::Router;
