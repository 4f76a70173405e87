//! TLS and the PROXY protocol, of listeners and of endpoints.

use std::path::Path;

use super::{ROUTE, accept, refuse, refuse_whole};
use crate::config::{ClientAuth, TlsVersion, parse};

/// A listener whose `tls` is this, on line 3.
fn listener(tls: &str) -> String {
    format!("[[listener]]\naddress = \"127.0.0.1:443\"\ntls = {tls}\n")
}

#[test]
fn a_listener_has_certificates_and_says_whom_it_lets_in() {
    let text = listener(
        r#"{ certificates = [{ chain = "a.pem", key = "/keys/a.key", ocsp = "a.ocsp" },
            { chain = "b.pem", key = "b.key", client_auth = "require" },
            { chain = "c.pem", key = "c.key", client_auth = "none" }],
            min_version = "1.3", client_auth = "request", client_ca = "ca.pem" }"#,
    );
    let settings = parse(&text, "/etc/pointsman/p.toml").unwrap();
    let tls = settings.listeners[0].tls.as_ref().unwrap();
    let [a, b, c] = &tls.certificates[..] else { panic!("{tls:?}") };
    assert_eq!(a.chain.path, Path::new("/etc/pointsman/a.pem"), "beside the file");
    assert_eq!(a.key.path, Path::new("/keys/a.key"));
    assert!(a.ocsp.is_some() && a.client_auth.is_none());
    let ca = Path::new("/etc/pointsman/ca.pem");
    let own = b.client_auth.as_ref().unwrap();
    assert_eq!((own.mode, &*own.ca.as_ref().unwrap().path), (ClientAuth::Require, ca));
    assert_eq!(c.client_auth.as_ref().unwrap().mode, ClientAuth::None);
    assert_eq!((tls.min_version, tls.client_auth.mode), (TlsVersion::Tls13, ClientAuth::Request));
    assert_eq!(tls.alpn, ["http/1.1"]);
    assert_eq!(settings.tls_files().len(), 9);
}

