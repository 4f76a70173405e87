//! What requests meet when routes come and go, are overridden and expire.
#![cfg(feature = "router")]
#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::ServiceExt;

use pointsman::registry::{Change, LiveRoutes, Registration, Source};
use pointsman::{Router, config};

const S: Duration = Duration::from_secs(1);

/// An endpoint that answers everything with its name.
async fn endpoint(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while stream.read_buf(&mut seen).await.is_ok_and(|read| read > 0) {
                    if seen.ends_with(b"\r\n\r\n") {
                        seen.clear();
                        let head =
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", name.len());
                        stream.write_all(format!("{head}{name}").as_bytes()).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

fn router(more: &str) -> (Router, LiveRoutes) {
    let text = format!("[[listener]]\naddress = \"127.0.0.1:0\"\n{more}");
    let router = Router::new(config::parse(&text, "test").unwrap()).unwrap();
    let live = router.live_routes();
    (router, live)
}

async fn ask(router: &Router, host: &str, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).header("host", host).body(Empty::<bytes::Bytes>::new());
    let answer = router.clone().oneshot(request.unwrap()).await.unwrap();
    let status = answer.status();
    let code = answer.headers().get("proxy-status").map(|v| v.to_str().unwrap().to_owned());
    let content = answer.into_body().collect().await.unwrap().to_bytes();
    (status, code.unwrap_or_else(|| String::from_utf8_lossy(&content).into_owned()))
}

async fn served_by(router: &Router, host: &str) -> String {
    let (status, content) = ask(router, host, "/").await;
    if status == StatusCode::OK { content } else { status.as_u16().to_string() }
}

fn register(host: &str, endpoint: SocketAddr, ttl: Option<Duration>) -> Vec<Change> {
    let mut one = Registration::new(host.parse().unwrap(), "/".parse().unwrap(), endpoint);
    one.ttl = ttl;
    vec![Change::Register(one)]
}

fn unregister(host: &str, endpoint: SocketAddr) -> Vec<Change> {
    let (host, path) = (host.parse().unwrap(), "/".parse().unwrap());
    vec![Change::Unregister { host, path, endpoint, instance_id: None, updated_at_ns: None }]
}

fn expire_all(live: &LiveRoutes, now: Instant) {
    while live.expire(now) {}
}

#[tokio::test]
async fn a_registration_serves_the_very_next_request_and_its_end_the_one_after() {
    let (router, live) = router("");
    let (app, now) = (endpoint("app").await, Instant::now());
    assert_eq!(served_by(&router, "a.test").await, "404");
    for host in ["a.test", "*.b.test", "*"] {
        live.apply(Source::Nats, register(host, app, None), now);
        assert_eq!(served_by(&router, &host.replace('*', "x")).await, "app");
        live.apply(Source::Nats, unregister(host, app), now);
        assert_eq!(served_by(&router, &host.replace('*', "x")).await, "404");
    }
}

#[tokio::test]
async fn the_file_is_above_the_admin_api_and_that_above_nats() {
    let (file, admin, nats) =
        (endpoint("file").await, endpoint("admin").await, endpoint("nats").await);
    let text = format!("[[route]]\nhost = \"pinned.test\"\nendpoints = [\"{file}\"]\n");
    let (router, live) = router(&text);
    let now = Instant::now();
    for host in ["pinned.test", "free.test"] {
        live.apply(Source::Nats, register(host, nats, Some(10 * S)), now);
    }
    assert_eq!(served_by(&router, "free.test").await, "nats");
    for host in ["pinned.test", "free.test"] {
        live.apply(Source::Admin, register(host, admin, Some(20 * S)), now);
    }
    assert_eq!(served_by(&router, "pinned.test").await, "file");
    assert_eq!(served_by(&router, "free.test").await, "admin");
    live.apply(Source::Nats, unregister("free.test", admin), now);
    assert_eq!(served_by(&router, "free.test").await, "admin", "it is not that source's");
    live.apply(Source::Admin, unregister("free.test", admin), now);
    assert_eq!(served_by(&router, "free.test").await, "nats", "it takes over");
    live.apply(Source::Admin, register("free.test", admin, Some(5 * S)), now);
    assert_eq!(served_by(&router, "free.test").await, "admin");
    expire_all(&live, now + 6 * S);
    assert_eq!(served_by(&router, "free.test").await, "nats", "it takes over at once");
    expire_all(&live, now + 999 * S);
    assert_eq!(served_by(&router, "pinned.test").await, "file");
}

#[tokio::test]
async fn a_route_whose_last_endpoint_expired_has_none_for_a_while_and_then_is_no_route() {
    let (router, live) = router("[registry]\ngrace = \"30s\"\n");
    let (app, now) = (endpoint("app").await, Instant::now());
    live.apply(Source::Nats, register("a.test", app, Some(10 * S)), now);
    assert_eq!(served_by(&router, "a.test").await, "app");
    expire_all(&live, now + 11 * S);
    let (status, said) = ask(&router, "a.test", "/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(said.contains("no-endpoint"), "{said}");
    expire_all(&live, now + 40 * S);
    assert_eq!(served_by(&router, "a.test").await, "503");
    expire_all(&live, now + 42 * S);
    let (status, said) = ask(&router, "a.test", "/").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(said.contains("no-route"), "{said}");
}

#[tokio::test]
async fn an_app_that_returns_within_the_grace_serves_again() {
    let (router, live) = router("[registry]\ngrace = \"30s\"\n");
    let (app, now) = (endpoint("app").await, Instant::now());
    live.apply(Source::Nats, register("a.test", app, Some(10 * S)), now);
    expire_all(&live, now + 11 * S);
    assert_eq!(served_by(&router, "a.test").await, "503");
    live.apply(Source::Nats, register("a.test", app, Some(100 * S)), now + 12 * S);
    expire_all(&live, now + 100 * S);
    assert_eq!(served_by(&router, "a.test").await, "app");
}

#[tokio::test]
async fn a_live_route_leaves_what_it_does_not_match_to_the_others() {
    let (wide, narrow) = (endpoint("wide").await, endpoint("narrow").await);
    let text = format!("[[route]]\nhost = \"*.test\"\nendpoints = [\"{wide}\"]\n");
    let (router, live) = router(&text);
    let path = "/api".parse().unwrap();
    let one = Registration::new("a.test".parse().unwrap(), path, narrow);
    live.apply(Source::Admin, vec![Change::Register(one)], Instant::now());
    assert_eq!(ask(&router, "a.test", "/api/x").await.1, "narrow");
    assert_eq!(ask(&router, "a.test", "/apix").await.1, "wide");
}

#[tokio::test]
async fn requests_never_fail_while_thousands_of_routes_come_and_go() {
    let (router, live) = router("");
    let (app, now) = (endpoint("app").await, Instant::now());
    live.apply(Source::Nats, register("stays.test", app, None), now);
    let churn = std::thread::spawn(move || {
        for n in 0..5_000 {
            let host = format!("app-{}.test", n % 700);
            live.apply(Source::Nats, register(&host, app, None), now);
            if n % 3 == 0 {
                live.apply(Source::Nats, unregister(&host, app), now);
            }
            // The very route in use changes too.
            live.apply(Source::Nats, register("stays.test", other(n), None), now);
            live.apply(Source::Nats, unregister("stays.test", other(n)), now);
        }
    });
    let mut asked = 0;
    while !churn.is_finished() || asked < 50 {
        assert_eq!(served_by(&router, "stays.test").await, "app");
        asked += 1;
    }
    churn.join().unwrap();
}

/// An address where nobody listens: a request that meets it goes on to another.
fn other(n: u16) -> SocketAddr {
    ([127, 0, 0, 1], n % 1_000 + 1).into()
}
