//! Addresses: `IP:port`, with a reason for everything else people write there.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::findings::{Fault, Findings, quoted};
use super::item::Item;
use super::settings::Network;
use crate::endpoint::{EndpointAddress, is_of_one};

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// To be bound; port 0 lets the system choose.
    Bind,
    /// To be connected to.
    Endpoint,
}

/// Reads where an endpoint is: `IP:port` or `name:port`.
pub(super) fn endpoint_address(text: &str) -> Result<EndpointAddress, Fault> {
    if is_name(text) {
        return Err(Fault::new(format!("the port is missing in {}", quoted(text)))
            .help(format!("write {}, for example", quoted(&format!("{text}:8080")))));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if is_name(host) && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            match port.parse() {
                Ok(port) if port > 0 => {
                    Ok(EndpointAddress::Name { host: host.to_ascii_lowercase().into(), port })
                }
                _ => Err(why_not(text, Role::Endpoint)),
            }
        }
        _ => socket_address(text, Role::Endpoint).map(EndpointAddress::Ip),
    }
}

/// Whether this is meant as a host name (RFC 1123 section 2.1, and the
/// underscores that container platforms put into theirs). What ends in a
/// number is an IPv4 address, or none.
fn is_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len())
            && label.bytes().all(inside)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.split('.').all(label)
        && last.bytes().any(|byte| !byte.is_ascii_digit())
}

/// Reads a name server: an `IP`, or an `IP:port` if it is not port 53.
pub(super) fn name_server(text: &str) -> Result<SocketAddr, Fault> {
    match text.parse::<IpAddr>() {
        Ok(ip) => connectable(SocketAddr::new(ip, 53)),
        Err(_) => socket_address(text, Role::Endpoint),
    }
}

/// Reads an `IP:port`.
pub(super) fn socket_address(text: &str, role: Role) -> Result<SocketAddr, Fault> {
    match text.parse::<SocketAddr>() {
        Ok(address) if role == Role::Endpoint => connectable(address),
        Ok(address) => Ok(address),
        Err(_) => Err(why_not(text, role)),
    }
}

fn connectable(address: SocketAddr) -> Result<SocketAddr, Fault> {
    if address.port() == 0 {
        return Err(Fault::new(format!("{:?} has port 0", address.to_string()))
            .help("an endpoint's port is between 1 and 65535"));
    }
    if address.ip().to_canonical().is_unspecified() {
        let fault = Fault::new(format!("{} is no address to connect to", address.ip()));
        let here = SocketAddr::new(loopback(address.ip()), address.port());
        return Err(fault.help(format!("did you mean \"{here}\"?")));
    }
    if !is_of_one(address.ip()) {
        return Err(Fault::new(format!("{} is the address of many", address.ip()))
            .help("write that of the endpoint"));
    }
    Ok(address)
}

fn loopback(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// What is wrong with a text that is no `IP:port`.
fn why_not(text: &str, role: Role) -> Fault {
    let shown = quoted(text);
    if text.contains("://") {
        return Fault::new(format!("{shown} is a URL")).help("an address is IP:port alone");
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        let with_port = SocketAddr::new(ip, 8080);
        let fault = Fault::new(format!("the port is missing in {shown}"));
        return fault.help(format!("write \"{with_port}\", for example"));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        if text.parse::<u16>().is_ok() {
            let fault = Fault::new(format!("the IP address is missing in {shown}"));
            return fault.help(format!("write \"127.0.0.1:{text}\", for example"));
        }
        return Fault::new(format!("{shown} is not IP:port"))
            .help("write \"10.0.0.1:8080\", for example");
    };
    if port.parse::<u16>().is_err()
        || port.starts_with('+')
        || (role == Role::Endpoint && port.parse() == Ok(0_u16))
    {
        let least = if role == Role::Endpoint { 1 } else { 0 };
        return Fault::new(format!("the port in {shown} is not a number from {least} to 65535"));
    }
    if host.is_empty() {
        let fault = Fault::new(format!("the IP address is missing in {shown}"));
        return fault.help(match role {
            Role::Endpoint => format!("write \"127.0.0.1:{port}\", for example"),
            Role::Bind => {
                format!("write \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" for every address")
            }
        });
    }
    if host.parse::<Ipv6Addr>().is_ok() {
        let fault = Fault::new(format!("the IPv6 address in {shown} is not in brackets"));
        return fault.help(format!("write \"[{host}]:{port}\""));
    }
    no_ip(host, port, role)
}

/// A host that is no IP address, before a good port.
fn no_ip(host: &str, port: &str, role: Role) -> Fault {
    let named = host.bytes().any(|byte| byte.is_ascii_alphabetic()) && !host.contains(':');
    let fault = match (named, role) {
        (true, Role::Endpoint) => {
            Fault::new(format!("{} is neither an IP address nor a host name", quoted(host)))
        }
        (true, Role::Bind) => {
            Fault::new(format!("{} is a host name, not an IP address", quoted(host)))
        }
        (false, _) => Fault::new(format!("{} is not an IP address", quoted(host))),
    };
    if host == "localhost" { fault.help(format!("write \"127.0.0.1:{port}\"")) } else { fault }
}

/// Reads IP addresses and CIDR networks; a warning for each that says more of
/// its address than counts.
pub(super) fn networks(items: &[Item<'_>], findings: &mut Findings<'_>) -> Vec<Network> {
    let mut networks = Vec::new();
    for item in items {
        let Some(as_written) = item.read(findings, network) else { continue };
        let network = as_written.masked();
        if network != as_written {
            let fault = Fault::new(format!("{as_written} is the whole network {network}"));
            findings.warn(
                &item.place,
                fault.help(format!(
                    "write \"{network}\", or \"{}\" for the one address",
                    as_written.address()
                )),
            );
        }
        networks.push(network);
    }
    networks
}

/// Reads an IP address or a CIDR network.
fn network(text: &str) -> Result<Network, Fault> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(ip) = address.parse::<IpAddr>() else {
        return Err(Fault::new(format!("{} is not an IP address or network", quoted(text)))
            .help("write \"10.0.0.0/8\" or \"192.0.2.1\", for example"));
    };
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    let length = match prefix {
        None => Some(bits),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        Some(_) => None,
    };
    length.and_then(|length| Network::new(ip, length)).ok_or_else(|| {
        Fault::new(format!("the prefix length in {} is not from 0 to {bits}", quoted(text)))
    })
}
