//! `sticky`: the cookie's path, and what browsers would drop.

use super::{ROUTE, accept, refuse, refuse_in_route};

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
