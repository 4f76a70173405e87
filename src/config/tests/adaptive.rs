//! `adaptive_concurrency`, of all routes and of one.

use std::time::Duration;

use super::{ROUTE, accept, refuse, refuse_in_route};
use crate::config::{AdaptiveSettings, effective};

fn of_route(text: &str) -> AdaptiveSettings {
    accept(text).routes[0].adaptive.clone()
}

#[test]
fn a_route_has_no_limit_unless_it_has_a_table_or_all_have_one() {
    let off = AdaptiveSettings::default();
    assert!(!off.enabled);
    assert_eq!(of_route(ROUTE), off);
    let on = AdaptiveSettings { enabled: true, ..off.clone() };
    assert_eq!(of_route(&format!("{ROUTE}adaptive_concurrency = {{}}")), on);
    let all = "[adaptive_concurrency]\nenabled = true\n";
    assert_eq!(of_route(&format!("{all}{ROUTE}")), on);
    assert_eq!(of_route(&format!("{all}{ROUTE}adaptive_concurrency = \"off\"")), off);
    let no = format!("{all}{ROUTE}adaptive_concurrency = {{ enabled = false }}");
    assert_eq!(of_route(&no), off);
}

#[test]
fn every_key_of_it_is_its_own_or_that_of_all() {
    let all = "[adaptive_concurrency]\nmin_limit = 5\nmax_limit = 50\ninitial_limit = 6\n\
               tolerance_percent = 7\nwindow = \"80ms\"\nmeasure_every = \"9s\"\n";
    let expected = AdaptiveSettings {
        enabled: true,
        min_limit: 5,
        max_limit: 40,
        initial_limit: 6,
        tolerance_percent: 10,
        window: Duration::from_millis(80),
        measure_every: Duration::from_secs(9),
    };
    let own = "adaptive_concurrency = { max_limit = 40, tolerance_percent = 10 }";
    let settings = accept(&format!("{all}{ROUTE}{own}"));
    assert_eq!(settings.routes[0].adaptive, expected);
    let shown = &effective(&settings)["route"][0]["adaptive_concurrency"];
    let expected = serde_json::json!({
        "enabled": true, "min_limit": 5, "max_limit": 40, "initial_limit": 6,
        "tolerance_percent": 10, "window": "80ms", "measure_every": "9s",
    });
    assert_eq!(*shown, expected);
}

#[test]
fn where_it_begins_gives_way_to_the_bounds_unless_it_is_written() {
    for (bounds, begins) in [("max_limit = 3", 3), ("min_limit = 30", 30), ("min_limit = 3", 20)] {
        let text = format!("{ROUTE}adaptive_concurrency = {{ {bounds} }}");
        assert_eq!(of_route(&text).initial_limit, begins, "{bounds}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_could() {
    refuse_in_route(&[
        (
            "adaptive_concurrency = \"on\"",
            r#"p:5:24: route[0].adaptive_concurrency: must be a table or "off", not a string"#,
        ),
        (
            "adaptive_concurrency = { min_limt = 1 }",
            r#"p:5:26: route[0].adaptive_concurrency.min_limt: unknown key; did you mean "min_limit"?"#,
        ),
        (
            "adaptive_concurrency = { min_limit = 0 }",
            "p:5:38: route[0].adaptive_concurrency.min_limit: must be between 1 and 1000000, not 0",
        ),
        (
            "adaptive_concurrency = { min_limit = 9, max_limit = 8 }",
            "p:5:38: route[0].adaptive_concurrency.min_limit: min_limit is higher than max_limit; make max_limit at least as high",
        ),
        (
            "adaptive_concurrency = { initial_limit = 9, max_limit = 8 }",
            "p:5:42: route[0].adaptive_concurrency.initial_limit: initial_limit is not between min_limit and max_limit; write 8",
        ),
        (
            "adaptive_concurrency = { window = \"1ms\" }",
            "p:5:35: route[0].adaptive_concurrency.window: must be from 10ms to 1m",
        ),
        (
            "adaptive_concurrency = { measure_every = \"2h\" }",
            "p:5:42: route[0].adaptive_concurrency.measure_every: must be from 1s to 1h",
        ),
        (
            "adaptive_concurrency = { tolerance_percent = 0 }",
            "p:5:46: route[0].adaptive_concurrency.tolerance_percent: must be between 1 and 1000, not 0",
        ),
    ]);
    refuse(&[(
        "[adaptive_concurrency]\nmax_limit = 1",
        "p:3:13: adaptive_concurrency.max_limit: min_limit is higher than max_limit; make max_limit at least as high",
    )]);
}
