//! Lists as tables for people.
//!
//! Hosts and paths come from clients: what a terminal would obey is escaped,
//! and what would push the columns apart is cut.

use std::fmt::Write;
use std::time::Duration;

use crate::admin::{EndpointState, EndpointView, RequestView, RouteView};

/// Characters of a cell at most.
const MAX_CELL: usize = 60;

/// Routes, a line for each endpoint.
pub fn routes(routes: &[RouteView]) -> String {
    let mut table = Table::new([
        "HOST",
        "PATH",
        "SOURCE",
        "ENDPOINT",
        "WEIGHT",
        "STATE",
        "IN FLIGHT",
        "QUEUED",
        "AGE",
        "TTL LEFT",
        "LIMIT",
    ]);
    let ms = |ms| age(Duration::from_millis(ms));
    for route in routes {
        let source = match &*route.overrides {
            [] => route.source.clone(),
            overridden => format!("{} (over {})", route.source, overridden.join(", ")),
        };
        let queued = route.queued.to_string();
        let limit = route.adaptive.as_ref();
        let limit = limit.map(|own| format!("{} of {}", own.in_flight, own.limit));
        let limit = limit.unwrap_or_default();
        let own = [route.host.as_str(), route.path.as_str(), &source];
        if route.endpoints.is_empty() && route.names.is_empty() {
            let none = match route.without_endpoints_for_ms {
                Some(empty) => format!("none (expired {} ago)", ms(empty)),
                None => "none".into(),
            };
            table.row([own[0], own[1], own[2], &none, "", "", "", &queued, "", "", &limit]);
        }
        for (index, endpoint) in route.endpoints.iter().enumerate() {
            // The route's own columns stand in its first line only.
            let [host, path, source] = if index == 0 { own } else { [""; 3] };
            let [queued, limit] = if index == 0 { [&*queued, &*limit] } else { [""; 2] };
            table.row([
                host,
                path,
                source,
                &address(endpoint),
                &endpoint.weight.to_string(),
                &state(endpoint),
                &in_flight(endpoint),
                queued,
                &ms(endpoint.age_ms),
                &endpoint.ttl_left_ms.map_or("-".into(), ms),
                limit,
            ]);
        }
        let ill = route.names.iter().filter_map(|name| Some((name, name.fault.as_deref()?)));
        for (index, (name, fault)) in ill.enumerate() {
            let first = index == 0 && route.endpoints.is_empty();
            let [host, path, source] = if first { own } else { [""; 3] };
            let state = format!("{} ({fault})", name.state);
            table.row([host, path, source, &name.name, "", &state, "", "", "", "", ""]);
        }
    }
    table.to_text("no routes")
}

/// Requests in flight.
pub fn requests(requests: &[RequestView]) -> String {
    let mut table = Table::new([
        "AGE", "PHASE", "CLIENT", "METHOD", "HOST", "PATH", "ATTEMPT", "ENDPOINT", "IN", "OUT",
        "ID",
    ]);
    for request in requests {
        let endpoint = request.endpoint.map(|endpoint| endpoint.to_string());
        table.row([
            &age(Duration::from_millis(request.age_ms)),
            &phase(request),
            &request.client.to_string(),
            &request.method,
            &request.host,
            &request.path,
            &request.attempt.to_string(),
            endpoint.as_deref().unwrap_or("-"),
            &bytes(request.bytes_in),
            &bytes(request.bytes_out),
            &request.id,
        ]);
    }
    table.to_text("no requests in flight")
}

fn phase(request: &RequestView) -> String {
    match &request.protocol {
        Some(protocol) => format!("{} ({protocol})", request.phase),
        None => request.phase.clone(),
    }
}

fn in_flight(endpoint: &EndpointView) -> String {
    match endpoint.max_requests {
        Some(most) => format!("{} of {most}", endpoint.in_flight),
        None => endpoint.in_flight.to_string(),
    }
}

