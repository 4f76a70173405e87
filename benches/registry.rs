//! The live routes of a large platform: what they weigh, and what changes,
//! refreshes and lookups cost.
//!
//! ```text
//! cargo bench --bench registry                  # a million routes
//! cargo bench --bench registry -- --routes 10000 --seconds 1
//! ```
//!
//! Every route is a host of its own with two endpoints that expire, an
//! instance, an app and three tags each. Figures are printed; there is no
//! verdict, since they depend on the machine.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark may stop where it stands, and prints what it found"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::Empty;
use tower::ServiceExt;

use pointsman::registry::{Change, LiveRoutes, Registration, Source};
use pointsman::{Router, config};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const TTL: Duration = Duration::from_secs(120);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut routes, mut seconds) = (1_000_000, 5);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--routes" => routes = arguments.next().unwrap().parse().unwrap(),
            "--seconds" => seconds = arguments.next().unwrap().parse().unwrap(),
            "--test" => (routes, seconds) = (1_000, 1),
            _ => {}
        }
    }
    let time = Duration::from_secs(seconds);
    let router = router();
    let live = router.live_routes();
    weigh(&live, routes);
    refresh(&live, routes, time);
    lookup(&router, routes, time);
    in_force(&router, &live, routes, time);
}

fn router() -> Router {
    let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
    Router::new(config::parse(text, "bench").unwrap()).unwrap()
}

fn host(number: usize) -> String {
    format!("app-{number:07}.apps.example.com")
}

fn address(number: usize, instance: usize) -> SocketAddr {
    let [_, a, b, c] = u32::try_from(number).unwrap().to_be_bytes();
    SocketAddr::from(([10, a, b, c], 8_000 + instance as u16))
}

fn registration(number: usize, instance: usize) -> Registration {
    let host = host(number).parse().unwrap();
    let mut one = Registration::new(host, "/".parse().unwrap(), address(number, instance));
    one.ttl = Some(TTL);
    one.instance_id = Some(format!("{number:08x}-1111-4222-8333-{instance:012x}").into());
    one.app = Some(format!("{number:08x}-aaaa-4bbb-8ccc-000000000000").into());
    for (name, value) in [("organization", "acme"), ("space", "production"), ("process", "web")] {
        one.tags.insert(name.into(), value.into());
    }
    one
}

/// The bytes of what a registration says.
fn text_bytes(one: &Registration) -> usize {
    let texts = [&one.instance_id, &one.app];
    let tags = one.tags.iter().map(|(name, value)| name.len() + value.len());
    texts.into_iter().flatten().map(|text| text.len()).sum::<usize>() + tags.sum::<usize>()
}

/// Nanoseconds this thread has been on a processor: what others do on the
/// machine does not count.
fn processor_ns() -> f64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    schedstat.split(' ').next().unwrap().parse().unwrap()
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

fn weigh(live: &LiveRoutes, routes: usize) {
    let before = resident_bytes();
    let (mut texts, start_ns) = (0, processor_ns());
    for first in (0..routes).step_by(1_000) {
        let numbers = first..routes.min(first + 1_000);
        let said = numbers.flat_map(|n| [registration(n, 0), registration(n, 1)]);
        let changes: Vec<Change> = said.map(Change::Register).collect();
        texts += changes
            .iter()
            .map(|change| match change {
                Change::Register(one) => text_bytes(one),
                _ => 0,
            })
            .sum::<usize>();
        live.apply(Source::Nats, changes, Instant::now());
    }
    let seconds = (processor_ns() - start_ns) / 1e9;
    // The host stands in the table and in the route's name.
    let strings = texts + routes * host(0).len();
    let bytes = (resident_bytes() - before).saturating_sub(strings);
    println!(
        "{routes} routes, 2 endpoints each: {} bytes a route beyond {} of text; \
         registered at {:.0}/s",
        bytes / routes,
        strings / routes,
        2.0 * routes as f64 / seconds
    );
}

