//! The operator's side: health, figures, routes, requests, errors, drain.
//!
//! It runs on the control plane's runtime and sees the data plane only through
//! [`Control`], which gives out values: a page being written holds nothing of
//! the router's. What a caller may do is decided in one place, `guard`; how
//! long it may take, in `server`.

mod control;
mod guard;
mod lists;
mod pages;
mod problem;
mod server;
mod token;
mod views;

#[cfg(test)]
pub(crate) mod tests;

pub use control::Control;
pub use guard::{AdminState, TokenRequired};
pub use lists::{Page, RequestFilter, RouteFilter};
pub use pages::router;
pub use server::serve;
pub use token::{Token, TokenError};
pub use views::{AttemptView, EndpointState, EndpointView, ErrorView, RequestView, RouteView};
