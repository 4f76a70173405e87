//! All that a process of the router has, in this one: what a measurement takes
//! hold of that must not go through the bus.

use std::net::SocketAddr;

use crate::config::Settings;
use crate::lifecycle::Server;
use crate::registry::LiveRoutes;

/// A router that is bound and has read its snapshot.
pub struct Process {
    server: Server,
}

impl Process {
    /// Binds what the settings name, and restores what they say was kept.
    ///
    /// # Errors
    /// The reason why it cannot start.
    pub fn start(settings: Settings) -> Result<Self, String> {
        let server = Server::with_settings(settings).map_err(|error| error.to_string())?;
        Ok(Self { server })
    }

    /// Where its clients connect, and where its operator does.
    ///
    /// # Panics
    /// If the system does not know its own sockets.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        let admin = self.server.admin_address().expect("it is bound");
        (self.server.addresses()[0], admin)
    }

    /// The routes that come and go while it serves.
    pub fn live_routes(&self) -> LiveRoutes {
        self.server.live_routes()
    }

    /// Serves until it is drained, by its admin side.
    ///
    /// # Errors
    /// If it ends in another way.
    pub fn run(self) -> Result<(), String> {
        self.server.run().map_err(|error| error.to_string())
    }
}
