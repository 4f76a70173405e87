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

    /// The same with `tls` on every listener that has none, and with each
    /// endpoint where and as `endpoint` says, if it says so.
    pub(crate) fn encrypted(
        &self,
        tls: &str,
        mut endpoint: impl FnMut(SocketAddr) -> Option<(SocketAddr, String)>,
    ) -> Self {
        let mut encrypted = self.clone();
        if !self.listener_more.contains("tls =") {
            encrypted.listener_more = format!("{}\n{tls}", self.listener_more);
        }
        let mut pieces = self.routes.split('"');
        let mut routes = pieces.next().unwrap_or_default().to_owned();
        // Every second piece stands between quotes.
        while let Some(quoted) = pieces.next() {
            let moved = quoted.parse().ok().and_then(&mut endpoint);
            match moved {
                None => write!(routes, "\"{quoted}\""),
                Some((to, tls)) if routes.ends_with("address = ") => {
                    write!(routes, "\"{to}\", {tls}")
                }
                Some((to, tls)) => write!(routes, "{{ address = \"{to}\", {tls} }}"),
            }
            .expect("a String takes everything");
            routes.push_str(pieces.next().unwrap_or_default());
        }
        encrypted.routes = routes;
        encrypted
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
