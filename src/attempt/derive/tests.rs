use http::Method;

use super::*;
use crate::attempt::policy::HeaderEdits;
use crate::attempt::via::Via;
use crate::http1::Framing;
use crate::request::{ClientInfo, RequestHeadParts};

type Lines<'a> = &'a [(&'a str, &'a str)];

fn lines(lines: Lines<'_>) -> FieldLines {
    lines
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

struct Case {
    trusted: bool,
    secure: bool,
    peer: &'static str,
    version: Version,
    authority: &'static str,
    forwarded: Forwarded,
    edits: HeaderEdits,
    via: bool,
    framing: Framing,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            trusted: false,
            secure: false,
            peer: "192.0.2.107:40000",
            version: Version::Http11,
            authority: "Shop.example:80",
            forwarded: Forwarded::Append,
            edits: HeaderEdits::default(),
            via: true,
            framing: Framing::Length(3),
        }
    }
}

impl Case {
    fn head(&self, received: Lines<'_>) -> RequestHead {
        RequestHead::new(RequestHeadParts {
            method: Method::PUT,
            target: "/a?b#c".into(),
            path: "/a".into(),
            host: crate::request::RequestHost::from_authority(b"shop.example").unwrap(),
            authority: HeaderValue::from_static(self.authority),
            version: self.version,
            fields: lines(received),
            framing: self.framing,
            client: ClientInfo {
                peer: self.peer.parse().unwrap(),
                local: "192.0.2.1:80".parse().unwrap(),
                trusted: self.trusted,
                secure: self.secure,
            },
            request_id: HeaderValue::from_static("id-1"),
        })
    }

    fn policy(&self) -> HeadPolicy {
        let via = self.via.then(|| Via::new("pointsman", "a1").unwrap());
        let id = HeaderName::from_static("x-request-id");
        HeadPolicy::new(self.forwarded, id, via, self.edits.clone()).unwrap()
    }

    fn attempt(&self, received: Lines<'_>) -> AttemptParts {
        let endpoint = "192.0.2.9:8080".parse().unwrap();
        derive(&self.head(received), &self.policy(), endpoint, 1).into_parts()
    }

    /// The values of one field, in order.
    fn values(&self, received: Lines<'_>, name: &str) -> Vec<String> {
        let name: HeaderName = name.parse().unwrap();
        let fields = self.attempt(received).fields;
        fields.all(&name).map(|value| value.to_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_plain_request_gets_host_first_and_the_routers_fields_last() {
    let got = Case::default().attempt(&[
        ("accept", "*/*"),
        ("host", "Shop.example:80"),
        ("cookie", "a=1"),
        ("x-b", "2"),
        ("cookie", "b=2"),
    ]);
    let want = lines(&[
        ("host", "Shop.example:80"),
        ("accept", "*/*"),
        ("cookie", "a=1"),
        ("x-b", "2"),
        ("cookie", "b=2"),
        ("x-forwarded-for", "192.0.2.107"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "Shop.example:80"),
        ("x-request-id", "id-1"),
        ("via", "1.1 pointsman-a1"),
    ]);
    assert_eq!(got.fields, want);
    assert_eq!(got.target, "/a?b#c");
    assert_eq!(got.framing, Framing::Length(3));
}

#[test]
fn the_head_knows_its_endpoint_and_number() {
    let case = Case::default();
    let endpoint = "192.0.2.9:8080".parse().unwrap();
    let head = derive(&case.head(&[]), &case.policy(), endpoint, 2);
    assert_eq!((head.endpoint(), head.number()), (endpoint, 2));
    assert_eq!((head.method(), head.framing()), (&Method::PUT, Framing::Length(3)));
}

#[test]
fn fields_for_the_next_hop_alone_end_here() {
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "proxy-authorization",
        "proxy-authenticate",
        "content-length",
        "content_length",
        "transfer_encoding",
    ] {
        for trusted in [false, true] {
            let case = Case { trusted, ..Case::default() };
            assert!(case.values(&[(name, "close")], name).is_empty(), "{name}");
        }
    }
}

#[test]
fn an_upgrade_that_may_be_had_is_asked_for_anew() {
    let asked = |case: &Case, connection, upgrade| {
        let received: Lines<'_> = &[("connection", connection), ("upgrade", upgrade)];
        [case.values(received, "connection"), case.values(received, "upgrade")].concat()
    };
    let case = Case::default();
    for (received, sent) in [
        ("websocket", "websocket"),
        ("websocket, h2c", "websocket"),
        ("foo/2, H2C/x, bar", "foo/2, bar"),
    ] {
        assert_eq!(asked(&case, "keep-alive, upgrade", received), ["upgrade", sent]);
    }
    for never in ["h2c", "http/2.0, TLS/1.3", "a b, websocket", ""] {
        assert!(asked(&case, "upgrade", never).is_empty(), "{never}");
    }
    assert!(asked(&case, "keep-alive", "websocket").is_empty(), "no option");
    let old = Case { version: Version::Http10, ..Case::default() };
    assert!(asked(&old, "upgrade", "websocket").is_empty());
}

#[test]
fn what_connection_names_is_removed_wherever_it_stands() {
    let case = Case::default();
    let received: Lines<'_> = &[
        ("x-before", "1"),
        ("authorization", "x"),
        ("connection", "close, X-Before"),
        ("connection", "x-after ,authorization"),
        ("x-after", "2"),
        ("x-stays", "3"),
    ];
    for name in ["x-before", "x-after", "authorization"] {
        assert!(case.values(received, name).is_empty(), "{name}");
    }
    assert_eq!(case.values(received, "x-stays"), ["3"]);
}

#[test]
fn connection_cannot_name_away_what_the_router_sets_or_acts_on() {
    let options = "host, via, x-forwarded-for, x-forwarded-proto, x-forwarded-host, forwarded, \
                   x-request-id, expect, x-env";
    let set = (HeaderName::from_static("x-env"), HeaderValue::from_static("prod"));
    let case = Case {
        trusted: true,
        edits: HeaderEdits { set: vec![set], remove: Vec::new() },
        ..Case::default()
    };
    let received: Lines<'_> = &[
        ("connection", options),
        ("via", "1.0 edge"),
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "a.example"),
        ("forwarded", "for=198.51.100.1"),
        ("expect", "100-continue"),
    ];
    let values = |name| case.values(received, name);
    assert_eq!(values("host"), ["Shop.example:80"]);
    assert_eq!(values("via"), ["1.0 edge", "1.1 pointsman-a1"]);
    assert_eq!(values("x-forwarded-for"), ["198.51.100.1, 192.0.2.107"]);
    assert_eq!(values("x-forwarded-proto"), ["https"]);
    assert_eq!(values("x-forwarded-host"), ["a.example"]);
    assert_eq!(values("forwarded"), ["for=198.51.100.1"]);
    assert_eq!(values("x-request-id"), ["id-1"]);
    assert_eq!(values("expect"), ["100-continue"]);
    assert_eq!(values("x-env"), ["prod"]);
}

