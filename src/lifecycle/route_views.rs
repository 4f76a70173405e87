//! Routes as the admin side shows them.

use std::time::{Duration, Instant};

use crate::admin::{
    EndpointState as Shown, EndpointView, NameView, Page, ProbeView, RouteFilter, RouteView, Told,
};
use crate::endpoint::{Name, Probed, Standing};
use crate::registry::{Endpoint, Link, Registration, Source};
use crate::route::{HostPattern, PathPrefix};
use crate::router::{Route, Shared};

/// A page of the routes in force.
///
/// Only what is on the page is made into a view; the rest is passed by, from a
/// table that no longer changes.
pub(super) fn page(shared: &Shared, filter: &RouteFilter, now: Instant) -> Page<RouteView> {
    let snapshot = shared.snapshots.current();
    let now_ms = shared.now_ms(now);
    let page = match filter.host.as_deref().map(str::parse) {
        None => filter.select(snapshot.routes(), key),
        Some(Ok(host)) => filter.select(snapshot.routes_of(&host), key),
        // What is no host has no routes.
        Some(Err(_)) => filter.select(std::iter::empty(), key),
    };
    let links = shared.live.lock().ledger.links;
    page.map(|route| view(route, shared, links[route.entry().source as usize], now_ms))
}

fn key<'r>(route: &'r Route<'_>) -> (&'r str, &'r str) {
    route.entry().host_and_path()
}

/// How long ago the live sources were last heard, of those that ever were.
pub(super) fn source_ages(shared: &Shared) -> impl Iterator<Item = (String, Duration)> {
    let now_ms = shared.now_ms(Instant::now());
    let live = [Source::Admin, Source::Nats].into_iter();
    live.filter_map(move |source| {
        let age = shared.sources_heard[source as usize].age(now_ms)?;
        Some((source.as_str().to_owned(), age))
    })
}

fn view(route: Route<'_>, shared: &Shared, link: Link, now_ms: u64) -> RouteView {
    let entry = route.entry();
    let (host, path) = entry.host_and_path();
    let set = entry.set_in_use();
    let settings = entry.terms.as_ref().map(|terms| &*terms.settings.endpoints).unwrap_or_default();
    let (written, names) = shared.names.expand(settings.iter().map(|own| &own.address));
    let name = |address| {
        let at = written.iter().find(|written| written.address == address)?;
        let own = &settings[at.endpoint].address;
        own.host().map(|_| own.to_string())
    };
    let overridden = std::iter::successors(entry.below.as_ref(), |below| below.below.as_ref());
    RouteView {
        host: host.to_owned(),
        path: path.to_owned(),
        source: entry.source.as_str().to_owned(),
        overrides: overridden.map(|below| below.source.as_str().to_owned()).collect(),
        balance: entry.balance().to_string(),
        without_endpoints_for_ms: entry
            .empty_since_ms
            .map(|since| now_ms.saturating_sub(since.get())),
        adaptive: entry.door().map(|door| door.seen().into()),
        queued: set.map_or(0, |set| set.line().waiting()),
        endpoints: entry
            .endpoints
            .iter()
            .enumerate()
            .map(|(index, endpoint)| {
                let state = set.and_then(|set| set.endpoints().get(index));
                let probed = set.and_then(|set| set.probed().get(index));
                let seen = set.and_then(|set| set.seen(index, now_ms));
                let unix_ms = |at_ms| shared.unix_ms(shared.start + Duration::from_millis(at_ms));
                // What no request has needed yet has nothing against it.
                let since_ms = seen.map_or(endpoint.since_ms, |seen| seen.since_ms);
                EndpointView {
                    address: endpoint.address(),
                    name: name(endpoint.address()),
                    weight: endpoint.weight,
                    state: seen.map_or(Shown::Available, |seen| seen.condition.into()),
                    since_unix_ms: unix_ms(since_ms),
                    state_age_ms: now_ms.saturating_sub(since_ms),
                    reason: seen.map_or("new", |seen| seen.reason.as_str()).into(),
                    for_ms: seen.and_then(|s| s.until_ms).map(|until| until.saturating_sub(now_ms)),
                    in_flight: state.map_or(0, |state| state.in_flight()),
                    max_requests: state.and_then(|state| state.max_requests()),
                    passed_over_for_ms: state.and_then(|state| state.passed_over_for_ms(now_ms)),
                    probe: probed.map(|probed| probe_view(probed, shared)),
                    age_ms: now_ms.saturating_sub(endpoint.since_ms),
                    ttl_left_ms: link
                        .holds_until_ms(endpoint, now_ms)
                        .map(|until| until.saturating_sub(now_ms)),
                    instance_id: endpoint.instance_id().map(str::to_owned),
                    tls: endpoint.tls,
                    told: told(endpoint),
                }
            })
            .collect(),
        names: names.iter().map(|name| name_view(name, shared, now_ms)).collect(),
    }
}

/// What its source said of an endpoint beside where it is.
fn told(endpoint: &Endpoint) -> Told {
    let mut said = Registration::new(HostPattern::ANY, PathPrefix::ROOT, endpoint.address());
    endpoint.tell(&mut said);
    let text = |text: Option<Box<str>>| text.map(String::from);
    Told {
        app: text(said.app),
        instance_index: text(said.instance_index),
        availability_zone: text(said.availability_zone),
        isolation_segment: text(said.isolation_segment),
        server_cert_domain_san: text(said.server_cert_domain_san),
        tags: said.tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
    }
}

fn name_view(name: &Name, shared: &Shared, now_ms: u64) -> NameView {
    let resolution = name.resolution();
    NameView {
        name: name.host().to_string(),
        state: resolution.state().into(),
        addresses: resolution.addresses().collect(),
        resolved_unix_ms: resolution.resolved_at_ms().map(|at_ms| unix_ms(shared, at_ms)),
        ttl_left_ms: resolution.next_at_ms().saturating_sub(now_ms),
        fault: resolution.fault().map(|(_, fault)| fault.detail.clone()),
        failing_since_unix_ms: resolution.fault().map(|(at_ms, _)| unix_ms(shared, *at_ms)),
    }
}

fn unix_ms(shared: &Shared, at_ms: u64) -> u64 {
    shared.unix_ms(shared.start + Duration::from_millis(at_ms))
}

fn probe_view(probed: &Probed, shared: &Shared) -> ProbeView {
    let (standing, since_ms) = probed.standing();
    let last = probed.last();
    ProbeView {
        state: match standing {
            Standing::Unproven => "unproven",
            Standing::Up => "up",
            Standing::Down => "down",
        }
        .into(),
        since_unix_ms: (standing != Standing::Unproven).then(|| unix_ms(shared, since_ms)),
        last_unix_ms: last.as_ref().map(|last| unix_ms(shared, last.at_ms)),
        fault: last.and_then(|last| last.fault),
    }
}
