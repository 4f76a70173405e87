//! The routing table against a model that looks at every route in turn.

use proptest::prelude::*;

use pointsman::request::{MatchPath, RequestHost};
use pointsman::route::{HostPattern, PathPrefix, RouteTable};

/// Few labels and segments, so that patterns and questions meet often.
const LABELS: &[&str] = &["a", "b", "ab", "x-1"];
const SEGMENTS: &[&str] = &["api", "apix", "v1", "a!", "%2F", ""];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    host: String,
    path: String,
}

fn names(most_labels: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(LABELS), 1..=most_labels)
        .prop_map(|labels| labels.join("."))
}

fn host_patterns() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => names(4),
        4 => names(3).prop_map(|name| format!("*.{name}")),
        1 => Just("*".to_owned()),
    ]
}

fn prefixes() -> impl Strategy<Value = String> {
    let segments = prop::sample::select(&SEGMENTS[..SEGMENTS.len() - 1]);
    prop::collection::vec(segments, 0..4).prop_map(|s| format!("/{}", s.join("/")))
}

fn paths() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(SEGMENTS), 0..6)
        .prop_map(|s| format!("/{}", s.join("/")))
}

/// Routes without duplicates, and the same ones in another order.
fn routes() -> impl Strategy<Value = (Vec<Route>, Vec<Route>)> {
    let route = (host_patterns(), prefixes()).prop_map(|(host, path)| Route { host, path });
    prop::collection::vec(route, 0..40)
        .prop_map(|mut routes| {
            routes.sort_by(|a, b| (&a.host, &a.path).cmp(&(&b.host, &b.path)));
            routes.dedup();
            routes
        })
        .prop_flat_map(|routes| (Just(routes.clone()), Just(routes).prop_shuffle()))
}

fn table(routes: &[Route]) -> RouteTable<Route> {
    let routes = routes.iter().map(|route| {
        let host: HostPattern = route.host.parse().expect("a pattern");
        let path: PathPrefix = route.path.parse().expect("a prefix");
        (host, path, route.clone())
    });
    RouteTable::build(routes).expect("no duplicates")
}

/// How close a pattern is to a host: nothing if it is not for it.
fn host_rank(pattern: &str, host: &str) -> Option<usize> {
    match pattern.strip_prefix('*') {
        Some("") => Some(0),
        Some(dot_and_name) => host.ends_with(dot_and_name).then_some(dot_and_name.len()),
        None => (pattern == host).then_some(usize::MAX),
    }
}

/// How many segments of the path a prefix covers: nothing if it is not for it.
fn path_rank(prefix: &str, path: &str) -> Option<usize> {
    let prefix: Vec<_> = prefix.split('/').skip(1).filter(|segment| !segment.is_empty()).collect();
    let path: Vec<_> = path.split('/').skip(1).collect();
    path.starts_with(&prefix).then_some(prefix.len())
}