#[test]
fn a_client_that_takes_trailers_is_announced_anew() {
    let case = Case::default();
    let received: Lines<'_> = &[("te", "gzip;q=0.5, Trailers"), ("connection", "TE, x-a")];
    assert_eq!(case.values(received, "te"), ["trailers"]);
    assert_eq!(case.values(received, "connection"), ["te"]);
    assert!(case.values(&[("te", "gzip")], "te").is_empty());
}

#[test]
fn an_untrusted_clients_word_on_where_it_comes_from_is_replaced() {
    let case = Case::default();
    let received: Lines<'_> = &[
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("x-request-id", "forged"),
        ("forwarded", "for=198.51.100.1"),
    ];
    assert_eq!(case.values(received, "x-forwarded-for"), ["192.0.2.107"]);
    assert_eq!(case.values(received, "x-forwarded-proto"), ["http"]);
    assert_eq!(case.values(received, "x-forwarded-host"), ["Shop.example:80"]);
    assert_eq!(case.values(received, "x-request-id"), ["id-1"]);
    assert!(case.values(received, "forwarded").is_empty());
}

#[test]
fn a_trusted_proxys_chain_is_joined_in_order_and_added_to() {
    let case = Case { trusted: true, ..Case::default() };
    let received: Lines<'_> = &[
        ("x-forwarded-for", "198.51.100.1, 198.51.100.2"),
        ("x-forwarded-for", ""),
        ("x-a", "1"),
        ("x-forwarded-for", " 198.51.100.3 "),
    ];
    let joined = "198.51.100.1, 198.51.100.2, 198.51.100.3, 192.0.2.107";
    assert_eq!(case.values(received, "x-forwarded-for"), [joined]);
}

#[test]
fn replace_believes_nobody_and_off_touches_nothing() {
    let received: Lines<'_> = &[
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "a.example"),
        ("x_forwarded_for", "198.51.100.7"),
    ];
    let case = Case { trusted: true, forwarded: Forwarded::Replace, ..Case::default() };
    assert_eq!(case.values(received, "x-forwarded-for"), ["192.0.2.107"]);
    assert_eq!(case.values(received, "x-forwarded-proto"), ["http"]);
    assert_eq!(case.values(received, "x-forwarded-host"), ["Shop.example:80"]);
    let case = Case { forwarded: Forwarded::Off, ..Case::default() };
    for (name, value) in received {
        assert_eq!(case.values(received, name), [*value]);
    }
    assert!(case.values(&[], "x-forwarded-for").is_empty());
}

