//! The pages, each a short function from [`Control`](super::Control) to an
//! answer.

use std::net::SocketAddr;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::lifecycle::Verdict;
use crate::telemetry::metrics::CONTENT_TYPE;

use super::guard::{AdminState, guard};
use super::lists::{self, Page, RequestFilter, RouteFilter, mask_query};
use super::openapi::openapi;
use super::problem::Problem;
#[cfg(feature = "profiling")]
use super::profiles;
use super::views::{ErrorView, RequestView, RouteView};
use super::{changes, debug, one_route};

/// What exists, for those who look for something else.
const ENDPOINTS: &[&str] = &[
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "GET /routes?host=&limit=&after=",
    "GET /routes/HOST/PATH",
    "PUT /routes/HOST/PATH",
    "DELETE /routes/HOST/PATH",
    "POST /register",
    "POST /unregister",
    "GET /requests?older_than=30s&host=&limit=&after=&queries=show",
    "GET /errors?host=&limit=&after=&queries=show",
    "GET /config",
    "GET /debug/tasks?kind=&older_than=30s&limit=",
    #[cfg(feature = "profiling")]
    "GET /debug/pprof/profile?seconds=30",
    #[cfg(feature = "profiling")]
    "GET /debug/pprof/heap",
    "POST /drain",
    "GET /openapi.json",
];

/// Who sent a request, which carries this as an extension.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller(pub(super) SocketAddr);

/// Every page, behind the guard.
pub fn router(state: AdminState) -> Router {
    let pages = Router::new();
    #[cfg(feature = "profiling")]
    let pages = pages
        .route("/debug/pprof/profile", get(profiles::cpu))
        .route("/debug/pprof/heap", get(profiles::heap));
    let one_route = get(one_route::read).put(one_route::put).delete(one_route::delete);
    pages
        .route("/health", get(health))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/routes", get(routes))
        .route("/routes/{*place}", one_route.clone())
        .route("/routes/", one_route)
        .route("/register", post(changes::register))
        .route("/unregister", post(changes::unregister))
        .route("/openapi.json", get(openapi))
        .route("/requests", get(requests))
        .route("/errors", get(errors))
        .route("/config", get(config))
        .route("/debug/tasks", get(debug::tasks))
        .route("/drain", post(drain))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
        .layer(from_fn_with_state(state.clone(), guard))
        .layer(map_response(common_fields))
        .with_state(state)
}

/// What every answer says: whose it is, and that it is about this moment.
async fn common_fields(mut response: Response) -> Response {
    let fields = response.headers_mut();
    fields.insert(header::SERVER, HeaderValue::from_static("pointsman"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn unknown_path() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such page").listing(ENDPOINTS)
}

async fn wrong_method(method: Method) -> Problem {
    let detail = format!("this page does not answer {method}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).listing(ENDPOINTS)
}

fn status(verdict: &Verdict) -> StatusCode {
    if verdict.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn health(State(state): State<AdminState>) -> impl IntoResponse {
    let ready = state.control().health().ready;
    (status(&ready), format!("{}\n", ready.reason.as_deref().unwrap_or("ok")))
}

async fn live(State(state): State<AdminState>) -> impl IntoResponse {
    let live = state.control().health().live;
    (status(&live), Json(live))
}

async fn ready(State(state): State<AdminState>) -> impl IntoResponse {
    let report = state.control().health();
    (status(&report.ready), Json(report))
}

async fn metrics(State(state): State<AdminState>) -> Result<impl IntoResponse, Problem> {
    let text = beside(move || state.control().metrics_text()).await?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}

async fn config(State(state): State<AdminState>) -> impl IntoResponse {
    Json(state.control().config())
}

async fn drain(State(state): State<AdminState>, request: Request) -> impl IntoResponse {
    state.control().drain(request.extensions().get().map(|Caller(address)| *address));
    (StatusCode::ACCEPTED, Json(json!({ "draining": true })))
}

/// The query of a list; a key it does not know is an error, since a filter
/// that is silently not applied shows too much.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ListQuery {
    host: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
    older_than: Option<String>,
    queries: Option<String>,
}

type ListArgs = Result<Query<ListQuery>, QueryRejection>;

async fn routes(State(state): State<AdminState>, args: ListArgs) -> Result<Response, Problem> {
    let query = ListQuery::read(args)?;
    query.lacks("older_than", query.older_than.is_some())?;
    query.lacks("queries", query.queries.is_some())?;
    let filter = RouteFilter {
        host: query.host(),
        after: query.cursor(RouteFilter::cursor)?,
        limit: lists::limit(query.limit)?,
    };
    let page: Page<RouteView> = beside(move || state.control().routes(&filter)).await?;
    Ok(Json(json!({ "routes": page.items, "next": page.next })).into_response())
}

/// Has `look` go through a table of maybe a million routes, which takes a while:
/// not on the thread that has health to tell and registrations to hear.
async fn beside<T: Send + 'static>(
    look: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(look).await.map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made")
    })
}

