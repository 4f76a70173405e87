//! `[headers]`, `[access_log]` and the edits of a route.

use super::{refuse, refuse_in_route};

#[test]
fn header_settings_are_checked() {
    refuse(&[
        (
            r#"[headers]
forwarded = "apend""#,
            r#"p:3:13: headers.forwarded: "apend" is not one of "append", "replace", "off"; did you mean "append"?"#,
        ),
        (
            r#"[headers]
forwarded = "always""#,
            r#"p:3:13: headers.forwarded: "always" is not one of "append", "replace", "off""#,
        ),
        (
            r#"[headers]
trusted_proxies = ["10.0.0.0/33"]"#,
            r#"p:3:20: headers.trusted_proxies[0]: the prefix length in "10.0.0.0/33" is not from 0 to 32"#,
        ),
        (
            r#"[headers]
trusted_proxies = ["10.0.0.0/+8"]"#,
            r#"p:3:20: headers.trusted_proxies[0]: the prefix length in "10.0.0.0/+8" is not from 0 to 32"#,
        ),
        (
            r#"[headers]
trusted_proxies = ["::/129"]"#,
            r#"p:3:20: headers.trusted_proxies[0]: the prefix length in "::/129" is not from 0 to 128"#,
        ),
        (
            r#"[headers]
trusted_proxies = ["proxy.example"]"#,
            r#"p:3:20: headers.trusted_proxies[0]: "proxy.example" is not an IP address or network; write "10.0.0.0/8" or "192.0.2.1", for example"#,
        ),
        (
            r#"[headers]
trusted_proxies = ["10.0.0.0/"]"#,
            r#"p:3:20: headers.trusted_proxies[0]: the prefix length in "10.0.0.0/" is not from 0 to 32"#,
        ),
        (
            r#"[headers]
request_id = "x request id""#,
            r#"p:3:14: headers.request_id: "x request id" is not a field name; a field name consists of letters, digits and the likes of "-""#,
        ),
        (
            r#"[headers]
request_id = """#,
            r#"p:3:14: headers.request_id: "" is not a field name; a field name consists of letters, digits and the likes of "-""#,
        ),
        (
            r#"[headers]
request_id = "host""#,
            r#"p:3:14: headers.request_id: host cannot carry the request id; the default is "x-request-id""#,
        ),
        (
            r#"[headers]
request_id = "Date""#,
            r#"p:3:14: headers.request_id: date cannot carry the request id; the default is "x-request-id""#,
        ),
        (
            r#"[headers]
request_id = "authorization""#,
            r#"p:3:14: headers.request_id: authorization cannot carry the request id; the default is "x-request-id""#,
        ),
        (
            r#"[headers]
request_id = "Server""#,
            r#"p:3:14: headers.request_id: server cannot carry the request id; the default is "x-request-id""#,
        ),
        (
            r#"[headers]
via = "a b""#,
            r#"p:3:7: headers.via: "a b" is not a token; use 1 to 64 letters, digits, "-", "." or "_""#,
        ),
        (
            r#"[headers]
node_id = """#,
            r#"p:3:11: headers.node_id: "" is not a token; use 1 to 64 letters, digits, "-", "." or "_""#,
        ),
        (
            r#"[headers]
node_id = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn""#,
            r#"p:3:11: headers.node_id: "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…" is not a token; use 1 to 64 letters, digits, "-", "." or "_""#,
        ),
        (
            r#"[access_log]
format = "jsonl""#,
            r#"p:3:10: access_log.format: "jsonl" is not one of "json", "common"; did you mean "json"?"#,
        ),
        (
            r#"[access_log]
path = "off""#,
            r#"p:3:8: access_log.path: "off" would be a file of that name; write "" for no access log, or "./off" for the file"#,
        ),
        (
            r#"[access_log]
path = "a\u0000b""#,
            "p:3:8: access_log.path: not the name of a file",
        ),
    ]);
}

