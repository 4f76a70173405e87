//! `sticky`: the cookie's path, and what browsers would drop.

use super::super::parse;
use super::{LISTENER, ROUTE, accept, refuse, refuse_in_route};

#[test]
fn a_cookies_path_is_that_of_its_route_unless_set() {
    let path = |route_path: &str, more: &str| {
        let own = format!("path = \"{route_path}\"\nsticky = {{ cookie = \"at\"{more} }}\n");
        accept(&format!("{ROUTE}{own}")).routes[0].sticky.clone().unwrap().path
    };
    assert_eq!(path("/", ""), "/");
    assert_eq!(path("/shop/", ""), "/shop");
    assert_eq!(path("/a;b", ""), "/", "a semicolon cannot stand in it");
    assert_eq!(path("/shop", ", path = \"/\""), "/");
}

#[test]
fn what_browsers_drop_is_no_cookie() {
    let sticky = |more: &str| format!("sticky = {{ cookie = {more} }}");
    for good in [
        "\"at\", domain = \"a.example\"",
        "\"at\", domain = \".A.Example\"",
        "\"__Host-at\", secure = true",
        "\"__Secure-at\", secure = true, domain = \"a.example\", path = \"/x\"",
    ] {
        accept(&format!("{ROUTE}{}\n", sticky(good)));
    }
    for (host, domain) in
        [("*", "a.b"), ("*.a.b", "a.b"), ("x.a.b", "a.b"), ("10.0.0.1", "10.0.0.1")]
    {
        let sticky = sticky(&format!("\"at\", domain = \"{domain}\""));
        accept(&format!("{}{sticky}\n", ROUTE.replace("a.example", host)));
    }
    let cases = [
        (
            "\"at\", path = \"shop\"",
            "p:5:34: route[0].sticky.path: \"shop\" does not start with \"/\": browsers ignore it; \
             write \"/shop\"",
        ),
        (
            "\"at\", domain = \"b\"",
            "p:5:36: route[0].sticky.domain: \"a.example\" does not lie in \"b\": browsers drop the cookie; \
             write domain = \"a.example\", or leave it out for the host alone",
        ),
        (
            "\"at\", same_site = \"none\"",
            "p:5:10: route[0].sticky: same_site = \"none\" without secure = true: browsers drop the \
             cookie; add secure = true",
        ),
        (
            "\"__Host-at\"",
            "p:5:10: route[0].sticky: a __Host- cookie without secure = true: browsers drop it; \
             add secure = true",
        ),
        (
            "\"__secure-at\", secure = false",
            "p:5:45: route[0].sticky.secure: a __Secure- cookie without secure = true: browsers drop it; \
             add secure = true",
        ),
        (
            "\"__Host-at\", secure = true, domain = \"a.example\"",
            "p:5:58: route[0].sticky.domain: a __Host- cookie with a domain: browsers drop it; \
             leave domain out, or choose another name",
        ),
        (
            "\"__Host-at\", secure = true, path = \"/x\"",
            "p:5:56: route[0].sticky.path: a __Host- cookie with the path \"/x\": browsers drop it; \
             write path = \"/\" (unless set it is the route's path), or choose another name",
        ),
    ];
    for (written, expected) in cases {
        refuse_in_route(&[(&sticky(written), expected)]);
    }
    for (host, domain) in
        [("xa.b", "a.b"), ("a.b", "x.a.b"), ("*.a.b", "x.a.b"), ("10.0.0.1", "0.0.1"), ("a.b", ".")]
    {
        let sticky = sticky(&format!("\"at\", domain = \"{domain}\""));
        let text = format!("{}{sticky}\n", ROUTE.replace("a.example", host));
        let below = host.trim_start_matches("*.");
        let expected = format!(
            "p:5:36: route[0].sticky.domain: \"{host}\" does not lie in \"{domain}\": browsers drop \
             the cookie; write domain = \"{below}\", or leave it out for the host alone"
        );
        refuse(&[(&text, &expected)]);
    }
    // The route's path is the cookie's.
    let at_path = format!("path = \"/x\"\n{}", sticky("\"__Host-at\", secure = true"));
    let expected = "p:6:10: route[0].sticky: a __Host- cookie with the path \"/x\": browsers drop it; \
                    write path = \"/\" (unless set it is the route's path), or choose another name";
    refuse_in_route(&[(&at_path, expected)]);
}

#[test]
fn there_are_1_to_8_secrets_of_16_to_1024_bytes() {
    let with = |secret: &str| format!("{ROUTE}sticky = {{ cookie = \"at\", secret = {secret} }}\n");
    let of = |bytes: usize| format!("\"{}\"", "s".repeat(bytes));
    let list = |count: usize| format!("[{}]", vec![of(16); count].join(", "));
    for good in [of(16), of(1024), list(1), list(8)] {
        accept(&with(&good));
    }
    for (bad, reason) in [
        (of(15), "must have 16 to 1024 bytes"),
        (of(1025), "must have 16 to 1024 bytes"),
        (list(0), "must have 1 to 8 secrets"),
        (list(9), "must have 1 to 8 secrets"),
    ] {
        let refused = parse(&format!("{LISTENER}{}", with(&bad)), "p").unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
        assert!(!refused.contains("ssss"), "no secret is told: {refused}");
    }
}
