use super::*;

fn table(routes: &[(&str, &str)]) -> RouteTable<String> {
    try_table(routes).unwrap()
}

fn try_table(routes: &[(&str, &str)]) -> Result<RouteTable<String>, Duplicate> {
    RouteTable::build(routes.iter().map(|(host, path)| {
        (host.parse().unwrap(), path.parse().unwrap(), format!("{host}{path}"))
    }))
}

fn lookup<'t>(table: &'t RouteTable<String>, host: &str, path: &str) -> Option<&'t str> {
    table.lookup(host, path.as_bytes()).map(String::as_str)
}

#[test]
fn the_exact_host_comes_first_then_the_longest_wildcard_then_any() {
    let table = table(&[
        ("*", "/"),
        ("*.com", "/"),
        ("*.example.com", "/"),
        ("*.eu.example.com", "/"),
        ("shop.example.com", "/"),
    ]);
    for (host, expected) in [
        ("shop.example.com", "shop.example.com/"),
        ("blog.example.com", "*.example.com/"),
        ("a.shop.example.com", "*.example.com/"),
        ("eu.example.com", "*.example.com/"),
        ("a.eu.example.com", "*.eu.example.com/"),
        ("a.b.c.d.eu.example.com", "*.eu.example.com/"),
        ("example.com", "*.com/"),
        ("com", "*/"),
        ("xexample.com", "*.com/"),
        ("example.org", "*/"),
        ("10.0.0.1", "*/"),
        ("[::1]", "*/"),
    ] {
        assert_eq!(lookup(&table, host, "/x"), Some(expected), "{host}");
    }
}

#[test]
fn a_host_without_a_matching_path_falls_through_to_the_next() {
    let table = table(&[
        ("shop.example.com", "/api"),
        ("*.example.com", "/api/v1"),
        ("*.example.com", "/cart"),
        ("*.com", "/"),
        ("*", "/rest"),
    ]);
    for (host, path, expected) in [
        ("shop.example.com", "/api/v1", Some("shop.example.com/api")),
        ("shop.example.com", "/cart/1", Some("*.example.com/cart")),
        ("shop.example.com", "/rest", Some("*.com/")),
        ("blog.example.com", "/api", Some("*.com/")),
        ("example.org", "/rest/x", Some("*/rest")),
        ("example.org", "/", None),
    ] {
        assert_eq!(lookup(&table, host, path), expected, "{host}{path}");
    }
}

#[test]
fn a_wildcard_is_for_hosts_below_its_name_only() {
    let table = table(&[("*.example.com", "/")]);
    for host in ["example.com", "com", "xexample.com", "example.com.org", "a"] {
        assert_eq!(lookup(&table, host, "/"), None, "{host}");
        assert!(!table.has_host(host), "{host}");
    }
    assert!(table.has_host("a.example.com"));
}

#[test]
fn wildcards_are_asked_for_as_many_labels_as_the_longest_has() {
    let host = format!("{}b.example.com", "a.".repeat(100));
    let names = |table: &RouteTable<_>| table.names_above(&host).count();
    assert_eq!(names(&table(&[("example.com", "/"), ("*", "/")])), 0);
    assert_eq!(names(&table(&[("*.com", "/"), ("*.example.com", "/")])), 2);
}

#[test]
fn an_entry_with_one_route_is_a_cache_line_also_where_it_may_be_missing() {
    assert_eq!(size_of::<Option<(HostName, PathRoutes<Arc<()>>)>>(), 64);
}

#[test]
fn a_host_is_known_even_where_no_path_of_it_matches() {
    let table = table(&[("shop.example.com", "/api")]);
    assert!(table.has_host("shop.example.com"));
    assert_eq!(lookup(&table, "shop.example.com", "/"), None);
}

#[test]
fn two_routes_for_the_same_host_and_path_are_an_error_that_names_both() {
    let routes = [("a", "/"), ("b.example", "/x"), ("*.b.example", "/x"), ("B.example.", "/%78/")];
    let duplicate = try_table(&routes).unwrap_err();
    assert_eq!(duplicate.to_string(), "there are two routes for b.example /x");
    assert_eq!((duplicate.first, duplicate.second), (1, 3));
    for host in ["*", "*.a"] {
        assert!(try_table(&[(host, "/"), (host, "/")]).is_err());
    }
}

#[test]
fn iteration_gives_back_every_route() {
    let routes = [("*", "/"), ("*", "/a"), ("*.b", "/"), ("c", "/"), ("c", "/d"), ("e", "/f")];
    let table = table(&routes);
    assert_eq!(table.len(), routes.len());
    let mut seen: Vec<_> = table.iter().map(|(h, p, r)| (format!("{h}{p}"), r)).collect();
    seen.sort();
    assert!(seen.iter().all(|(shown, route)| shown == *route));
    assert_eq!(seen.len(), routes.len());
    seen.dedup();
    assert_eq!(seen.len(), routes.len());
}

#[test]
fn a_table_after_changes_answers_as_one_built_so() {
    let mut changed = table(&[("a.b", "/"), ("*.b", "/"), ("*.c.d.e", "/x"), ("*", "/")]);
    let before = changed.clone();
    let pattern = |text: &str| text.parse::<HostPattern>().unwrap();
    for (host, path) in [("a.b", "/"), ("*.c.d.e", "/x"), ("*", "/")] {
        let removed = changed.remove(&pattern(host), &path.parse().unwrap());
        assert_eq!(removed, Some(format!("{host}{path}")));
        assert_eq!(changed.remove(&pattern(host), &path.parse().unwrap()), None);
    }
    assert_eq!(changed.insert(pattern("a.b"), "/y".parse().unwrap(), "new".into()), None);
    assert_eq!((before.len(), changed.len()), (4, 2));
    assert_eq!((before.labels_below.len(), changed.labels_below.len()), (3, 1));
    assert_eq!(lookup(&changed, "a.b", "/y"), Some("new"));
    assert_eq!(lookup(&changed, "a.b", "/"), Some("*.b/"));
    assert_eq!(lookup(&changed, "x", "/"), None);
    assert_eq!(lookup(&before, "a.b", "/y"), Some("a.b/"));
    assert_eq!(lookup(&before, "x.c.d.e", "/x"), Some("*.c.d.e/x"));
}

#[test]
fn a_place_leads_to_the_route_it_was_given_for() {
    let table = table(&[("a.b", "/"), ("*.b", "/x"), ("*", "/"), ("a.b", "/y")]);
    for (host, path) in [("a.b", "/"), ("a.b", "/y/z"), ("c.b", "/x"), ("d", "/")] {
        let (place, route) = table.find(host, path.as_bytes()).unwrap();
        assert_eq!(table.at(place), Some(route));
    }
}

#[test]
fn a_text_finds_only_the_very_route_it_is_the_name_of() {
    let table = table(&[("a.b", "/"), ("*.b", "/x"), ("*", "/")]);
    for (host, path, found) in [
        ("a.b", "", Some("a.b/")),
        ("a.b", "/", Some("a.b/")),
        ("a.b", "/x", None),
        ("A.b", "/", None),
        ("*.b", "/x", Some("*.b/x")),
        ("*.b", "", None),
        ("*", "/", Some("*/")),
        ("*b", "/x", None),
        ("", "", None),
    ] {
        assert_eq!(table.get_text(host, path).map(String::as_str), found, "{host}{path}");
    }
}

#[test]
fn an_empty_table_has_no_route_for_anything() {
    for table in [table(&[]), RouteTable::default()] {
        assert!(table.is_empty());
        assert_eq!(lookup(&table, "a.b", "/"), None);
    }
}
