//! Hosts and paths.

use super::{refuse, refuse_in_route};

#[test]
fn hosts_are_checked() {
    refuse(&[
        (
            "[[route]]\nendpoints = []",
            r#"p:2:1: route[0]: host is missing; write host = "shop.example.com", "*.example.com" or "*""#,
        ),
        (
            r#"[[route]]
endpoints = []
host = """#,
            r#"p:4:8: route[0].host: the host is empty; "*" stands for every host"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "a.example:8080""#,
            r#"p:4:8: route[0].host: "a.example:8080" contains a port, and a route is chosen by the host alone, whatever the port; write "a.example""#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "http://a.example""#,
            r#"p:4:8: route[0].host: "http://a.example" is a URL; write its host alone"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "a.example/api""#,
            r#"p:4:8: route[0].host: "a.example/api" contains a path; write host = "a.example", and path beside it"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "münchen.example""#,
            r#"p:4:8: route[0].host: "münchen.example" is not ASCII; write an international name as clients send it: xn--…"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "a..example""#,
            r#"p:4:8: route[0].host: "a..example" has an empty label"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "a.*.example""#,
            r#"p:4:8: route[0].host: "a.*.example" has a wildcard that is not its first label; "*.example.com" covers every depth below example.com"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "*a.example""#,
            r#"p:4:8: route[0].host: "*a.example" has a wildcard that is not its first label; "*.example.com" covers every depth below example.com"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "**""#,
            r#"p:4:8: route[0].host: "**" has a wildcard that is not its first label; "*.example.com" covers every depth below example.com"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "*.""#,
            r#"p:4:8: route[0].host: "*." has a wildcard that is not its first label; "*.example.com" covers every depth below example.com"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "*.*.example""#,
            r#"p:4:8: route[0].host: "*.*.example" has a wildcard that is not its first label; "*.example.com" covers every depth below example.com"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "-a.example""#,
            r#"p:4:8: route[0].host: "-a.example" has a label that begins or ends with a hyphen"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "a-.example""#,
            r#"p:4:8: route[0].host: "a-.example" has a label that begins or ends with a hyphen"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "a b.example""#,
            r#"p:4:8: route[0].host: "a b.example" contains ' '"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "1.2.3.4.5""#,
            r#"p:4:8: route[0].host: "1.2.3.4.5" is neither a name nor an IPv4 address"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "256.1.1.1""#,
            r#"p:4:8: route[0].host: "256.1.1.1" is neither a name nor an IPv4 address"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "*.10.0.0.1""#,
            r#"p:4:8: route[0].host: "*.10.0.0.1" is neither a name nor an IPv4 address"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "::1""#,
            r#"p:4:8: route[0].host: the IPv6 address "::1" is not in brackets; write "[::1]""#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "[::1""#,
            r#"p:4:8: route[0].host: "[::1" is not an IPv6 address"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "[::x]""#,
            r#"p:4:8: route[0].host: "[::x]" is not an IPv6 address"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "[::1]:80""#,
            r#"p:4:8: route[0].host: "[::1]:80" contains a port, and a route is chosen by the host alone, whatever the port; write "[::1]""#,
        ),
        (
            r#"[[route]]
endpoints = []
host = ".""#,
            r#"p:4:8: route[0].host: "." has an empty label"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example""#,
            r#"p:4:8: route[0].host: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…" has a label longer than 63 characters"#,
        ),
        (
            r#"[[route]]
endpoints = []
host = "abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg""#,
            r#"p:4:8: route[0].host: "abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcdefg.abcd…" is longer than 253 characters"#,
        ),
    ]);
}

#[test]
fn paths_are_checked() {
    refuse(&[
        (
            r#"[health]
path = "health""#,
            r#"p:3:8: health.path: "health" does not start with "/"; write "/health""#,
        ),
        (
            r#"[health]
path = "/health?x""#,
            r#"p:3:8: health.path: "/health?x" contains a query, which routes do not look at; write "/health""#,
        ),
        (
            r#"[health]
user_agents = [""]"#,
            "p:3:16: health.user_agents[0]: the User-Agent of a probe cannot be empty",
        ),
    ]);
    refuse_in_route(&[
        (r#"path = """#, r#"p:5:8: route[0].path: "" does not start with "/"; write "/""#),
        (r#"path = "api""#, r#"p:5:8: route[0].path: "api" does not start with "/"; write "/api""#),
        (
            r#"path = "/api?x=1""#,
            r#"p:5:8: route[0].path: "/api?x=1" contains a query, which routes do not look at; write "/api""#,
        ),
        (
            r#"path = "/api#top""#,
            r#"p:5:8: route[0].path: "/api#top" contains a fragment, which routes do not look at; write "/api""#,
        ),
        (
            r#"path = "/a/../b""#,
            r#"p:5:8: route[0].path: "/a/../b" contains a dot segment, so nothing can match it"#,
        ),
        (
            r#"path = "/a/.""#,
            r#"p:5:8: route[0].path: "/a/." contains a dot segment, so nothing can match it"#,
        ),
        (
            r#"path = "/%2e%2E/b""#,
            r#"p:5:8: route[0].path: "/%2e%2E/b" contains a dot segment, so nothing can match it"#,
        ),
        (
            r#"path = "/a b""#,
            r#"p:5:8: route[0].path: "/a b" contains ' '; percent-encode it: %20"#,
        ),
        (r#"path = "/ü""#, r#"p:5:8: route[0].path: "/ü" contains 'ü'; percent-encode it: %C3%BC"#),
        (
            r#"path = "/%zz""#,
            r#"p:5:8: route[0].path: "/%zz" has a "%" that is not followed by two hexadecimal digits; a percent sign itself is written "%25""#,
        ),
        (
            r#"path = "/%""#,
            r#"p:5:8: route[0].path: "/%" has a "%" that is not followed by two hexadecimal digits; a percent sign itself is written "%25""#,
        ),
        (
            r#"path = "/%4""#,
            r#"p:5:8: route[0].path: "/%4" has a "%" that is not followed by two hexadecimal digits; a percent sign itself is written "%25""#,
        ),
        (
            r#"path = "/api//""#,
            r#"p:5:8: route[0].path: "/api//" has an empty segment; write "/api/""#,
        ),
        (
            r#"path = "/a///b//c""#,
            r#"p:5:8: route[0].path: "/a///b//c" has an empty segment; write "/a/b/c""#,
        ),
        (
            r#"path = "/a|b""#,
            r#"p:5:8: route[0].path: "/a|b": a path holds the byte | only percent-encoded"#,
        ),
        (
            r#"path = "/a/..;x""#,
            r#"p:5:8: route[0].path: "/a/..;x": a path prefix has no dot segments, plain or hidden"#,
        ),
        (
            r#"path = "http://a.example/api""#,
            r#"p:5:8: route[0].path: "http://a.example/api" does not start with "/"; write the path alone, and the host beside it"#,
        ),
    ]);
}