fn address(endpoint: &EndpointView) -> String {
    match &endpoint.name {
        Some(name) => format!("{} ({name})", endpoint.address),
        None => endpoint.address.to_string(),
    }
}

fn state(endpoint: &EndpointView) -> String {
    if let Some(fault) = endpoint.probe.as_ref().and_then(|probe| probe.fault.as_deref()) {
        return format!("{} ({fault})", endpoint.state.as_str());
    }
    let state = endpoint.state.as_str();
    // One that was never anything else has nothing to tell.
    if endpoint.state == EndpointState::Available && matches!(&*endpoint.reason, "" | "new") {
        return state.to_owned();
    }
    let since = age(Duration::from_millis(endpoint.state_age_ms));
    match endpoint.for_ms.map(Duration::from_millis) {
        Some(left) => format!("{state} ({}, for {since}, {} left)", endpoint.reason, age(left)),
        None => format!("{state} ({}, for {since})", endpoint.reason),
    }
}

/// `250ms`, `3.2s`, `4m05s`, `2h03m`.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0 => format!("{}ms", age.as_millis()),
        1..60 => format!("{}.{}s", seconds, age.subsec_millis() / 100),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// `512B`, `1.5KiB`, `3.0GiB`.
fn bytes(bytes: u64) -> String {
    if bytes < 1 << 10 {
        return format!("{bytes}B");
    }
    let (unit, size) = [("GiB", 30), ("MiB", 20), ("KiB", 10)]
        .into_iter()
        .find(|(_, bits)| bytes >> bits > 0)
        .unwrap_or(("KiB", 10));
    format!("{:.1}{unit}", bytes as f64 / f64::from(1 << size))
}

