//! `[headers]`, and the edits a route makes to heads.

use http::header::{self, HeaderName, HeaderValue};

use super::address::networks;
use super::findings::{Fault, Findings, quoted};
use super::item::{Item, Section};
use super::settings::{Forwarded, ForwardedClientCert, HeaderEdits, HeaderSettings};
use super::shape::HEADER_EDITS;
use crate::attempt::HeadPolicy;
use crate::respond::fields::ResponsePolicy;

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

/// Which heads are edited, under these settings.
#[derive(Clone, Copy)]
pub(super) enum Edited<'a> {
    Requests(&'a HeaderSettings),
    Responses(&'a HeaderSettings),
}

impl Edited<'_> {
    /// Whether the router, when it runs, will make these edits.
    fn takes(self, edits: HeaderEdits) -> bool {
        match self {
            Self::Requests(HeaderSettings { forwarded, request_id, .. }) => {
                HeadPolicy::new(*forwarded, request_id.clone(), None, edits).is_ok()
            }
            Self::Responses(HeaderSettings { request_id, .. }) => {
                ResponsePolicy::new(request_id.clone(), edits).is_ok()
            }
        }
    }

    fn request_id(&self) -> &HeaderName {
        let (Self::Requests(headers) | Self::Responses(headers)) = self;
        &headers.request_id
    }
}

/// Reads `request_headers` or `response_headers` of a route.
pub(super) fn edits(
    item: Option<Item<'_>>,
    edited: Edited<'_>,
    findings: &mut Findings<'_>,
) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    let Some(section) = item.and_then(|item| item.section(&HEADER_EDITS, findings)) else {
        return edits;
    };
    let pairs = section.item("set").and_then(|item| item.pairs(findings)).unwrap_or_default();
    for (key, place, value) in pairs {
        let name = settable(key, edited);
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
        names.iter().filter_map(|item| item.read(findings, |n| removable(n, edited))).collect();
    edits
}

/// A field name that a route may set.
fn settable(text: &str, edited: Edited<'_>) -> Result<HeaderName, Fault> {
    let name = removable(text, edited)?;
    let set = vec![(name.clone(), HeaderValue::from_static(""))];
    if !edited.takes(HeaderEdits { set, ..HeaderEdits::default() }) {
        let why = "servers that fold names take it for a field that the router vouches for";
        return Err(Fault::new(format!("{name} cannot be set: {why}")));
    }
    Ok(name)
}

/// A field name that a route may remove.
fn removable(text: &str, edited: Edited<'_>) -> Result<HeaderName, Fault> {
    let name = field_name(text)?;
    let remove = vec![name.clone()];
    let why = if name == edited.request_id() {
        "the request id is kept by the router; see [headers] request_id"
    } else if let Some(why) = controlled(&name) {
        why
    } else if !edited.takes(HeaderEdits { remove, ..HeaderEdits::default() }) {
        "the router acts on it"
    } else {
        return Ok(name);
    };
    Err(Fault::new(format!("{name} cannot be set or removed: {why}")))
}

/// Why a field is the router's own, if it is.
fn controlled(name: &HeaderName) -> Option<&'static str> {
    const CONNECTION: &str = "it belongs to one connection, and the router manages those";
    match name.as_str() {
        "host" => Some("the client's Host goes to the endpoint unchanged"),
        "content-length" | "transfer-encoding" => Some("the router itself frames every message"),
        "connection"
        | "keep-alive"
        | "proxy-connection"
        | "te"
        | "trailer"
        | "upgrade"
        | "http2-settings"
        | "proxy-authenticate"
        | "proxy-authorization" => Some(CONNECTION),
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

/// The request id's field name: one that means nothing else.
fn request_id_name(text: &str) -> Result<HeaderName, Fault> {
    let name = field_name(text)?;
    let (forwarded, edits) = (Forwarded::Append, HeaderEdits::default());
    let refused = HeadPolicy::new(forwarded, name.clone(), None, edits).is_err();
    // Every error answer of the router's own has that one.
    if refused || name == header::SERVER {
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
