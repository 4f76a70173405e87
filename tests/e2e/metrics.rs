//! The metrics: OpenMetrics to the letter, and counting what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::admin::ask;
use crate::harness::endpoint::UnansweringEndpoint;
use crate::harness::wait::eventually;
use crate::harness::{
    Config, Connection, Gate, RefusingEndpoint, Router, ScriptedEndpoint, Step, get, script,
};

/// A metric's labels.
type Labels = BTreeMap<String, String>;

/// The samples of a scrape, by name and labels; shown as they came.
#[derive(Default)]
pub(crate) struct Samples {
    values: BTreeMap<(String, Labels), f64>,
    text: String,
}

impl std::fmt::Debug for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Asks a router for its metrics and reads them strictly.
#[track_caller]
pub(crate) fn scrape(router: &Router) -> Samples {
    let answer = ask(router, "/metrics");
    assert_eq!(answer.status, 200);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.field("content-type"), kind);
    let text = String::from_utf8(answer.body).expect("OpenMetrics is UTF-8");
    let exposition = Exposition::read(&text).unwrap_or_else(|why| panic!("{why} in\n{text}"));
    Samples { values: exposition.samples, text }
}

/// The sum of the samples of `name` that carry all these labels.
pub(crate) fn sum(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> f64 {
    let carries = |carried: &Labels| {
        labels.iter().all(|(label, value)| carried.get(*label).is_some_and(|v| v == value))
    };
    let wanted = samples.values.iter().filter(|((n, carried), _)| n == name && carries(carried));
    wanted.map(|(_, value)| value).sum()
}

/// Waits for a scrape in which `name` with `labels` sums up to `value`: a
/// request is counted once its last byte has gone, which its client may see
/// before.
#[track_caller]
fn scrape_when(router: &Router, name: &str, labels: &[(&str, &str)], value: f64) -> Samples {
    eventually(&format!("{name} {labels:?} to be {value}"), || {
        let samples = scrape(router);
        (sum(&samples, name, labels) == value).then_some(samples)
    })
}

/// An exposition, read by the rules of OpenMetrics 1.0.
#[derive(Default)]
struct Exposition {
    samples: BTreeMap<(String, Labels), f64>,
    /// The families in their order, with their types.
    families: Vec<(String, String)>,
    described: BTreeSet<(String, String)>,
}

impl Exposition {
    fn read(text: &str) -> Result<Self, String> {
        let body = text.strip_suffix("# EOF\n").ok_or("no # EOF at the end")?;
        let mut read = Self::default();
        for line in body.split_terminator('\n') {
            match line.strip_prefix("# ") {
                Some(comment) => read.comment(comment)?,
                None => read.sample(line)?,
            }
        }
        read.check_histograms()?;
        Ok(read)
    }

    fn comment(&mut self, comment: &str) -> Result<(), String> {
        let mut words = comment.splitn(3, ' ');
        let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let rest = words.next().ok_or(format!("{kind} says nothing: {comment}"))?;
        if !self.described.insert((kind.into(), name.into())) {
            return Err(format!("a second {kind} of {name}"));
        }
        let current = self.families.last().is_some_and(|(family, _)| family == name);
        match kind {
            "TYPE" | "HELP" | "UNIT" if !current => {
                if self.families.iter().any(|(family, _)| family == name) {
                    return Err(format!("{name} is interleaved with another family"));
                }
                self.families.push((name.into(), "unknown".into()));
            }
            "TYPE" | "HELP" | "UNIT" => {}
            _ => return Err(format!("not a comment of OpenMetrics: {comment}")),
        }
        let family = self.families.last_mut().expect("one was pushed");
        match kind {
            "TYPE" => family.1 = rest.into(),
            "UNIT" if !name.ends_with(&format!("_{rest}")) => {
                return Err(format!("{name} does not end in its unit {rest}"));
            }
            _ => {}
        }
        Ok(())
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let wrong = |why: &str| format!("{why}: {line:?}");
        let (series, value) = line.rsplit_once(' ').ok_or(wrong("no value"))?;
        let value: f64 = value.parse().map_err(|_| wrong("not a number"))?;
        let (name, labels) = match series.split_once('{') {
            None => (series, BTreeMap::new()),
            Some((name, rest)) => {
                let inside = rest.strip_suffix('}').ok_or(wrong("no closing brace"))?;
                (name, labels(inside).ok_or(wrong("not labels"))?)
            }
        };
        let (family, kind) = self.families.last().ok_or(wrong("no family"))?;
        let suffix = name.strip_prefix(family.as_str()).ok_or(wrong("outside its family"))?;
        let suffixes: &[&str] = match kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => return Err(wrong("its family has no type")),
        };
        if !suffixes.contains(&suffix) {
            return Err(wrong("not a name for its type"));
        }
        if kind != "gauge" && !(value >= 0.0 && value.is_finite()) {
            return Err(wrong("not a count"));
        }
        match self.samples.insert((name.into(), labels), value) {
            Some(_) => Err(wrong("a second sample")),
            None => Ok(()),
        }
    }

    /// Buckets are cumulative, and the last is +Inf and the count.
    fn check_histograms(&self) -> Result<(), String> {
        let histograms = self.families.iter().filter(|(_, kind)| kind == "histogram");
        for (family, _) in histograms {
            let counts =
                self.samples.iter().filter(|((name, _), _)| *name == format!("{family}_count"));
            for ((_, labels), count) in counts {
                let mut buckets: Vec<(f64, f64)> = Vec::new();
                for ((name, carried), value) in &self.samples {
                    let mut others = carried.clone();
                    let Some(le) = others.remove("le") else { continue };
                    if *name == format!("{family}_bucket") && others == *labels {
                        buckets.push((le.parse().map_err(|_| "le is no number")?, *value));
                    }
                }
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                if !buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1) {
                    return Err(format!("{family}: buckets are not cumulative"));
                }
                if buckets.last() != Some(&(f64::INFINITY, *count)) {
                    return Err(format!("{family}: the last bucket is not +Inf and the count"));
                }
            }
        }
        Ok(())
    }
}