/// Numbers below `routes` in an order no cache foresees.
fn scattered(routes: usize) -> impl FnMut() -> usize {
    let mut next = 0;
    move || {
        next = (next + 7_368_787) % routes;
        next
    }
}

fn refresh(live: &LiveRoutes, routes: usize, time: Duration) {
    let mut scattered = scattered(routes);
    let said: Vec<(String, Registration)> = (0..100_000.min(routes))
        .map(|_| {
            let number = scattered();
            (host(number), registration(number, number % 2))
        })
        .collect();
    let (start, start_ns, mut count) = (Instant::now(), processor_ns(), 0);
    let version = live.version();
    while start.elapsed() < time {
        for (host, one) in said.iter().cycle().skip(count % said.len()).take(1_000) {
            let mut tags = [("", ""); 3];
            for (place, (name, value)) in tags.iter_mut().zip(&one.tags) {
                *place = (name, value);
            }
            assert!(live.refresh(Source::Nats, host, "", &one.heard(), &tags, start));
        }
        count += 1_000;
    }
    assert_eq!(live.version(), version, "a refresh made a table");
    let seconds = (processor_ns() - start_ns) / 1e9;
    println!("refreshes, parsed: {:.0}/s", count as f64 / seconds);
}

/// A whole lookup by the router's own path to it would need a request; what
/// stands here is the same table under the same questions.
fn lookup(router: &Router, routes: usize, time: Duration) {
    let mut scattered = scattered(routes);
    let hosts: Vec<String> = (0..1_000_000.min(routes)).map(|_| host(scattered())).collect();
    let (start, start_ns) = (Instant::now(), processor_ns());
    let (mut count, mut found) = (0_usize, 0_usize);
    while start.elapsed() < time {
        for host in hosts.iter().cycle().skip(count % hosts.len()).take(10_000) {
            found += usize::from(router.has_route(host, "/index.html"));
        }
        count += 10_000;
    }
    assert_eq!(found, count);
    let took_ns = processor_ns() - start_ns;
    println!("lookup, uniform hosts: {:.0} ns", took_ns / count as f64);
}

/// Updates at 10,000 a second by one thread, requests by another that counts
/// what fails; and how long from a registration to a lookup that finds it.
fn in_force(router: &Router, live: &LiveRoutes, routes: usize, time: Duration) {
    let done = Arc::new(AtomicBool::new(false));
    let requests = Arc::new(AtomicU64::new(0));
    let asking = {
        let (done, requests, router) = (done.clone(), requests.clone(), router.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                while !done.load(Relaxed) {
                    // A host without a route is answered by the router itself.
                    let request =
                        Request::get("http://none.example/").header("host", "none.example");
                    let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
                    let answer = router.clone().oneshot(request).await.unwrap();
                    assert_eq!(answer.status(), 404);
                    requests.fetch_add(1, Relaxed);
                }
            });
        })
    };
    let (start, mut latencies, mut number) = (Instant::now(), Vec::new(), routes);
    while start.elapsed() < time {
        let due = start + Duration::from_micros(100) * (number - routes) as u32;
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        let begun = Instant::now();
        live.apply(Source::Nats, vec![Change::Register(registration(number, 0))], begun);
        assert!(router.has_route(&host(number), "/"));
        latencies.push(begun.max(due).elapsed().as_nanos() as u64);
        // As many go as come.
        let gone = registration(number, 0);
        let (host, path) = (gone.host, gone.path);
        live.apply(Source::Nats, vec![Change::RemoveRoute { host, path }], Instant::now());
        number += 1;
    }
    done.store(true, Relaxed);
    asking.join().unwrap();
    latencies.sort_unstable();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize] as f64 / 1e3;
    println!(
        "in force after: {:.1} µs median, {:.1} µs p99, {:.1} µs worst, at {:.0} swaps/s; \
         {} requests meanwhile",
        at(0.5),
        at(0.99),
        *latencies.last().unwrap() as f64 / 1e3,
        2.0 * latencies.len() as f64 / start.elapsed().as_secs_f64(),
        requests.load(Relaxed)
    );
}