/// Columns as wide as their widest cell.
struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    fn new(titles: [&str; N]) -> Self {
        Self { rows: vec![titles.map(str::to_owned)] }
    }

    fn row(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(cell));
    }

    /// The table, or a sentence if there is only its head.
    fn to_text(&self, empty: &str) -> String {
        if self.rows.len() == 1 {
            return format!("{empty}\n");
        }
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max();
        let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                // Writing into a String does not fail.
                let _ = write!(line, "{cell:<width$}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A cell without anything a terminal obeys, and not too long.
fn cell(text: &str) -> String {
    let mut safe = String::new();
    for (index, char) in text.chars().enumerate() {
        if index == MAX_CELL {
            safe.push('…');
            break;
        }
        if char.is_control() { safe.extend(char.escape_default()) } else { safe.push(char) }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{AdaptiveView, NameView};

    fn endpoint(port: u16, passed_over_for_ms: Option<u64>) -> EndpointView {
        let state = match passed_over_for_ms {
            Some(_) => EndpointState::PassedOver,
            None => EndpointState::Available,
        };
        let address = ([10, 0, 0, 1], port).into();
        EndpointView {
            address,
            weight: 1,
            state,
            in_flight: 7,
            max_requests: passed_over_for_ms.map(|_| 9),
            passed_over_for_ms,
            probe: None,
            age_ms: 61_000,
            since_unix_ms: 0,
            state_age_ms: 3_000,
            reason: passed_over_for_ms.map_or("new", |_| "connect-refused").into(),
            for_ms: passed_over_for_ms,
            ttl_left_ms: passed_over_for_ms.map(|_| 90_000),
            instance_id: None,
            told: Default::default(),
            tls: false,
            name: None,
        }
    }

    fn route(host: &str, endpoints: Vec<EndpointView>) -> RouteView {
        RouteView {
            host: host.into(),
            path: "/".into(),
            source: "file".into(),
            overrides: Vec::new(),
            without_endpoints_for_ms: None,
            balance: "round-robin".into(),
            adaptive: None,
            queued: 4,
            endpoints,
            names: Vec::new(),
        }
    }

    #[test]
    fn a_route_shows_its_endpoints_in_columns() {
        let mut live = route("live.example", vec![endpoint(80, None)]);
        live.source = "admin".into();
        live.overrides = vec!["nats".into()];
        live.adaptive = Some(AdaptiveView { limit: 20, in_flight: 7, shed: 0, latency_us: None });
        let mut expired = route("gone.example", vec![]);
        expired.without_endpoints_for_ms = Some(3_000);
        let list = [
            route("shop.example", vec![endpoint(80, None), endpoint(8080, Some(1_250))]),
            route("empty.example", vec![]),
            live,
            expired,
        ];
        let expected = "\
HOST           PATH  SOURCE             ENDPOINT                 WEIGHT  STATE                                               IN FLIGHT  QUEUED  AGE    TTL LEFT  LIMIT
shop.example   /     file               10.0.0.1:80              1       available                                           7          4       1m01s  -
                                        10.0.0.1:8080            1       passed-over (connect-refused, for 3.0s, 1.2s left)  7 of 9             1m01s  1m30s
empty.example  /     file               none                                                                                            4
live.example   /     admin (over nats)  10.0.0.1:80              1       available                                           7          4       1m01s  -         7 of 20
gone.example   /     file               none (expired 3.0s ago)                                                                         4
";
        assert_eq!(routes(&list), expected);
    }

    #[test]
    fn an_endpoint_that_came_back_says_since_when_and_why() {
        let back = EndpointView { reason: "trial-passed".into(), ..endpoint(80, None) };
        assert_eq!(state(&back), "available (trial-passed, for 3.0s)");
        let from_an_older_router = EndpointView { reason: String::new(), ..back };
        assert_eq!(state(&from_an_older_router), "available");
    }

    #[test]
    fn a_name_stands_beside_its_addresses_or_alone_with_what_is_wrong() {
        let mut resolved = endpoint(80, None);
        resolved.name = Some("app.internal:80".into());
        let name = |fault: Option<&str>| NameView {
            name: "app.internal".into(),
            state: if fault.is_some() { "unresolved" } else { "resolved" }.into(),
            addresses: vec![],
            resolved_unix_ms: None,
            ttl_left_ms: 0,
            fault: fault.map(str::to_owned),
            failing_since_unix_ms: None,
        };
        let mut list = [route("shop.example", vec![resolved]), route("new.example", vec![])];
        list[0].names.push(name(None));
        list[1].names.push(name(Some("no answer")));
        let expected = "\
HOST          PATH  SOURCE  ENDPOINT                       WEIGHT  STATE                   IN FLIGHT  QUEUED  AGE    TTL LEFT  LIMIT
shop.example  /     file    10.0.0.1:80 (app.internal:80)  1       available               7          4       1m01s  -
new.example   /     file    app.internal                           unresolved (no answer)
";
        assert_eq!(routes(&list), expected);
    }

    #[test]
    fn an_empty_list_says_so_in_words() {
        assert_eq!(routes(&[]), "no routes\n");
        assert_eq!(requests(&[]), "no requests in flight\n");
    }

    #[test]
    fn a_terminal_is_not_steered_by_a_path() {
        assert_eq!(cell("/\u{1b}[2J\r\n\u{9b}"), "/\\u{1b}[2J\\r\\n\\u{9b}");
        assert_eq!(cell(&"a".repeat(61)).chars().count(), MAX_CELL + 1);
    }

    #[test]
    fn ages_and_sizes_are_short() {
        let ages = [(250, "250ms"), (3_250, "3.2s"), (245_000, "4m05s"), (7_380_000, "2h03m")];
        for (ms, text) in ages {
            assert_eq!(age(Duration::from_millis(ms)), text);
        }
        let sizes = [(0, "0B"), (1_023, "1023B"), (1_536, "1.5KiB"), (3 << 30, "3.0GiB")];
        for (size, text) in sizes {
            assert_eq!(bytes(size), text);
        }
    }
}