/// `name="value"` pairs; `None` if they are not that, or a name is twice.
fn labels(mut text: &str) -> Option<Labels> {
    let mut labels = BTreeMap::new();
    loop {
        let (name, rest) = text.split_once("=\"")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) || name.starts_with(char::is_numeric) {
            return None;
        }
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    escaped @ ('"' | '\\') => escaped,
                    _ => return None,
                }),
                (_, char) => value.push(char),
            }
        };
        if labels.insert(name.to_owned(), value).is_some() {
            return None;
        }
        match &rest[end + 1..] {
            "" => return Some(labels),
            more => text = more.strip_prefix(',')?,
        }
    }
}

#[test]
fn the_strict_reader_refuses_what_openmetrics_refuses() {
    let good = "# HELP a_seconds A.\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n\
                a_seconds{x=\"1\\\"\"} 1.5\n# TYPE b counter\nb_total 2\n# EOF\n";
    assert!(Exposition::read(good).is_ok());
    for (piece, by) in [
        ("# EOF\n", ""),
        ("b_total 2", "b 2"),
        ("b_total 2", "b_total 2\nb_total 2"),
        ("b_total 2", "b_total -2"),
        ("b_total 2", "b_total two"),
        ("b_total 2", "b_total 2\n"),
        ("b_total 2", "b_total 2\na_seconds 1"),
        ("b_total 2", "b_total 2\n# HELP a_seconds B."),
        ("# UNIT a_seconds seconds", "# UNIT a_seconds metres"),
        ("x=\"1\\\"\"", "x=\"1\\q\""),
        ("x=\"1\\\"\"", "x=\"1\",x=\"2\""),
        ("# TYPE b counter\n", ""),
    ] {
        let bad = good.replace(piece, by);
        assert!(Exposition::read(&bad).is_err(), "{bad}");
    }
}