#[test]
fn what_tls_cannot_do_without_is_named() {
    let pair = r#"{ chain = "a", key = "b" }"#;
    refuse_whole(&[
        (
            &listener("{}"),
            r#"p:3:7: listener[0].tls: certificates is missing; write certificates = [{ chain = "cert.pem", key = "key.pem" }]"#,
        ),
        (
            &listener("{ certificates = [] }"),
            r#"p:3:24: listener[0].tls.certificates: at least one certificate is needed; write certificates = [{ chain = "cert.pem", key = "key.pem" }]"#,
        ),
        (
            &listener(r#"{ certificates = [{ chain = "a" }] }"#),
            "p:3:25: listener[0].tls.certificates[0]: key is missing",
        ),
        (
            &listener(&format!(r#"{{ certificates = [{pair}], client_auth = "require" }}"#)),
            r#"p:3:68: listener[0].tls.client_auth: client_ca is missing, and without it nobody could be let in; write client_ca = "ca.pem" beside it"#,
        ),
        (
            &listener(&format!(r#"{{ certificates = [{pair}], client_ca = "ca" }}"#)),
            r#"p:3:66: listener[0].tls.client_ca: nobody is asked for a certificate; write client_auth = "require" beside it"#,
        ),
        (
            &listener(&format!(r#"{{ certificates = [{pair}], min_version = "1.1" }}"#)),
            r#"p:3:68: listener[0].tls.min_version: "1.1" is not one of "1.2", "1.3"; did you mean "1.2"?"#,
        ),
        (
            &listener(&format!(r#"{{ certificates = [{pair}], alpn = ["h3"] }}"#)),
            r#"p:3:62: listener[0].tls.alpn[0]: "h3" is not one of "http/1.1""#,
        ),
        (
            &listener(&format!(r#"{{ certificates = [{pair}], alpn = [] }}"#)),
            "p:3:61: listener[0].tls.alpn: at least one protocol is needed",
        ),
        (&listener("true"), "p:3:7: listener[0].tls: must be a table, not a boolean"),
    ]);
}

#[test]
fn an_endpoint_has_tls_with_or_without_more_to_say() {
    let route =
        |endpoint: &str| format!("[[route]]\nhost = \"a.example\"\nendpoints = [{endpoint}]\n");
    let text = route(
        r#"{ address = "10.0.0.1:443", tls = true },
           { address = "10.0.0.2:443", tls = { server_name = "A.Example.", verify_san = "b.example", client_cert = "c", client_key = "k" }, send_proxy = "v2" },
           { address = "10.0.0.3:443", tls = false }"#,
    );
    let settings = accept(&text);
    let [plain, full, none] = &settings.routes[0].endpoints[..] else { panic!() };
    assert_eq!(**plain.tls.as_ref().unwrap(), crate::config::EndpointTlsSettings::default());
    let tls = full.tls.as_ref().unwrap();
    assert_eq!(tls.server_name.as_deref(), Some("a.example"));
    assert_eq!(tls.verify_san.as_deref(), Some("b.example"));
    assert!(tls.identity.is_some() && full.send_proxy && none.tls.is_none());
    refuse(&[
        (
            &route(r#"{ address = "10.0.0.1:443", tls = { client_cert = "c" } }"#),
            "p:4:64: route[0].endpoints[0].tls.client_cert: client_cert and client_key belong together",
        ),
        (
            &route(r#"{ address = "10.0.0.1:443", tls = { server_name = "*.example" } }"#),
            r#"p:4:64: route[0].endpoints[0].tls.server_name: "*.example" is not one name"#,
        ),
        (
            &route(r#"{ address = "10.0.0.1:443", send_proxy = "v1" }"#),
            r#"p:4:55: route[0].endpoints[0].send_proxy: "v1" is not one of "v2"; did you mean "v2"?"#,
        ),
    ]);
}

#[test]
fn balancers_that_send_a_proxy_header_are_listed() {
    let text = |proxy: &str| {
        format!("[[listener]]\naddress = \"127.0.0.1:80\"\nproxy_protocol = {proxy}\n{ROUTE}")
    };
    let settings = parse(&text(r#"{ from = ["10.0.0.0/8", "::1"] }"#), "p").unwrap();
    assert_eq!(settings.listeners[0].proxy_protocol_from.len(), 2);
    let example = r#"write proxy_protocol = { from = ["10.0.0.0/8"] }"#;
    refuse_whole(&[
        (&text("{}"), &format!("p:3:18: listener[0].proxy_protocol: from is missing; {example}")),
        (
            &text("{ from = [] }"),
            &format!(
                "p:3:27: listener[0].proxy_protocol.from: at least one network is needed; {example}"
            ),
        ),
        (&text("true"), "p:3:18: listener[0].proxy_protocol: must be a table, not a boolean"),
    ]);
}

/// The warnings of a text that is accepted, one line each.
fn warnings(text: &str) -> Vec<String> {
    let (_, warnings) = crate::config::read(text, "p").unwrap();
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn what_has_no_use_is_a_warning_at_its_line() {
    let pair = r#"{ chain = "a", key = "b" }"#;
    let unused = r#"p:3:88: listener[0].tls.client_ca: nobody is asked for a certificate, so this has no use; write client_auth = "require", or leave it out"#;
    let tls = format!(r#"{{ certificates = [{pair}], client_auth = "none", client_ca = "ca" }}"#);
    assert_eq!(warnings(&listener(&tls)), [unused]);
    // An authority that is only inherited is somebody else's.
    let inherits = r#"{ certificates = [{ chain = "a", key = "b", client_auth = "none" }], client_auth = "request", client_ca = "ca" }"#;
    assert_eq!(warnings(&listener(inherits)), [""; 0]);
    let twice =
        listener(&format!(r#"{{ certificates = [{pair}], alpn = ["http/1.1", "http/1.1"] }}"#));
    assert_eq!(warnings(&twice), ["p:3:74: listener[0].tls.alpn[1]: is in the list already"]);
    let settings = parse(&twice, "p").unwrap();
    assert_eq!(settings.listeners[0].tls.as_ref().unwrap().alpn, ["http/1.1"]);
}

#[test]
fn a_network_with_more_address_than_counts_is_a_warning() {
    let listener = "[[listener]]\naddress = \"127.0.0.1:80\"\nproxy_protocol = { from = [\"10.0.0.1/8\", \"10.0.0.0/8\", \"10.0.0.1\"] }\n";
    assert_eq!(
        warnings(listener),
        [
            r#"p:3:28: listener[0].proxy_protocol.from[0]: 10.0.0.1/8 is the whole network 10.0.0.0/8; write "10.0.0.0/8", or "10.0.0.1" for the one address"#
        ]
    );
    let trusted = "headers.trusted_proxies = [\"0.0.0.0/0\", \"::/0\", \"::1/64\"]\n[[listener]]\naddress = \"127.0.0.1:80\"\n";
    assert_eq!(
        warnings(trusted),
        [
            r#"p:1:49: headers.trusted_proxies[2]: ::1/64 is the whole network ::/64; write "::/64", or "::1" for the one address"#
        ]
    );
    let settings = parse(trusted, "p").unwrap();
    assert_eq!(settings.headers.trusted_proxies[2].to_string(), "::/64");
}
