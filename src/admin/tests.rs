//! What the admin side answers, and whom.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::pages::router;
pub(crate) use super::server::tests::start;
use super::*;
use crate::lifecycle::HealthReport;
use crate::lifecycle::health::{HealthInputs, ListenerHealth};
use crate::telemetry::RecentError;
use crate::telemetry::metrics::{Metrics, Observed};

pub(crate) const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9901);
const EVERYWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 9901);

/// A router with two routes, two requests and two errors.
#[derive(Default)]
pub(crate) struct Fixed {
    pub(crate) drains: AtomicUsize,
    /// What its figures are, if not the real ones.
    pub(crate) figures: Option<String>,
    /// Told when they are asked for, and what they then wait for.
    pub(crate) held: Option<Mutex<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
}

fn route(host: &str) -> RouteView {
    RouteView {
        host: host.into(),
        path: "/".into(),
        source: "file".into(),
        overrides: Vec::new(),
        without_endpoints_for_ms: None,
        balance: "round-robin".into(),
        adaptive: None,
        queued: 2,
        endpoints: vec![EndpointView {
            address: ([10, 0, 0, 1], 80).into(),
            weight: 1,
            state: EndpointState::PassedOver,
            in_flight: 3,
            max_requests: Some(3),
            since_unix_ms: 1_700_000_000_000,
            state_age_ms: 3_800,
            reason: "connect-refused".into(),
            for_ms: Some(1_200),
            passed_over_for_ms: Some(1_200),
            probe: None,
            age_ms: 61_000,
            ttl_left_ms: None,
            instance_id: None,
            told: Default::default(),
            tls: false,
            name: None,
        }],
        names: Vec::new(),
    }
}

fn request(id: &str, age_ms: u64) -> RequestView {
    RequestView {
        id: id.into(),
        started_unix_ms: 1_000_000 - age_ms,
        age_ms,
        phase: "awaiting-head".into(),
        protocol: None,
        client: ([127, 0, 0, 1], 40_000).into(),
        method: "GET".into(),
        host: "shop.example".into(),
        path: "/a?token=s3cret".into(),
        route: Some("shop.example/".into()),
        attempt: 1,
        endpoint: Some(([10, 0, 0, 1], 80).into()),
        bytes_in: 0,
        bytes_out: 0,
    }
}

impl Control for Fixed {
    fn health(&self) -> HealthReport {
        let draining = self.drains.load(Ordering::SeqCst) > 0;
        let listeners = vec![ListenerHealth { address: LOOPBACK, accepting: true }];
        HealthInputs { draining, listeners, ..Default::default() }.report()
    }

    fn routes(&self, filter: &RouteFilter) -> Page<RouteView> {
        filter.select(["b.example", "a.example"], |host| (host, "/")).map(route)
    }

    fn live(&self) -> crate::registry::LiveRoutes {
        let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
        let settings = crate::config::parse(text, "test").unwrap();
        let health = crate::lifecycle::Health::embedded();
        crate::registry::LiveRoutes::of(&Arc::new(
            crate::router::Shared::new(settings, 1, health).unwrap(),
        ))
    }

    fn requests(&self, filter: &RequestFilter) -> Page<RequestView> {
        let requests = [request("young", 5), request("old", 60_000)];
        filter.select(
            requests,
            |request| Duration::from_millis(request.age_ms),
            |request| (&request.host, request.started_unix_ms, &request.id),
        )
    }

    fn errors(&self) -> Vec<(u64, Arc<RecentError>)> {
        let error = |path| Arc::new(crate::telemetry::errors_for_tests(path));
        vec![(2, error("/second?token=s3cret")), (1, error("/first"))]
    }

    fn tasks(&self) -> Vec<TaskView> {
        let task = |kind: &str, subject: &str, age_ms| TaskView {
            kind: kind.into(),
            subject: subject.into(),
            state: None,
            since_unix_ms: 1_000_000 - age_ms,
            age_ms,
        };
        vec![
            task("connection", "127.0.0.1:40000", 5),
            task("worker", "worker-0", 60_000),
            task("connection", "127.0.0.1:40001", 50_000),
        ]
    }

    #[cfg(feature = "profiling")]
    fn begin_profile(&self, subject: String) -> crate::lifecycle::TaskGuard {
        let tasks: Arc<crate::lifecycle::Tasks> = Arc::default();
        tasks.enter(crate::lifecycle::TaskKind::Profile, subject)
    }

    fn config(&self) -> Value {
        json!({ "limits": {} })
    }

