//! The operator's side: health, figures, routes, requests, errors, drain; and
//! the routes an operator gives.
//!
//! It runs on the control plane's runtime and sees the data plane only through
//! [`Control`], which gives out values: a page being written holds nothing of
//! the router's. What a caller may do is decided in one place, `guard`; how
//! long it may take, in `server`.

mod changes;
mod content;
mod control;
mod debug;
mod endpoint_body;
mod guard;
mod lists;
mod one_route;
mod openapi;
mod pages;
mod preconditions;
mod problem;
#[cfg(feature = "profiling")]
mod profiles;
mod route_body;
mod seats;
mod server;
mod token;
mod views;
mod writes;

#[cfg(test)]
pub(crate) use views::AdaptiveView;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use control::Control;
pub(crate) use guard::{AdminState, TokenRequired};
pub(crate) use lists::{Page, RequestFilter, RouteFilter};
pub(crate) use server::serve;
pub(crate) use token::{Token, TokenError};
pub(crate) use views::{
    EndpointState, EndpointView, NameView, ProbeView, RequestView, RouteView, TaskView, Told,
};