#[test]
fn an_encrypted_connection_is_forwarded_as_https() {
    let case = Case { secure: true, ..Case::default() };
    assert_eq!(case.values(&[], "x-forwarded-proto"), ["https"]);
}

#[test]
fn addresses_are_written_in_their_plain_form() {
    for (peer, written) in [
        ("0.9.10.255:1", "0.9.10.255"),
        ("[::ffff:100.1.2.99]:1", "100.1.2.99"),
        ("[2001:db8::1]:1", "2001:db8::1"),
    ] {
        let case = Case { peer, ..Case::default() };
        assert_eq!(case.values(&[], "x-forwarded-for"), [written]);
    }
}

#[test]
fn aliases_of_what_the_router_sets_come_only_from_trusted_proxies() {
    for name in ["x_forwarded_for", "x-forwarded_proto", "x.forwarded.host", "x_request-id"] {
        assert!(Case::default().values(&[(name, "1")], name).is_empty(), "{name}");
        let case = Case { trusted: true, ..Case::default() };
        assert_eq!(case.values(&[(name, "1")], name), ["1"]);
    }
    assert_eq!(Case::default().values(&[("x_other", "1")], "x_other"), ["1"]);
}

#[test]
fn an_expectation_passes_unless_it_comes_in_http_1_0() {
    let received: Lines<'_> = &[("expect", "100-continue")];
    assert_eq!(Case::default().values(received, "expect"), ["100-continue"]);
    let case = Case { version: Version::Http10, ..Case::default() };
    assert!(case.values(received, "expect").is_empty());
    assert_eq!(case.values(received, "via"), ["1.0 pointsman-a1"]);
}

#[test]
fn without_content_nothing_is_expected() {
    let received: Lines<'_> = &[("expect", "100-continue"), ("x-a", "1")];
    for (framing, passes) in [
        (Framing::None, false),
        (Framing::Length(0), false),
        (Framing::Length(1), true),
        (Framing::Chunked, true),
    ] {
        let case = Case { framing, ..Case::default() };
        assert_eq!(!case.values(received, "expect").is_empty(), passes, "{framing:?}");
        assert_eq!(case.values(received, "x-a"), ["1"]);
    }
}

#[test]
fn a_request_without_authority_carries_an_empty_host_and_no_forwarded_one() {
    let case = Case { authority: "", version: Version::Http10, ..Case::default() };
    assert_eq!(case.values(&[], "host"), [""]);
    assert!(case.values(&[], "x-forwarded-host").is_empty());
}

#[test]
fn a_route_removes_first_then_sets() {
    let name = HeaderName::from_static;
    let edits = HeaderEdits {
        set: vec![
            (name("x-env"), HeaderValue::from_static("prod")),
            (name("x-new"), HeaderValue::from_static("1")),
        ],
        remove: vec![name("x-debug"), name("x-new")],
    };
    let case = Case { edits, via: false, forwarded: Forwarded::Off, ..Case::default() };
    let received: Lines<'_> =
        &[("x-env", "a"), ("x-debug", "1"), ("x-new", "0"), ("x-env", "b"), ("accept", "*/*")];
    let want = lines(&[
        ("host", "Shop.example:80"),
        ("x-env", "prod"),
        ("accept", "*/*"),
        ("x-new", "1"),
        ("x-request-id", "id-1"),
    ]);
    assert_eq!(case.attempt(received).fields, want);
}

#[test]
fn request_trailers_pass_without_what_may_not_trail() {
    let case = Case::default();
    let head = case.head(&[("connection", "x-named")]);
    let trailers = lines(&[
        ("x-checksum", "1"),
        ("content-length", "5"),
        ("x-forwarded-for", "198.51.100.1"),
        ("x_forwarded_for", "198.51.100.1"),
        ("authorization", "x"),
        ("if-match", "x"),
        ("x-request-id", "forged"),
        ("x-named", "1"),
        ("x-checksum", "2"),
    ]);
    let got = request_trailers(&head, &case.policy(), trailers);
    assert_eq!(got, lines(&[("x-checksum", "1"), ("x-checksum", "2")]));
}

#[test]
fn a_field_that_the_route_decides_does_not_come_by_the_trailers() {
    let name = HeaderName::from_static;
    let edits = HeaderEdits {
        set: vec![(name("x-env"), HeaderValue::from_static("prod"))],
        remove: vec![name("x-debug")],
    };
    let case = Case { edits, ..Case::default() };
    let trailers = lines(&[("x-debug", "1"), ("x-sum", "2"), ("x-env", "forged")]);
    let got = request_trailers(&case.head(&[]), &case.policy(), trailers);
    assert_eq!(got, lines(&[("x-sum", "2")]));
}
