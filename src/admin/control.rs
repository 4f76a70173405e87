//! What the admin side needs from the router.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::lifecycle::HealthReport;
#[cfg(feature = "profiling")]
use crate::lifecycle::TaskGuard;
use crate::registry::LiveRoutes;
use crate::telemetry::RecentError;

use super::lists::{Page, RequestFilter, RouteFilter};
use super::views::{RequestView, RouteView, TaskView};

/// The router as the admin side sees it. Each method returns a value of this
/// moment, without waiting for any request.
pub trait Control: Send + Sync + 'static {
    /// Health in full.
    fn health(&self) -> HealthReport;

    /// One page of the routes in force; [`RouteFilter::select`] picks it.
    fn routes(&self, filter: &RouteFilter) -> Page<RouteView>;

    /// The routes that come and go, to be looked at one by one and changed.
    fn live(&self) -> LiveRoutes;

    /// One page of the requests in flight; [`RequestFilter::select`] picks it.
    /// Paths come with their query: the page masks it.
    fn requests(&self, filter: &RequestFilter) -> Page<RequestView>;

    /// The last errors with their numbers, newest first.
    fn errors(&self) -> Vec<(u64, Arc<RecentError>)>;

    /// Every live task, in no order. Subjects come without queries.
    fn tasks(&self) -> Vec<TaskView>;

    /// Lists a profile among the live tasks until what comes back drops.
    #[cfg(feature = "profiling")]
    fn begin_profile(&self, subject: String) -> TaskGuard;

    /// The effective configuration, secrets masked.
    fn config(&self) -> serde_json::Value;

    /// The figures, as OpenMetrics.
    fn metrics_text(&self) -> String;

    /// Begins to drain, as `caller` asked, if that is known; once begun, nothing
    /// happens.
    fn drain(&self, caller: Option<SocketAddr>);
}