/// Of all routes whose host and path both fit, the one with the closest host,
/// then the longest path: what falling through from host to host comes to.
fn model<'r>(routes: &'r [Route], host: &str, path: &str) -> Option<&'r Route> {
    routes
        .iter()
        .filter_map(|r| Some(((host_rank(&r.host, host)?, path_rank(&r.path, path)?), r)))
        .max_by_key(|(rank, _)| *rank)
        .map(|(_, route)| route)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_lookup_finds_what_a_walk_over_all_routes_finds(
        (routes, shuffled) in routes(),
        questions in prop::collection::vec((names(6), paths()), 1..40),
    ) {
        let (table, other) = (table(&routes), table(&shuffled));
        for (host, path) in questions {
            let expected = model(&routes, &host, &path);
            prop_assert_eq!(table.lookup(&host, path.as_bytes()), expected, "{} {}", host, path);
            prop_assert_eq!(other.lookup(&host, path.as_bytes()), expected, "{} {}", host, path);
            let known = routes.iter().any(|route| host_rank(&route.host, &host).is_some());
            prop_assert_eq!(table.has_host(&host), known, "{}", host);
        }
    }

    #[test]
    fn a_table_changed_step_by_step_answers_as_the_routes_left_and_older_versions_stay(
        steps in prop::collection::vec((any::<bool>(), host_patterns(), prefixes()), 1..120),
        questions in prop::collection::vec((names(6), paths()), 1..20),
        kept_at in any::<prop::sample::Index>(),
    ) {
        let kept_at = kept_at.index(steps.len());
        let (mut table, mut left) = (RouteTable::default(), Vec::<Route>::new());
        let mut kept = (table.clone(), left.clone());
        for (at, (insert, host, path)) in steps.into_iter().enumerate() {
            if at == kept_at {
                kept = (table.clone(), left.clone());
            }
            let pattern: HostPattern = host.parse().expect("a pattern");
            let prefix: PathPrefix = path.parse().expect("a prefix");
            let route = Route { host, path };
            let before = left.iter().position(|own| *own == route);
            prop_assert_eq!(table.get(&pattern, &prefix).is_some(), before.is_some());
            prop_assert_eq!(table.get_text(&route.host, &route.path).is_some(), before.is_some());
            let old = if insert {
                table.insert(pattern, prefix, route.clone())
            } else {
                table.remove(&pattern, &prefix)
            };
            prop_assert_eq!(old, before.map(|_| route.clone()));
            match before {
                None if insert => left.push(route),
                Some(at) if !insert => drop(left.swap_remove(at)),
                _ => {}
            }
            prop_assert_eq!(table.len(), left.len());
        }
        for (table, left) in [(table, left), kept] {
            prop_assert_eq!(table.values().count(), left.len());
            prop_assert!(table.values().all(|route| left.contains(route)));
            prop_assert_eq!(table.clone().into_values().count(), left.len());
            for (host, path) in &questions {
                let expected = model(&left, host, path);
                let found = table.find(host, path.as_bytes());
                prop_assert_eq!(found.map(|(_, route)| route), expected, "{} {}", host, path);
                prop_assert_eq!(found.and_then(|(place, _)| table.at(place)), expected);
                let known = left.iter().any(|route| host_rank(&route.host, host).is_some());
                prop_assert_eq!(table.has_host(host), known, "{}", host);
            }
        }
    }

    #[test]
    fn iteration_gives_back_what_the_table_was_built_from((routes, shuffled) in routes()) {
        let table = table(&shuffled);
        prop_assert_eq!(table.len(), routes.len());
        let mut seen: Vec<_> = table
            .iter()
            .map(|(host, path, route)| {
                assert_eq!((host.to_string(), path.to_string()), (route.host.clone(), route.path.clone()));
                route.clone()
            })
            .collect();
        seen.sort_by(|a, b| (&a.host, &a.path).cmp(&(&b.host, &b.path)));
        prop_assert_eq!(seen, routes);
    }

    #[test]
    fn a_second_route_for_the_same_host_and_path_is_always_noticed(
        (routes, _) in routes(),
        picked in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!routes.is_empty());
        let first = picked.index(routes.len());
        let again = routes[first].clone();
        let input = routes.iter().chain([&again]).map(|route| {
            (route.host.to_uppercase().parse().expect("a pattern"), route.path.parse().expect("a prefix"), ())
        });
        let duplicate = RouteTable::build(input).expect_err("a duplicate");
        prop_assert_eq!((duplicate.first, duplicate.second), (first, routes.len()));
        prop_assert_eq!((duplicate.host.to_string(), duplicate.path.to_string()), (again.host, again.path));
    }

    #[test]
    fn no_host_makes_reading_panic_and_what_is_read_is_a_pattern_for_itself(
        authority in prop::collection::vec(prop_oneof![3 => prop::sample::select(b"a1.:[]-".as_slice()), 1 => any::<u8>()], 0..24),
    ) {
        if let Ok(host) = RequestHost::from_authority(&authority) {
            let pattern: HostPattern = host.lookup().parse().expect("a pattern");
            let table = RouteTable::build([(pattern, PathPrefix::ROOT, ())]).expect("one route");
            prop_assert!(table.has_host(host.lookup()));
        }
    }

    #[test]
    fn no_path_makes_reading_panic_and_every_path_is_under_the_root(
        path in prop::collection::vec(any::<u8>(), 0..24),
    ) {
        let table = RouteTable::build([(HostPattern::ANY, PathPrefix::ROOT, ())]).expect("one route");
        if let Ok(path) = MatchPath::parse(&path) {
            prop_assert_eq!(table.lookup("a", path.matching()), Some(&()));
        }
    }

    #[test]
    fn a_prefix_is_for_every_path_below_it_however_that_is_spelled(
        prefix in prefixes(), rest in paths(),
    ) {
        let parsed: PathPrefix = prefix.parse().expect("a prefix");
        let table = RouteTable::build([(HostPattern::ANY, parsed, ())]).expect("one route");
        let spelled = format!("{}{rest}", prefix.trim_end_matches('/').replace('a', "%61"));
        let path = MatchPath::parse(spelled.as_bytes()).expect("no dot segments");
        prop_assert_eq!(table.lookup("a", path.matching()), Some(&()));
    }
}
