//! The router's own answers.
//!
//! An answer is a pure function of the typed error and of what the client
//! asked, built in a field list nobody else has seen. No attempt's head goes
//! in, so nothing an endpoint sent, early or late, can show in it.
//!
//! Error details may quote what a client or an endpoint sent, so each form
//! (field, JSON, HTML, text) has one writer that neutralises it, and property
//! tests feed all of them with arbitrary bytes.

mod answer;
mod json;
mod negotiation;
mod page;
mod problem;
mod proxy_status;
mod text;

pub use answer::{Ask, ErrorAnswer, render};

#[cfg(test)]
mod tests;
