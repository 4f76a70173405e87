//! How long a registration takes to be in force.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::Empty;
use tower::ServiceExt;

use pointsman::Router;
use pointsman::registry::{Intake, LiveRoutes, Subject};

use crate::Plan;
use crate::machine::{processor_ns, quantile, wait_until};
use crate::platform::{TTL, host, message};

/// Between two messages.
const EVERY: Duration = Duration::from_micros(100);

/// Messages come at 10,000 a second, one for an app that is new and one for
/// the end of such an app, each put in force by itself. The time is that from
/// when the message was due until a lookup on a worker's pin finds the route,
/// so that what waits behind others is counted too. Another thread asks
/// meanwhile, and none of its requests may fail.
pub(crate) fn measure(plan: &Plan, router: &Router, live: &LiveRoutes) {
    let done = Arc::new(AtomicBool::new(false));
    let requests = Arc::new(AtomicU64::new(0));
    let asking = {
        let (done, requests, router) = (done.clone(), requests.clone(), router.clone());
        std::thread::spawn(move || ask(&router, &done, &requests))
    };
    let mut intake = Intake::of(live.clone());
    let said: Vec<String> = (0..(plan.time.as_micros() / EVERY.as_micros()) as usize / 2)
        .map(|new| message(plan.routes + new, 0))
        .collect();
    let (start, mut took_ns) = (Instant::now(), Vec::new());
    let (version, start_ns) = (live.version(), processor_ns());
    for (turn, said) in said.iter().enumerate() {
        let due = start + EVERY * 2 * turn as u32;
        wait_until(due);
        intake.take(Subject::Register, said.as_bytes(), TTL, Instant::now());
        intake.flush(Instant::now());
        assert!(router.has_route(&host(plan.routes + turn), "/"));
        took_ns.push(due.elapsed().as_nanos() as u64);
        wait_until(due + EVERY);
        intake.take(Subject::Unregister, said.as_bytes(), TTL, Instant::now());
        intake.flush(Instant::now());
    }
    let (swaps, seconds) = (live.version() - version, start.elapsed().as_secs_f64());
    let each_us = (processor_ns() - start_ns) / 1e3 / swaps as f64;
    done.store(true, Relaxed);
    asking.join().unwrap();
    took_ns.sort_unstable();
    println!(
        "in force after: {:.0} µs median, {:.0} µs p99, {:.0} µs worst, at {:.0} swaps/s; \
         {each_us:.1} µs of processor time each, waits included; {} requests meanwhile",
        quantile(&took_ns, 0.5) / 1e3,
        quantile(&took_ns, 0.99) / 1e3,
        quantile(&took_ns, 1.0) / 1e3,
        swaps as f64 / seconds,
        requests.load(Relaxed)
    );
}

/// A host without a route is answered by the router itself. At 5,000 a second,
/// so that a machine of two cores has one left for the rest.
fn ask(router: &Router, done: &AtomicBool, requests: &AtomicU64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        while !done.load(Relaxed) {
            let count = requests.fetch_add(1, Relaxed);
            wait_until(start + Duration::from_micros(200 * count));
            let request = Request::get("http://none.example/").header("host", "none.example");
            let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), 404);
        }
    });
}