#[test]
fn field_edits_are_checked() {
    refuse(&[(
        r#"[headers]
request_id = "x-trace"
[[route]]
host = "a.example"
endpoints = ["10.0.0.1:80"]
request_headers = { remove = ["x-trace"] }"#,
        "p:7:31: route[0].request_headers.remove[0]: x-trace cannot be set or removed: the request id is kept by the router; see [headers] request_id",
    )]);
    refuse_in_route(&[
        (
            r#"request_headers = { set = { "a b" = "x" } }"#,
            r#"p:5:29: route[0].request_headers.set."a b": "a b" is not a field name; a field name consists of letters, digits and the likes of "-""#,
        ),
        (
            r#"request_headers = { set = { "" = "x" } }"#,
            r#"p:5:29: route[0].request_headers.set."": "" is not a field name; a field name consists of letters, digits and the likes of "-""#,
        ),
        (
            r#"request_headers = { set = { a = "x\ny" } }"#,
            r"p:5:33: route[0].request_headers.set.a: a field value cannot contain '\n'",
        ),
        (
            r#"request_headers = { set = { a = " x" } }"#,
            r#"p:5:33: route[0].request_headers.set.a: " x" begins or ends with a blank; blanks round a field value are not part of it"#,
        ),
        (
            r#"request_headers = { set = { a = "ü" } }"#,
            "p:5:33: route[0].request_headers.set.a: a field value cannot contain 'ü'",
        ),
        (
            "request_headers = { set = { a = 1 } }",
            "p:5:33: route[0].request_headers.set.a: must be a string, not an integer; write it in quotes",
        ),
        (
            r#"request_headers = { set = { X-a = "1", x-A = "2" } }"#,
            "p:5:40: route[0].request_headers.set.x-A: this field is set twice; names have no case",
        ),
        (
            r#"request_headers = { remove = ["a:"] }"#,
            r#"p:5:31: route[0].request_headers.remove[0]: "a:" is not a field name; a field name consists of letters, digits and the likes of "-""#,
        ),
    ]);
}

#[test]
fn fields_of_the_router_itself_can_be_neither_set_nor_removed() {
    let own = [
        ("Host", "the client's Host goes to the endpoint unchanged"),
        ("Content-Length", "the router itself frames every message"),
        ("Transfer-Encoding", "the router itself frames every message"),
        ("Connection", "it belongs to one connection, and the router manages those"),
        ("Keep-Alive", "it belongs to one connection, and the router manages those"),
        ("TE", "it belongs to one connection, and the router manages those"),
        ("Trailer", "it belongs to one connection, and the router manages those"),
        ("Upgrade", "it belongs to one connection, and the router manages those"),
        ("Proxy-Connection", "it belongs to one connection, and the router manages those"),
        ("HTTP2-Settings", "it belongs to one connection, and the router manages those"),
        ("Proxy-Authenticate", "it belongs to one connection, and the router manages those"),
        ("Proxy-Authorization", "it belongs to one connection, and the router manages those"),
        ("Via", "the router writes it; see [headers] via"),
        ("X-Forwarded-For", "the router writes it; see [headers] forwarded"),
        ("X-Forwarded-Proto", "the router writes it; see [headers] forwarded"),
        ("X-Forwarded-Host", "the router writes it; see [headers] forwarded"),
        (
            "X-Forwarded-Client-Cert",
            "the router vouches for it; see [headers] forwarded_client_cert",
        ),
        ("X-Request-Id", "the request id is kept by the router; see [headers] request_id"),
    ];
    for (name, why) in own {
        let reason = format!("{} cannot be set or removed: {why}", name.to_ascii_lowercase());
        let set = format!("request_headers = {{ set = {{ {name} = \"x\" }} }}");
        let line = format!("p:5:29: route[0].request_headers.set.{name}: {reason}");
        refuse_in_route(&[(&set, &line)]);
        let remove = format!("response_headers = {{ remove = [\"{name}\"] }}");
        let line = format!("p:5:32: route[0].response_headers.remove[0]: {reason}");
        refuse_in_route(&[(&remove, &line)]);
    }
}

#[test]
fn what_the_router_acts_on_in_requests_is_left_alone_there() {
    for name in ["expect", "forwarded"] {
        let line = "p:5:31: route[0].request_headers.remove[0]: ";
        let line = format!("{line}{name} cannot be set or removed: the router acts on it");
        refuse_in_route(&[(&format!("request_headers = {{ remove = [\"{name}\"] }}"), &line)]);
    }
    for name in ["x_forwarded_for", "content_length", "x_request_id"] {
        let line = format!(
            "p:5:29: route[0].request_headers.set.{name}: {name} cannot be set: servers that fold \
             names take it for a field that the router vouches for"
        );
        refuse_in_route(&[(&format!("request_headers = {{ set = {{ {name} = \"x\" }} }}"), &line)]);
    }
}
