//! `pointsman demo`: a router and three small apps in one process.
//!
//! | file | idea |
//! |---|---|
//! | `apps` | what the apps answer |
//! | `serve` | the loop that drives them, over the house's own codec |
//! | `text` | the configuration, and the commands to try |
//!
//! The router is the one of `pointsman run`, started from a configuration that
//! is printed too: what is seen here is what a file would give.

mod apps;
mod serve;
mod text;

use std::net::{Ipv4Addr, SocketAddr};

use crate::config;
use crate::lifecycle::{Server, StartError};
use crate::listen::BindError;

use serve::Apps;
use text::Addresses;

/// The ports tried first, when none are asked for.
const PORT: u16 = 8080;
const ADMIN_PORT: u16 = 9901;

/// Where the demo listens, always on 127.0.0.1.
#[derive(clap::Args)]
pub(super) struct Ports {
    /// The router's port; by default 8080, or a free one if that is taken
    #[arg(long)]
    port: Option<u16>,
    /// The admin side's port; by default 9901, or a free one if that is taken
    #[arg(long)]
    admin_port: Option<u16>,
}

/// Runs the demo until it is told to stop, and has drained.
///
/// # Errors
/// If a port that was asked for is taken, or the system refuses something.
pub(super) fn run(ports: &Ports) -> Result<(), StartError> {
    let apps = Apps::start()?;
    let mut server = bind(ports, &apps)?;
    let addresses = Addresses {
        router: server.addresses()[0],
        admin: server.admin_address()?,
        apps: apps.addresses(),
    };
    let mut greeting = text::moved(PORT, addresses.router, ports.port.is_none());
    greeting.push_str(&text::moved(ADMIN_PORT, addresses.admin, ports.admin_port.is_none()));
    greeting.push_str(&text::greeting(&addresses));
    server.greet(greeting);
    server.run()
}

/// Binds the router where it should be, or if nobody asked for that, on free
/// ports where it cannot be.
fn bind(ports: &Ports, apps: &Apps) -> Result<Server, StartError> {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut addresses = Addresses {
        router: loopback(ports.port.unwrap_or(PORT)),
        admin: loopback(ports.admin_port.unwrap_or(ADMIN_PORT)),
        apps: apps.addresses(),
    };
    loop {
        let configuration = text::configuration(&addresses);
        let settings = config::parse(&configuration, "demo").map_err(config::LoadError::from)?;
        let taken = match Server::with_settings(settings) {
            Err(StartError::Bind(BindError::InUse { address })) => address,
            result => return result,
        };
        // Port 0 is never taken, so each is replaced once at most.
        if taken == addresses.router && ports.port.is_none() {
            addresses.router = loopback(0);
        } else if taken == addresses.admin && ports.admin_port.is_none() {
            addresses.admin = loopback(0);
        } else {
            return Err(BindError::InUse { address: taken }.into());
        }
    }
}
