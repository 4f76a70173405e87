//! The router as a tower service, in nobody's process but the test's: the
//! bodies it takes and gives, and what dropping them releases.
#![cfg(feature = "router")]
#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod bodies;
mod content;
mod heads;
mod site;
