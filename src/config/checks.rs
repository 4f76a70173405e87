//! The checks of single values, for those who read them elsewhere than in a
//! file: bodies of the admin side.

use std::net::SocketAddr;

use super::findings::Fault;
use super::{address, host, path, route, suggest, units};
use crate::endpoint::{Balance, EndpointAddress};

/// What is wrong with a value, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) reason: String,
    pub(crate) help: Option<String>,
}

impl From<Fault> for Mistake {
    fn from(fault: Fault) -> Self {
        Self { reason: fault.reason, help: fault.help }
    }
}

/// The host of a route, in its form for lookups.
pub(crate) fn route_host(text: &str) -> Result<String, Mistake> {
    Ok(host::normalise_host(text)?)
}

/// The path of a route, in its form for lookups.
pub(crate) fn route_path(text: &str) -> Result<String, Mistake> {
    Ok(path::normalise_prefix(text)?)
}

/// The address of an endpoint that is registered.
pub(crate) fn endpoint_address(text: &str) -> Result<SocketAddr, Mistake> {
    match address::endpoint_address(text)? {
        EndpointAddress::Ip(address) => Ok(address),
        EndpointAddress::Name { host, port } => {
            let reason =
                format!("{:?} is a name, and only the file's endpoints have names", &*host);
            let here = &*host == "localhost";
            let help = if here {
                format!("write \"127.0.0.1:{port}\"")
            } else {
                "write the IP address".into()
            };
            Err(Mistake { reason, help: Some(help) })
        }
    }
}

/// How endpoints are chosen.
pub(crate) fn balance(text: &str) -> Result<Balance, Mistake> {
    Ok(route::balance(text)?)
}

/// A duration longer than nothing.
pub(crate) fn duration(text: &str) -> Result<std::time::Duration, Mistake> {
    let help = || Some("write \"30s\", \"5m\" or \"1h30m\", for example".to_owned());
    match units::parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err(Mistake { reason: "it must be longer than 0".into(), help: help() }),
        Err(error) => Err(Mistake { reason: error.to_string(), help: help() }),
    }
}

/// What to say of a key that is none of `known`.
pub(crate) fn unknown_key(key: &str, known: &[&'static str]) -> Mistake {
    let help = match suggest::nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("it can have: {}", known.join(", ")),
    };
    Mistake { reason: "unknown key".into(), help: Some(help) }
}
