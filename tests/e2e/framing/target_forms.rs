//! The four forms of a request target: RFC 9112 section 3.2.

use super::case::{Bench, Case, request, seen};

#[test]
fn absolute_form_becomes_origin_form() {
    let absolute = "RFC 9112 §3.2.2: a server MUST accept the absolute-form";
    let case = |name, target: &str, host: &str, path: &str, seen_host: &str| {
        let send = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let head = seen("GET", path, "", "").replace("a.test", seen_host);
        Case::forwarded(name, absolute, send).seen(head, "")
    };
    Bench::run(&[
        case("plain", "http://a.test/x", "a.test", "/x", "a.test"),
        case("a query", "http://a.test/x?y=1", "a.test", "/x?y=1", "a.test"),
        case("no path", "http://a.test", "a.test", "/", "a.test"),
        case("no path but a query", "http://a.test?y=1", "a.test", "/?y=1", "a.test"),
        case("scheme in upper case", "HTTP://a.test/x", "a.test", "/x", "a.test"),
        case("host in upper case", "http://A.TEST/x", "a.test", "/x", "a.test"),
        case("the default port said", "http://a.test:80/x", "a.test", "/x", "a.test"),
        case(
            "a URL inside the path",
            "http://a.test/http://b.test/",
            "a.test",
            "/http://b.test/",
            "a.test",
        ),
        case("a port on both", "http://a.test:8080/x", "a.test:8080", "/x", "a.test:8080"),
    ]);
}

#[test]
fn absolute_forms_that_name_another_host_are_refused() {
    let differs = "design: Host differing from absolute-form is ambiguous";
    let case = |name, cite, target: &str, host: &str| {
        let send = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        Case::refused(name, cite, "ambiguous-host", send)
    };
    let user = "RFC 9110 §4.2.4: user information is an error";
    let empty = "RFC 9110 §4.2.1: an empty host identifier is invalid";
    Bench::run(&[
        case("another host", differs, "http://b.test/", "a.test"),
        case("another port", differs, "http://a.test:81/", "a.test"),
        case("a port beside another", differs, "http://a.test:81/", "a.test:82"),
        case("a host with another behind", differs, "http://a.test.evil.test/", "a.test"),
        case("user information", user, "http://user@a.test/", "a.test"),
        case("user and password", user, "http://user:pass@a.test/", "a.test"),
        case("an empty host", empty, "http:///x", "a.test"),
        case("an empty host with a port", empty, "http://:80/x", "a.test"),
        case("a space for a host", differs, "http://%20/x", "a.test"),
        Case::refused(
            "no Host beside it",
            "RFC 9112 §3.2: MUST 400 a request of 1.1 without Host",
            "ambiguous-host",
            "GET http://a.test/ HTTP/1.1\r\n\r\n",
        ),
    ]);
}

#[test]
fn targets_of_no_form_are_refused() {
    let form = "RFC 9112 §3.2: origin-form begins with a slash";
    let bad = |name, method, target| {
        Case::refused(name, form, "bad-request", request(method, target, ""))
    };
    Bench::run(&[
        bad("a relative path", "GET", "x/y"),
        bad("a query alone", "GET", "?x=1"),
        bad("a fragment alone", "GET", "#x"),
        bad("an asterisk for GET", "GET", "*"),
        bad("an asterisk with more", "OPTIONS", "*x"),
        bad("authority-form for GET", "GET", "a.test:80"),
        bad("a host alone", "GET", "a.test"),
        bad("another scheme", "GET", "ftp://a.test/"),
        bad("a scheme without slashes", "GET", "http:a.test/"),
        bad("a scheme with one slash", "GET", "http:/a.test/"),
        bad("a backslash first", "GET", "\\x"),
    ]);
}