#[test]
fn every_family_of_the_design_is_there_before_any_traffic() {
    let router = Router::start(&Config::new());
    let answer = ask(&router, "/metrics");
    let text = answer.text();
    let types: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    for (family, kind) in [
        ("pointsman_requests", "counter"),
        ("pointsman_request_duration_seconds", "histogram"),
        ("pointsman_attempts", "counter"),
        ("pointsman_retries", "counter"),
        ("pointsman_requests_in_flight", "gauge"),
        ("pointsman_connections", "gauge"),
        ("pointsman_errors", "counter"),
        ("pointsman_routes", "gauge"),
        ("pointsman_endpoints", "gauge"),
        ("pointsman_source_age_seconds", "gauge"),
        ("pointsman_reloads", "counter"),
        ("pointsman_tasks", "gauge"),
        ("pointsman_worker_heartbeat_age_seconds", "gauge"),
        ("pointsman_access_log_lines_dropped", "counter"),
        ("process_cpu_seconds", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_open_fds", "gauge"),
        ("process_start_time_seconds", "gauge"),
    ] {
        assert_eq!(types.get(family), Some(&kind), "{family} in\n{text}");
    }
}

#[test]
fn requests_attempts_retries_and_errors_count_what_happened() {
    let (good, bad) = (ScriptedEndpoint::echo("good"), RefusingEndpoint::start());
    let config = Config::new()
        .route("good.test", &[good.address()])
        .route("bad.test", &[bad.address()])
        .route("both.test", &[bad.address(), good.address()]);
    let router = Router::start(&config);
    for _ in 0..3 {
        get(router.address(), "good.test", "/");
    }
    get(router.address(), "bad.test", "/");
    get(router.address(), "none.test", "/");
    // The refusing endpoint is passed over for 5 s by now, so this one does
    // not meet it.
    get(router.address(), "both.test", "/");
    let requests = "pointsman_requests_total";
    let seen = scrape_when(&router, requests, &[], 6.0);
    let of = |labels: &[(&str, &str)]| sum(&seen, requests, labels);
    let good_one = [("route", "good.test"), ("status_class", "2xx"), ("code", "")];
    assert_eq!(of(&good_one), 3.0, "{seen:?}");
    let refused = [("route", "bad.test"), ("status_class", "5xx"), ("code", "connect-refused")];
    assert_eq!(of(&refused), 1.0, "{seen:?}");
    let unknown = [("route", "none"), ("status_class", "4xx"), ("code", "no-route")];
    assert_eq!(of(&unknown), 1.0, "{seen:?}");
    let durations = "pointsman_request_duration_seconds_count";
    assert_eq!(sum(&seen, durations, &[("route", "good.test")]), 3.0);
    assert_eq!(sum(&seen, durations, &[]), 6.0);
    let attempts = |outcome| sum(&seen, "pointsman_attempts_total", &[("outcome", outcome)]);
    // A lone endpoint that refused is asked once more, after a short wait.
    assert_eq!((attempts("response"), attempts("connect-refused")), (4.0, 2.0), "{seen:?}");
    assert_eq!(sum(&seen, "pointsman_retries_total", &[]), 1.0, "{seen:?}");
    let errors = |code| sum(&seen, "pointsman_errors_total", &[("code", code)]);
    assert_eq!((errors("no-route"), errors("connect-refused")), (1.0, 1.0));
    assert_eq!(sum(&seen, "pointsman_errors_total", &[]), 2.0);
    assert_eq!(sum(&seen, "pointsman_routes", &[]), 3.0);
    let endpoints = |state| sum(&seen, "pointsman_endpoints", &[("state", state)]);
    assert_eq!((endpoints("available"), endpoints("passed-over")), (1.0, 1.0), "{seen:?}");
}

#[test]
fn a_retry_is_counted_by_the_reason_of_the_failure_before() {
    let (bad, good) = (RefusingEndpoint::start(), ScriptedEndpoint::echo("good"));
    let router = Router::start(&Config::new().route("a.test", &[bad.address(), good.address()]));
    // The balance decides which one is first; with two requests each was.
    get(router.address(), "a.test", "/");
    get(router.address(), "a.test", "/");
    let seen = scrape_when(&router, "pointsman_requests_total", &[], 2.0);
    let reason = [("reason", "connect-refused")];
    assert_eq!(sum(&seen, "pointsman_retries_total", &reason), 1.0, "{seen:?}");
    assert_eq!(sum(&seen, "pointsman_retries_total", &[]), 1.0, "{seen:?}");
    assert_eq!(sum(&seen, "pointsman_attempts_total", &[]), 3.0, "{seen:?}");
    assert_eq!(sum(&seen, "pointsman_errors_total", &[]), 0.0, "the client saw none");
}

#[test]
fn a_connection_that_died_in_the_pool_is_counted_as_stale_reuse() {
    // The second request on a connection is read, and then nothing said.
    let endpoint = ScriptedEndpoint::start(|visit| match visit.request {
        0 => script::answering(script::ok("hi")),
        _ => vec![Step::ReadHead, Step::Close],
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        client.answer("GET");
    }
    let seen = scrape_when(&router, "pointsman_requests_total", &[], 2.0);
    assert_eq!(sum(&seen, "pointsman_stale_reuse_total", &[]), 1.0, "{seen:?}");
}

#[test]
fn connections_of_both_sides_are_counted_as_they_are_used() {
    let gate = Gate::default();
    let held = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |_| {
        vec![Step::ReadHead, Step::WaitFor(held.clone()), Step::Send(script::ok("hi").into())]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let connections = "pointsman_connections";
    let counts = || {
        let seen = scrape(&router);
        let of = |side, state| sum(&seen, connections, &[("side", side), ("state", state)]);
        [
            of("client", "active"),
            of("client", "idle"),
            of("endpoint", "active"),
            of("endpoint", "idle"),
        ]
    };
    let turns = |wanted: [f64; 4]| {
        eventually(&format!("the counts {wanted:?}"), || (counts() == wanted).then_some(()));
    };
    assert_eq!(counts(), [0.0; 4]);
    let mut client = Connection::open(router.address());
    turns([0.0, 1.0, 0.0, 0.0]);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    endpoint.request_head(0);
    turns([1.0, 0.0, 1.0, 0.0]);
    assert_eq!(sum(&scrape(&router), "pointsman_requests_in_flight", &[]), 1.0);
    gate.open();
    client.answer("GET");
    turns([0.0, 1.0, 0.0, 1.0]);
    assert_eq!(sum(&scrape(&router), "pointsman_requests_in_flight", &[]), 0.0);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.answer("GET");
    turns([0.0, 1.0, 0.0, 1.0]);
    assert_eq!(endpoint.connections(), 1);
    drop(client);
    turns([0.0, 0.0, 0.0, 1.0]);
    drop(endpoint);
    // The worker's next sweep finds the connection closed.
    turns([0.0; 4]);
}

#[test]
fn nothing_is_in_flight_after_clients_left_at_every_stage() {
    let silent = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
    let half = ScriptedEndpoint::start(|_| {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
        script::answering_then(half, Step::UntilPeerLeaves)
    });
    let unreachable = UnansweringEndpoint::start();
    let config = Config::new()
        .route("silent.test", &[silent.address()])
        .route("half.test", &[half.address()])
        .route("unreachable.test", &[unreachable.address()]);
    let router = Router::start(&config);
    let clients: Vec<Connection> = ["silent.test", "half.test", "unreachable.test"]
        .iter()
        .map(|host| {
            let mut client = Connection::open(router.address());
            client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            client
        })
        .collect();
    let in_flight = "pointsman_requests_in_flight";
    scrape_when(&router, in_flight, &[], 3.0);
    let seen = scrape_when(&router, "pointsman_tasks", &[("kind", "request")], 3.0);
    assert_eq!(sum(&seen, "pointsman_tasks", &[("kind", "connection")]), 3.0);
    drop(clients);
    let seen = scrape_when(&router, in_flight, &[], 0.0);
    let cut = [("code", "client-closed")];
    assert_eq!(sum(&seen, "pointsman_errors_total", &cut), 3.0, "{seen:?}");
    scrape_when(&router, "pointsman_tasks", &[("kind", "request")], 0.0);
    let active = [("state", "active")];
    scrape_when(&router, "pointsman_connections", &active, 0.0);
    scrape_when(&router, "pointsman_tasks", &[("kind", "connection")], 0.0);
}

#[test]
fn the_source_of_routes_the_heartbeats_and_the_reloads_are_shown() {
    let router = Router::start(&Config::new().set("workers.threads", 2));
    let first = scrape(&router);
    let age = |samples: &_| sum(samples, "pointsman_source_age_seconds", &[("source", "file")]);
    let older = eventually("the file to grow older", || {
        let later = scrape(&router);
        (age(&later) > age(&first)).then_some(later)
    });
    for worker in ["0", "1"] {
        let labels = [("worker", worker)];
        let beat = "pointsman_worker_heartbeat_age_seconds";
        assert!(
            older.values.keys().any(|(name, carried)| name == beat && carried["worker"] == worker)
        );
        assert!(sum(&older, beat, &labels) < 10.0, "{older:?}");
    }
    let applied = [("result", "applied")];
    let before = sum(&older, "pointsman_reloads_total", &applied);
    let signalled = Instant::now();
    router.signal("HUP");
    let after = scrape_when(&router, "pointsman_reloads_total", &applied, before + 1.0);
    assert_eq!(sum(&after, "pointsman_reloads_total", &[("result", "refused")]), 0.0);
    // However slow this machine: it was last heard after the signal.
    assert!(age(&after) <= signalled.elapsed().as_secs_f64(), "it was heard again");
}
