//! `[headers]`, and the edits a route makes to heads.

use http::header::{self, HeaderName, HeaderValue};

use super::address::networks;
use super::findings::{Fault, Findings, quoted};
use super::item::{Item, Section};
use super::settings::{Forwarded, ForwardedClientCert, HeaderEdits, HeaderSettings};
use super::shape::HEADER_EDITS;

/// The longest pseudonym or node name; they travel with every request.
const LONGEST_NAME: usize = 64;

const FORWARDED: &[(&str, Forwarded)] =
    &[("append", Forwarded::Append), ("replace", Forwarded::Replace), ("off", Forwarded::Off)];

const CLIENT_CERT: &[(&str, ForwardedClientCert)] = &[
    ("strip", ForwardedClientCert::Strip),
    ("set", ForwardedClientCert::Set),
    ("forward_if_mtls", ForwardedClientCert::ForwardIfMtls),
    ("pass", ForwardedClientCert::Pass),
];

/// Reads `[headers]` over the defaults.
pub(super) fn headers(section: Option<Section<'_>>, findings: &mut Findings<'_>) -> HeaderSettings {
    let mut headers = HeaderSettings::default();
    let Some(section) = section else { return headers };
    if let Some(item) = section.item("forwarded") {
        headers.forwarded = item.word(FORWARDED, findings).unwrap_or(headers.forwarded);
    }
    if let Some(item) = section.item("trusted_proxies") {
        let items = item.elements(findings).unwrap_or_default();
        headers.trusted_proxies = networks(&items, findings);
    }
    if let Some(item) = section.item("forwarded_client_cert") {
        let word = item.word(CLIENT_CERT, findings);
        headers.forwarded_client_cert = word.unwrap_or(headers.forwarded_client_cert);
    }
    if let Some(item) = section.item("request_id") {
        let name = item.read(findings, request_id_name);
        headers.request_id = name.unwrap_or(headers.request_id);
    }
    if let Some(item) = section.item("via") {
        headers.via = if item.is("") { None } else { item.read(findings, pseudonym) };
    }
    if let Some(item) = section.item("node_id") {
        headers.node_id = item.read(findings, pseudonym);
    }
    headers
}

/// Reads `request_headers` or `response_headers` of a route.
pub(super) fn edits(
    item: Option<Item<'_>>,
    request_id: &HeaderName,
    findings: &mut Findings<'_>,
) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    let Some(section) = item.and_then(|item| item.section(&HEADER_EDITS, findings)) else {
        return edits;
    };
    let pairs = section.item("set").and_then(|item| item.pairs(findings)).unwrap_or_default();
    for (key, place, value) in pairs {
        let name = editable(key, request_id);
        let value = value.read(findings, field_value);
        let twice = |name: &HeaderName| edits.set.iter().any(|(other, _)| other == name);
        match name {
            Ok(name) if twice(&name) => {
                findings.report(&place, Fault::new("this field is set twice; names have no case"));
            }
            Ok(name) => edits.set.extend(value.map(|value| (name, value))),
            Err(fault) => findings.report(&place, fault),
        }
    }
    let names = section.item("remove").and_then(|item| item.elements(findings)).unwrap_or_default();
    edits.remove =
        names.iter().filter_map(|item| item.read(findings, |n| editable(n, request_id))).collect();
    edits
}

/// A field name that a route may set or remove.
fn editable(text: &str, request_id: &HeaderName) -> Result<HeaderName, Fault> {
    let name = field_name(text)?;
    let controlled = if name == request_id {
        Some("the request id is kept by the router; see [headers] request_id")
    } else {
        controlled(&name)
    };
    match controlled {
        Some(why) => Err(Fault::new(format!("{name} cannot be set or removed: {why}"))),
        None => Ok(name),
    }
}

/// Why a field is the router's own, if it is.
fn controlled(name: &HeaderName) -> Option<&'static str> {
    const CONNECTION: &str = "it belongs to one connection, and the router manages those";
    match name.as_str() {
        "host" => Some("the client's Host goes to the endpoint unchanged"),
        "content-length" | "transfer-encoding" => Some("the router itself frames every message"),
        "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "upgrade" => {
            Some(CONNECTION)
        }
        "via" => Some("the router writes it; see [headers] via"),
        "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host" => {
            Some("the router writes it; see [headers] forwarded")
        }
        "x-forwarded-client-cert" => {
            Some("the router vouches for it; see [headers] forwarded_client_cert")
        }
        _ => None,
    }
}

fn field_name(text: &str) -> Result<HeaderName, Fault> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| {
        Fault::new(format!("{} is not a field name", quoted(text)))
            .help("a field name consists of letters, digits and the likes of \"-\"")
    })
}

/// The request id's field name: one that no other part of the router writes.
fn request_id_name(text: &str) -> Result<HeaderName, Fault> {
    let name = field_name(text)?;
    let own = controlled(&name).is_some() || name == header::DATE || name == header::SERVER;
    if own {
        return Err(Fault::new(format!("{name} cannot carry the request id"))
            .help("the default is \"x-request-id\""));
    }
    Ok(name)
}

/// A value that survives the wire as it is (RFC 9110 section 5.5): visible
/// ASCII, with spaces and tabs only inside.
fn field_value(text: &str) -> Result<HeaderValue, Fault> {
    if text.trim_matches([' ', '\t']).len() != text.len() {
        return Err(Fault::new(format!("{} begins or ends with a blank", quoted(text)))
            .help("blanks round a field value are not part of it"));
    }
    let legal = |c: char| c.is_ascii_graphic() || c == ' ' || c == '\t';
    if let Some(strange) = text.chars().find(|c| !legal(*c)) {
        return Err(Fault::new(format!("a field value cannot contain {strange:?}")));
    }
    HeaderValue::from_str(text).map_err(|_| Fault::new("not a legal field value"))
}

/// A token (RFC 9110 section 5.6.2) for `Via`.
fn pseudonym(text: &str) -> Result<String, Fault> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || text.len() > LONGEST_NAME || !text.bytes().all(token) {
        return Err(Fault::new(format!("{} is not a token", quoted(text)))
            .help(format!("use 1 to {LONGEST_NAME} letters, digits, \"-\", \".\" or \"_\"")));
    }
    Ok(text.to_owned())
}
