//! What a router holds for its clients, as it says itself and as the system
//! says of its process.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use serde_json::Value;

use super::client::get;
use super::router::Router;
use super::wait::{PACE, PATIENCE, eventually};

/// What must be as before once all clients have gone. Only for routers that
/// nobody uses for the moment.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// `pointsman_requests_in_flight`.
    pub(crate) requests: u64,
    /// The length of `/requests`.
    pub(crate) records: usize,
    /// `pointsman_connections{side="client"}`.
    pub(crate) clients: u64,
    /// `pointsman_connections{side="endpoint"}`, idle ones among them.
    pub(crate) endpoints: u64,
    /// The sum of `in_flight` over all endpoints of `/routes`.
    pub(crate) leases: u64,
    /// `pointsman_tasks`, by kind.
    pub(crate) tasks: BTreeMap<String, u64>,
    /// Sockets its process has open, connections in its pools among them.
    pub(crate) sockets: usize,
}

impl Held {
    /// What `router` holds at this moment. Each look is a request on the
    /// admin side, whose own socket has gone by the next one.
    #[track_caller]
    pub(crate) fn by(router: &Router) -> Self {
        let metrics = ask(router, "/metrics");
        let routes = list(router, "routes");
        let of_route = |route: &Value| {
            let endpoints = route["endpoints"].as_array().expect("a route has endpoints");
            let each = endpoints.iter().map(|e| e["in_flight"].as_u64().expect("it is a number"));
            each.sum::<u64>()
        };
        Self {
            requests: sum(&metrics, "pointsman_requests_in_flight"),
            records: list(router, "requests").len(),
            clients: sum(&metrics, "pointsman_connections{side=\"client\""),
            endpoints: sum(&metrics, "pointsman_connections{side=\"endpoint\""),
            leases: routes.iter().map(of_route).sum(),
            tasks: tasks(&metrics),
            sockets: router.sockets(),
        }
    }

    /// The least that a router nobody uses is seen to hold: the socket of an
    /// earlier look may still be closing.
    #[track_caller]
    pub(crate) fn at_rest(router: &Router) -> Self {
        // A worker opens sockets of its own before it takes connections.
        eventually("every worker to accept", || {
            let own = router.admin().to_string();
            (get(router.admin(), &own, "/health").status == 200).then_some(())
        });
        let looks = (0..LOOKS).map(|_| {
            eventually("a router at rest", || {
                Some(Self::by(router)).filter(|held| held.fits(&Self::nothing(held)))
            })
        });
        looks.min_by_key(|held| held.sockets).expect("there is more than one look")
    }

    /// Waits until `router` holds no more than this.
    #[track_caller]
    pub(crate) fn again(&self, router: &Router) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::by(router);
            if now.fits(self) {
                return;
            }
            assert!(Instant::now() < deadline, "not released: {self:?} before, now {now:?}");
            std::thread::sleep(PACE);
        }
    }

    /// Whether this is no more than `most`.
    pub(crate) fn fits(&self, most: &Self) -> bool {
        let task =
            |(kind, count): (&String, &u64)| *count <= most.tasks.get(kind).copied().unwrap_or(0);
        self.requests <= most.requests
            && self.records <= most.records
            && self.clients <= most.clients
            && self.endpoints <= most.endpoints
            && self.leases <= most.leases
            && self.sockets <= most.sockets
            && self.tasks.iter().all(task)
    }

    /// No client and no request; its sockets and tasks as in `held`.
    fn nothing(held: &Self) -> Self {
        Self { requests: 0, records: 0, clients: 0, leases: 0, ..held.clone() }
    }
}

/// Looks taken of a router at rest.
const LOOKS: usize = 5;

/// The text of an admin page.
#[track_caller]
pub(crate) fn ask(router: &Router, path: &str) -> String {
    let answer = get(router.admin(), &router.admin().to_string(), path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.text()
}

fn list(router: &Router, what: &str) -> Vec<Value> {
    let text = ask(router, &format!("/{what}"));
    let page: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"));
    page[what].as_array().unwrap_or_else(|| panic!("no list {what} in {text}")).clone()
}

/// The sum of the samples whose series begin like this.
#[track_caller]
pub(crate) fn sum(metrics: &str, series: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with(series));
    let values: Vec<f64> = lines.map(value).collect();
    assert!(!values.is_empty(), "no {series} in {metrics}");
    values.iter().sum::<f64>() as u64
}

fn value(line: &str) -> f64 {
    let value = line.rsplit_once(' ').and_then(|(_, value)| value.parse().ok());
    value.unwrap_or_else(|| panic!("no value: {line}"))
}

fn tasks(metrics: &str) -> BTreeMap<String, u64> {
    let lines = metrics.lines().filter_map(|l| Some((l, l.strip_prefix("pointsman_tasks{")?)));
    lines.map(|(line, labels)| (labels.to_owned(), value(line) as u64)).collect()
}

/// The number of sockets the process `id` has open.
#[track_caller]
pub(super) fn sockets(id: u32) -> usize {
    let entries = fs::read_dir(format!("/proc/{id}/fd")).expect("the process runs");
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}
