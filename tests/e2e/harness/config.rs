//! The configuration of a router under test.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;

/// A configuration file in the making: loopback, free ports, one worker and
/// no access log unless set otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    settings: BTreeMap<String, toml::Value>,
    listeners: Vec<String>,
    listener_more: String,
    routes: String,
}

impl Config {
    /// The defaults for tests.
    pub(crate) fn new() -> Self {
        let empty = Self {
            settings: BTreeMap::new(),
            listeners: vec!["127.0.0.1:0".into()],
            listener_more: String::new(),
            routes: String::new(),
        };
        empty
            .set("admin.address", "127.0.0.1:0")
            .set("workers.threads", 1)
            .set("access_log.path", "")
    }

    /// Sets a dotted key outside the lists.
    pub(crate) fn set(mut self, key: &str, value: impl Into<toml::Value>) -> Self {
        self.settings.insert(key.to_owned(), value.into());
        self
    }

    /// Listens at `addresses` instead.
    pub(crate) fn listen(mut self, addresses: &[&str]) -> Self {
        self.listeners = addresses.iter().map(|&address| address.to_owned()).collect();
        self
    }

    /// Adds lines of TOML to every listener.
    pub(crate) fn listener_with(mut self, more: &str) -> Self {
        self.listener_more = more.to_owned();
        self
    }

    /// Adds a route for all of `host`.
    pub(crate) fn route(self, host: &str, endpoints: &[SocketAddr]) -> Self {
        self.route_with(host, endpoints, "")
    }

    /// Adds a route for all of `host`, with `more` lines of TOML.
    pub(crate) fn route_with(mut self, host: &str, endpoints: &[SocketAddr], more: &str) -> Self {
        let endpoints: Vec<_> = endpoints.iter().map(|a| format!("\"{a}\"")).collect();
        let endpoints = endpoints.join(", ");
        write!(self.routes, "\n[[route]]\nhost = \"{host}\"\nendpoints = [{endpoints}]\n{more}\n")
            .expect("a String takes everything");
        self
    }

    /// Adds TOML as it is, after all else.
    pub(crate) fn and(mut self, toml: &str) -> Self {
        self.routes.push_str(toml);
        self.routes.push('\n');
        self
    }

    /// Replaces a piece of the routes' text, for what no helper says.
    pub(crate) fn replacing(mut self, piece: &str, by: &str) -> Self {
        assert!(self.routes.contains(piece), "{piece} is not in {}", self.routes);
        self.routes = self.routes.replace(piece, by);
        self
    }

    /// The file.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.settings {
            writeln!(text, "{key} = {value}").expect("a String takes everything");
        }
        for address in &self.listeners {
            let more = &self.listener_more;
            write!(text, "\n[[listener]]\naddress = \"{address}\"\n{more}\n")
                .expect("a String takes everything");
        }
        text + &self.routes
    }
}
