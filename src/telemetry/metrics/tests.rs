//! The text a scrape gets, read back by a strict parser.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::labels::MAX_LABELLED_ROUTES;
use super::*;
use crate::error::Code;

/// What a scrape holds: the families with their types, the samples with their
/// values.
#[derive(Debug, Default)]
struct Exposition {
    types: HashMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Exposition {
    /// Reads OpenMetrics text, panicking at anything the format forbids: a
    /// sample outside of its family, a family or sample that comes twice, a
    /// wrong suffix, a value that is no number, no EOF or anything after it.
    fn parse(text: &str) -> Self {
        let mut read = Self::default();
        let mut family = String::new();
        let body = text.strip_suffix("# EOF\n").expect("ends with EOF");
        assert!(!body.contains("# EOF"));
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split_once(' ').expect("has a help text").0.to_owned();
                assert!(family.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("has a type");
                assert_eq!(name, family, "TYPE follows its HELP");
                assert!(read.types.insert(name.into(), kind.into()).is_none(), "twice: {line}");
            } else {
                read.sample(&family, line);
            }
        }
        read
    }

    fn sample(&mut self, family: &str, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
        let name = series.split('{').next().unwrap();
        let suffix = name.strip_prefix(family).expect("a sample stands in its family");
        let kind = self.types[family].as_str();
        let allowed = match kind {
            "counter" => ["_total"].as_slice(),
            "gauge" => &[""],
            "histogram" => &["_sum", "_count", "_bucket"],
            other => panic!("an unexpected type {other}"),
        };
        assert!(allowed.contains(&suffix), "{line}");
        if let Some(labels) = series[name.len()..].strip_prefix('{') {
            labels_are_well_formed(labels.strip_suffix('}').expect("labels are closed"));
        }
        let value: f64 = value.parse().expect("a number");
        assert!(value >= 0.0, "{line}");
        assert!(self.samples.insert(series.into(), value).is_none(), "twice: {line}");
    }

    fn value(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("no {series} in {self:#?}"))
    }
}

/// `name="value",…` with `\\`, `\"` and `\n` the only escapes, and no name
/// twice.
fn labels_are_well_formed(mut rest: &str) {
    let mut names = HashSet::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("name=\"");
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        assert!(names.insert(name), "twice: {name}");
        let mut escaped = false;
        let end = after.find(|c| {
            let closes = c == '"' && !escaped;
            assert!(!escaped || matches!(c, '\\' | '"' | 'n'), "a bad escape in {after}");
            escaped = c == '\\' && !escaped;
            closes
        });
        let end = end.expect("the value is closed");
        rest = &after[end + 1..];
        if !rest.is_empty() {
            rest = rest.strip_prefix(',').expect("a comma between labels");
        }
    }
}