    fn metrics_text(&self) -> String {
        if let Some(held) = &self.held {
            let (asked, go) = &*held.lock();
            asked.send(()).unwrap();
            go.recv().unwrap();
        }
        let real = || Metrics::new(1).render(Observed::default());
        self.figures.clone().unwrap_or_else(real)
    }

    fn drain(&self, _: Option<SocketAddr>) {
        self.drains.fetch_add(1, Ordering::SeqCst);
    }
}

fn open() -> AdminState {
    AdminState::new(Arc::new(Fixed::default()), LOOPBACK, None).unwrap()
}

fn guarded() -> AdminState {
    let token = Token::new(b"s3cret-token").unwrap();
    AdminState::new(Arc::new(Fixed::default()), EVERYWHERE, Some(token)).unwrap()
}

async fn send(state: &AdminState, method: Method, path: &str, fields: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    router(state.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn get(state: &AdminState, path: &str) -> Response {
    send(state, Method::GET, path, &[("host", "127.0.0.1:9901")]).await
}

async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn value(response: Response) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

const HOST: (&str, &str) = ("host", "127.0.0.1:9901");
const BEARER: (&str, &str) = ("authorization", "Bearer s3cret-token");
const PRIVATE: [&str; 5] = ["/routes", "/requests", "/errors", "/config", "/no-such-page"];

#[tokio::test]
async fn health_is_ok_until_a_drain_and_then_says_why_not() {
    let state = open();
    let fine = get(&state, "/health").await;
    assert_eq!(fine.status(), StatusCode::OK);
    assert_eq!(text(fine).await, "ok\n");
    let drained = send(&state, Method::POST, "/drain", &[HOST]).await;
    assert_eq!(drained.status(), StatusCode::ACCEPTED);
    let draining = get(&state, "/health").await;
    assert_eq!(draining.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(draining).await, "draining\n");
    let ready = get(&state, "/health/ready").await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(value(ready).await["ready"]["reason"], "draining");
    assert_eq!(get(&state, "/health/live").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_openmetrics_by_their_media_type() {
    let response = get(&open(), "/metrics").await;
    assert_eq!(response.headers()["content-type"], crate::telemetry::metrics::CONTENT_TYPE);
    assert!(text(response).await.ends_with("# EOF\n"));
}

#[tokio::test]
async fn off_loopback_only_health_and_metrics_are_open() {
    let state = guarded();
    for path in ["/health", "/health/live", "/health/ready", "/metrics"] {
        let response = send(&state, Method::GET, path, &[("host", "admin.example")]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    for path in PRIVATE {
        let refused = get(&state, path).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert!(refused.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        let wrong = [HOST, ("authorization", "Bearer s3cret-tokem")];
        let refused = send(&state, Method::GET, path, &wrong).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        let twice = [HOST, BEARER, BEARER];
        let refused = send(&state, Method::GET, path, &twice).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        let admitted = send(&state, Method::GET, path, &[HOST, BEARER]).await;
        assert_ne!(admitted.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let refused = send(&state, Method::POST, "/drain", &[HOST]).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let drained = send(&state, Method::POST, "/drain", &[HOST, BEARER]).await;
    assert_eq!(drained.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn with_the_token_a_read_may_use_any_host_name() {
    let fields = [("host", "admin.example"), BEARER];
    let response = send(&guarded(), Method::GET, "/routes", &fields).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[test]
fn off_loopback_without_a_token_there_is_no_admin_side() {
    let refused = AdminState::new(Arc::new(Fixed::default()), EVERYWHERE, None).err();
    assert_eq!(refused, Some(TokenRequired(EVERYWHERE)));
}

#[tokio::test]
async fn a_write_from_a_web_page_or_to_a_foreign_name_changes_nothing() {
    let control = Arc::new(Fixed::default());
    let state = AdminState::new(control.clone(), LOOPBACK, None).unwrap();
    let refused: [&[(&str, &str)]; 5] = [
        &[HOST, ("origin", "https://evil.example")],
        &[HOST, ("origin", "null")],
        &[HOST, ("origin", "http://127.0.0.1:9901")],
        &[("host", "evil.example:9901")],
        &[HOST, ("host", "evil.example")],
    ];
    for fields in refused {
        let response = send(&state, Method::POST, "/drain", fields).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{fields:?}");
    }
    let foreign = send(&state, Method::POST, "http://evil.example/drain", &[HOST]).await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let token = [("host", "evil.example"), BEARER];
    let foreign = send(&guarded(), Method::POST, "/drain", &token).await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN, "not even with the token");
    assert_eq!(control.drains.load(Ordering::SeqCst), 0);
    let drained = send(&state, Method::POST, "/drain", &[("host", "localhost:9901")]).await;
    assert_eq!(drained.status(), StatusCode::ACCEPTED);
    assert_eq!(control.drains.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_rebound_name_reads_nothing_where_no_token_protects() {
    let state = open();
    for path in PRIVATE {
        let refused = send(&state, Method::GET, path, &[("host", "evil.example")]).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let probe = send(&state, Method::GET, "/health", &[("host", "evil.example")]).await;
    assert_eq!(probe.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_say_what_exists() {
    let state = open();
    let missing = get(&state, "/route").await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert_eq!(missing.headers()["content-type"], "application/problem+json");
    let endpoints = value(missing).await["endpoints"].clone();
    assert!(endpoints.as_array().unwrap().contains(&json!("POST /drain")));
    let wrong = get(&state, "/drain").await;
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.headers()["allow"], "POST");
    assert_eq!(value(wrong).await["status"], 405);
}

#[tokio::test]
async fn routes_page_and_filter_by_host() {
    let state = open();
    let first = value(get(&state, "/routes?limit=1").await).await;
    assert_eq!(first["routes"][0]["host"], "a.example");
    assert_eq!(first["routes"][0]["endpoints"][0]["state"], "passed-over");
    let after = first["next"].as_str().unwrap();
    let second = value(get(&state, &format!("/routes?limit=1&after={after}")).await).await;
    assert_eq!(second["routes"][0]["host"], "b.example");
    assert_eq!(second["next"], Value::Null);
    let only = value(get(&state, "/routes?host=B.example").await).await;
    assert_eq!(only["routes"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn requests_filter_by_age_and_mask_queries_unless_asked() {
    let state = open();
    let all = value(get(&state, "/requests").await).await;
    assert_eq!(all["requests"][0]["id"], "old", "the oldest comes first");
    assert_eq!(all["requests"][0]["path"], "/a?***");
    let old = value(get(&state, "/requests?older_than=30s&queries=show").await).await;
    assert_eq!(old["requests"].as_array().unwrap().len(), 1);
    assert_eq!(old["requests"][0]["path"], "/a?token=s3cret");
}

#[tokio::test]
async fn tasks_are_counted_by_kind_and_the_oldest_come_first() {
    let state = open();
    let all = value(get(&state, "/debug/tasks").await).await;
    assert_eq!(all["counts"]["connection"], 2, "{all}");
    assert_eq!(all["counts"]["drain"], 0, "{all}");
    let subjects = |tasks: &Value| {
        let tasks = tasks["tasks"].as_array().unwrap().iter();
        tasks.map(|task| task["subject"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(subjects(&all), ["worker-0", "127.0.0.1:40001", "127.0.0.1:40000"]);
    let old = value(get(&state, "/debug/tasks?kind=connection&older_than=50s").await).await;
    assert_eq!(subjects(&old), ["127.0.0.1:40001"]);
    let one = value(get(&state, "/debug/tasks?limit=1").await).await;
    assert_eq!((subjects(&one).len(), &one["left_out"]), (1, &json!(2)));
    let wrong = get(&state, "/debug/tasks?kind=conection").await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    assert!(text(wrong).await.contains("admin-connection"), "the kinds are named");
}

#[tokio::test]
async fn errors_come_newest_first_masked_and_in_pages() {
    let state = open();
    let first = value(get(&state, "/errors?limit=1").await).await;
    assert_eq!(first["errors"][0]["path"], "/second?***");
    assert_eq!(first["errors"][0]["attempts"][0]["outcome"], "upstream-reset");
    let after = first["next"].as_str().unwrap();
    let second = value(get(&state, &format!("/errors?after={after}")).await).await;
    assert_eq!(second["errors"][0]["number"], 1);
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn a_query_that_cannot_be_meant_is_refused() {
    let state = open();
    for path in [
        "/routes?hsot=a",
        "/routes?limit=0",
        "/routes?limit=10001",
        "/routes?limit=x",
        "/routes?after=no-slash",
        "/routes?older_than=1s",
        "/requests?older_than=30",
        "/requests?queries=yes",
        "/requests?after=x",
        "/errors?after=x",
        "/errors?older_than=1s",
    ] {
        let response = get(&state, path).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn every_answer_says_whose_it_is_and_that_it_is_not_to_be_kept() {
    for path in ["/health", "/routes", "/no-such-page"] {
        let response = get(&open(), path).await;
        assert_eq!(response.headers()["server"], "pointsman");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }
}
