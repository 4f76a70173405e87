//! The host of a route, brought to the form lookups use.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::findings::{Fault, quoted};

/// The longest host name, without its trailing dot (RFC 1035 section 2.3.4).
const LONGEST: usize = 253;
/// The longest label of one.
const LONGEST_LABEL: usize = 63;

/// Lower-cases a host, strips its trailing dot and checks it: a name, an IP
/// literal (IPv6 in brackets), `*.` before a name, or `*`.
pub(super) fn normalise_host(text: &str) -> Result<String, Fault> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    if let Some(literal) = ipv6(text) {
        return literal;
    }
    refuse_what_is_no_host(text)?;
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    let below = name.strip_prefix("*.").unwrap_or(name);
    check_name(text, below)?;
    let numeric = below.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let address = below.parse::<Ipv4Addr>().is_ok();
    if numeric && (!address || below.len() < name.len()) {
        return Err(Fault::new(format!("{} is neither a name nor an IPv4 address", quoted(text))));
    }
    Ok(name.to_owned())
}

/// An IPv6 literal in its shortest form, if the text is meant as one.
fn ipv6(text: &str) -> Option<Result<String, Fault>> {
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = inside.unwrap_or(text).parse::<Ipv6Addr>() {
        let literal = format!("[{address}]");
        return Some(match inside {
            Some(_) => Ok(literal),
            None => Err(Fault::new(format!("the IPv6 address {text:?} is not in brackets"))
                .help(format!("write {literal:?}"))),
        });
    }
    let meant = inside.is_some() || (text.starts_with('[') && !text.contains(']'));
    meant.then(|| Err(Fault::new(format!("{} is not an IPv6 address", quoted(text)))))
}

fn refuse_what_is_no_host(text: &str) -> Result<(), Fault> {
    let shown = quoted(text);
    if text.is_empty() {
        return Err(Fault::new("the host is empty").help("\"*\" stands for every host"));
    }
    if text.contains("://") {
        return Err(Fault::new(format!("{shown} is a URL")).help("write its host alone"));
    }
    if let Some((host, _)) = text.split_once('/') {
        let fault = Fault::new(format!("{shown} contains a path"));
        return Err(fault.help(format!("write host = {}, and path beside it", quoted(host))));
    }
    if let Some((host, _)) = text.rsplit_once(':') {
        let fault = Fault::new(format!(
            "{shown} contains a port, and a route is chosen by the host alone, whatever the port"
        ));
        return Err(fault.help(format!("write {}", quoted(host))));
    }
    if !text.is_ascii() {
        return Err(Fault::new(format!("{shown} is not ASCII"))
            .help("write an international name as clients send it: xn--…"));
    }
    Ok(())
}

/// Checks the labels of a name; `text` is what the operator wrote.
fn check_name(text: &str, name: &str) -> Result<(), Fault> {
    let shown = quoted(text);
    if name.len() > LONGEST {
        return Err(Fault::new(format!("{shown} is longer than {LONGEST} characters")));
    }
    for label in name.split('.') {
        if label.contains('*') {
            return Err(Fault::new(format!("{shown} has a wildcard that is not its first label"))
                .help("\"*.example.com\" covers every depth below example.com"));
        }
        if label.is_empty() {
            return Err(Fault::new(format!("{shown} has an empty label")));
        }
        if label.len() > LONGEST_LABEL {
            let reason = format!("{shown} has a label longer than {LONGEST_LABEL} characters");
            return Err(Fault::new(reason));
        }
        // The underscore is no part of a host name by RFC 1123, but container
        // platforms make such names and clients send them.
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if let Some(strange) = label.chars().find(|c| !c.is_ascii() || !legal(*c as u8)) {
            return Err(Fault::new(format!("{shown} contains {strange:?}")));
        }
        if label.starts_with('-') || label.ends_with('-') {
            let reason = format!("{shown} has a label that begins or ends with a hyphen");
            return Err(Fault::new(reason));
        }
    }
    Ok(())
}