fn scrape(metrics: &Arc<Metrics>) -> Exposition {
    Exposition::parse(&metrics.render(Observed::default()))
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn every_family_of_the_contract_is_there_with_its_labels() {
    let metrics = Metrics::new(2);
    let worker = metrics.worker(1);
    let label = metrics.assign_routes([("shop.example/", true)])[0];
    worker.request_started();
    worker.request_started();
    worker.request_finished(label, 502, Some(Code::UpstreamReset), 3 * MS);
    worker.attempt_finished(Some(Code::ConnectRefused));
    worker.retried(Code::ConnectRefused);
    worker.connection_opened(Side::Client, ConnectionState::Idle);
    worker.connection_became(Side::Client, ConnectionState::Active);
    worker.connection_opened(Side::Endpoint, ConnectionState::Idle);
    metrics.reloaded(ReloadResult::Refused);
    let read = Exposition::parse(&metrics.render(Observed {
        doors: Vec::new(),
        names: vec![],
        routes: 7,
        endpoints: vec![("available", 3)],
        source_ages: vec![("file".into(), 1500 * MS)],
        nats: None,
        tasks: vec![("probe", 2)],
        heartbeat_ages: vec![10 * MS, 20 * MS],
        snapshot: None,
        access_log_lines_dropped: 4,
        log_lines_dropped: 6,
    }));
    let expected = [
        (r#"requests_total{route="shop.example/",status_class="5xx",code="upstream-reset"}"#, 1.0),
        (r#"request_duration_seconds_bucket{le="0.0025",route="shop.example/"}"#, 0.0),
        (r#"request_duration_seconds_bucket{le="0.005",route="shop.example/"}"#, 1.0),
        (r#"request_duration_seconds_bucket{le="+Inf",route="shop.example/"}"#, 1.0),
        (r#"request_duration_seconds_sum{route="shop.example/"}"#, 0.003),
        (r#"attempts_total{outcome="response"}"#, 0.0),
        (r#"attempts_total{outcome="connect-refused"}"#, 1.0),
        (r#"retries_total{reason="connect-refused"}"#, 1.0),
        ("requests_in_flight", 1.0),
        (r#"connections{side="client",state="active"}"#, 1.0),
        (r#"connections{side="client",state="idle"}"#, 0.0),
        (r#"connections{side="endpoint",state="idle"}"#, 1.0),
        (r#"errors_total{code="upstream-reset"}"#, 1.0),
        (r#"errors_total{code="internal"}"#, 0.0),
        ("routes", 7.0),
        (r#"endpoints{state="available"}"#, 3.0),
        (r#"source_age_seconds{source="file"}"#, 1.5),
        (r#"reloads_total{result="refused"}"#, 1.0),
        (r#"reloads_total{result="applied"}"#, 0.0),
        (r#"tasks{kind="probe"}"#, 2.0),
        (r#"worker_heartbeat_age_seconds{worker="1"}"#, 0.02),
        ("access_log_lines_dropped_total", 4.0),
        ("log_lines_dropped_total", 6.0),
        ("stale_reuse_total", 0.0),
        ("panics_total", 0.0),
        (r#"informational_dropped_total{reason="late"}"#, 0.0),
    ];
    for (series, value) in expected {
        assert_eq!(read.value(&format!("pointsman_{series}")), value, "{series}");
    }
    if cfg!(target_os = "linux") {
        assert!(read.value("process_resident_memory_bytes") > 0.0);
        assert!(read.value("process_open_fds") > 0.0);
        assert_eq!(read.types["process_cpu_seconds"], "counter");
    }
}

#[test]
fn workers_are_summed() {
    let metrics = Metrics::new(3);
    for worker in 0..3 {
        let worker = metrics.worker(worker);
        worker.request_started();
        worker.request_finished(RouteLabel::OTHER, 200, None, MS);
    }
    let read = scrape(&metrics);
    let series = r#"pointsman_requests_total{route="other",status_class="2xx",code=""}"#;
    assert_eq!(read.value(series), 3.0);
    assert_eq!(read.value(r#"pointsman_request_duration_seconds_count{route="other"}"#), 3.0);
}

#[test]
fn a_request_that_ends_on_another_worker_leaves_nothing_in_flight() {
    let metrics = Metrics::new(2);
    metrics.worker(0).request_started();
    metrics.worker(1).request_finished(RouteLabel::NONE, 404, Some(Code::NoRoute), MS);
    assert_eq!(metrics.requests_in_flight(), 0);
    assert_eq!(scrape(&metrics).value("pointsman_requests_in_flight"), 0.0);
}

#[test]
fn five_thousand_busy_routes_make_a_thousand_series_and_one_for_the_rest() {
    let metrics = Metrics::new(1);
    let names: Vec<String> = (0..5_000).map(|n| format!("app-{n}.example/")).collect();
    let labels = metrics.assign_routes(names.iter().map(|name| (name, false)));
    let worker = metrics.worker(0);
    for label in labels {
        worker.request_started();
        worker.request_finished(label, 200, None, MS);
    }
    let read = scrape(&metrics);
    let routes = read.samples.keys().filter(|s| s.starts_with("pointsman_requests_total{"));
    assert_eq!(routes.count(), MAX_LABELLED_ROUTES + 1);
    let other = r#"pointsman_requests_total{route="other",status_class="2xx",code=""}"#;
    assert_eq!(read.value(other), 4_000.0);
}

#[test]
fn a_renamed_slot_starts_at_zero_and_a_kept_name_never_goes_back() {
    let metrics = Metrics::new(1);
    let worker = metrics.worker(0);
    let table = |from: usize| (from..from + 999).map(|n| (format!("r{n}/"), false));
    let kept = || std::iter::once(("kept/".to_owned(), true));
    for from in [0, 1_000, 2_000] {
        for label in metrics.assign_routes(kept().chain(table(from))) {
            worker.request_started();
            worker.request_finished(label, 200, None, MS);
        }
    }
    let read = scrape(&metrics);
    let of = |route| {
        format!(r#"pointsman_requests_total{{route="{route}",status_class="2xx",code=""}}"#)
    };
    assert_eq!(read.value(&of("kept/")), 3.0);
    assert_eq!(read.value(&of("r2998/")), 1.0, "it took over a slot that had counted one");
    assert!(!read.samples.contains_key(&of("r0/")));
}

#[test]
fn a_route_name_full_of_quotes_and_newlines_stays_one_label() {
    let metrics = Metrics::new(1);
    let label = metrics.assign_routes([("a\"b\\c\nd/", true)])[0];
    metrics.worker(0).request_finished(label, 200, None, MS);
    let read = scrape(&metrics);
    let series = r#"pointsman_requests_total{route="a\"b\\c\nd/",status_class="2xx",code=""}"#;
    assert_eq!(read.value(series), 1.0);
}

#[test]
fn every_code_has_a_place_in_the_shards() {
    let metrics = Metrics::new(1);
    for code in Code::ALL {
        metrics.worker(0).error(*code);
    }
    let read = scrape(&metrics);
    for code in Code::ALL {
        let series = format!(r#"pointsman_errors_total{{code="{}"}}"#, code.as_str());
        assert_eq!(read.value(&series), 1.0);
    }
}

#[test]
fn an_odd_status_is_counted_as_none_rather_than_dropped() {
    let metrics = Metrics::new(1);
    metrics.worker(0).request_finished(RouteLabel::OTHER, 999, None, MS);
    let series = r#"pointsman_requests_total{route="other",status_class="none",code=""}"#;
    assert_eq!(scrape(&metrics).value(series), 1.0);
}