async fn requests(State(state): State<AdminState>, args: ListArgs) -> Result<Response, Problem> {
    let query = ListQuery::read(args)?;
    let filter = RequestFilter {
        older_than: lists::older_than(query.older_than.as_deref())?,
        host: query.host(),
        after: query.cursor(RequestFilter::cursor)?,
        limit: lists::limit(query.limit)?,
    };
    let mut page: Page<RequestView> = state.control().requests(&filter);
    if !query.shows_queries()? {
        page.items.iter_mut().for_each(|request| mask_query(&mut request.path));
    }
    Ok(Json(json!({ "requests": page.items, "next": page.next })).into_response())
}

async fn errors(State(state): State<AdminState>, args: ListArgs) -> Result<Response, Problem> {
    let query = ListQuery::read(args)?;
    query.lacks("older_than", query.older_than.is_some())?;
    let after: Option<u64> = query.cursor(|text| text.parse().ok())?;
    let (host, limit, show) = (query.host(), lists::limit(query.limit)?, query.shows_queries()?);
    let mut wanted = state.control().errors();
    wanted.retain(|(number, error)| {
        host.as_ref().is_none_or(|host| *host == error.host)
            && after.is_none_or(|after| *number < after)
    });
    let next = wanted.get(limit).map(|_| wanted[limit - 1].0.to_string());
    wanted.truncate(limit);
    let views = wanted.iter().map(|(number, error)| {
        let mut view = ErrorView::new(*number, error);
        if !show {
            mask_query(&mut view.path);
        }
        view
    });
    let views: Vec<ErrorView> = views.collect();
    Ok(Json(json!({ "errors": views, "next": next })).into_response())
}

impl ListQuery {
    fn read(args: ListArgs) -> Result<Self, Problem> {
        args.map(|Query(query)| query).map_err(|error| bad_query(error.body_text()))
    }

    /// Refuses a key that this list has no use for.
    fn lacks(&self, key: &str, given: bool) -> Result<(), Problem> {
        if given { Err(bad_query(format!("this list has no `{key}`"))) } else { Ok(()) }
    }

    /// As it is looked up: in lower case, and without the dot of the root.
    fn host(&self) -> Option<String> {
        let host = self.host.as_deref()?;
        Some(host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase())
    }

    fn cursor<C>(&self, read: impl Fn(&str) -> Option<C>) -> Result<Option<C>, Problem> {
        let Some(text) = &self.after else { return Ok(None) };
        let wrong = || bad_query("`after` is the `next` of the page before");
        read(text).map(Some).ok_or_else(wrong)
    }

    fn shows_queries(&self) -> Result<bool, Problem> {
        match self.queries.as_deref() {
            None => Ok(false),
            Some("show") => Ok(true),
            Some(_) => Err(bad_query("`queries` takes only `show`")),
        }
    }
}

pub(super) fn bad_query(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail).listing(ENDPOINTS)
}
