//! TLS with clients: handshakes, certificates, client certificates and tickets,
//! and what requests meet under it.

mod certificates;
mod choice;
mod clients;
mod endings;
mod exchanges;
mod files;
mod handshakes;
mod log;
mod resumption;

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use crate::harness::held::{ask, sum};
use crate::harness::tls::{Authority, Bridge, listener_tls};
use crate::harness::{Config, Router, ScriptedEndpoint};

/// A router with one TLS listener, an app behind it, and their authority.
struct Site {
    authority: Authority,
    endpoint: ScriptedEndpoint,
    router: Router,
}

impl Site {
    /// One certificate for `a.test`; every host is routed.
    fn new() -> Self {
        Self::with(|authority| listener_tls(&authority.issue(&["a.test"])), Config::new())
    }

    fn with(listener: impl FnOnce(&Authority) -> String, config: Config) -> Self {
        let authority = Authority::new();
        let endpoint = ScriptedEndpoint::echo("app");
        let listener = listener(&authority);
        let config = config.listener_with(&listener).route("*", &[endpoint.address()]);
        let router = Router::start(&config);
        Self { authority, endpoint, router }
    }

    /// A client that asks for `name`.
    fn bridge(&self, name: &str) -> Bridge {
        Bridge::to(self.router.address(), &self.authority, name)
    }

    fn s_client(&self, arguments: &[&str]) -> Output {
        s_client(self.router.address(), &self.authority, arguments)
    }

    fn count(&self, code: &str) -> u64 {
        sum(&ask(&self.router, "/metrics"), &format!("pointsman_errors_total{{code=\"{code}\""))
    }
}

/// `openssl s_client`, which asks one question and hangs up after the answer.
fn s_client(address: SocketAddr, authority: &Authority, arguments: &[&str]) -> Output {
    let mut command = s_client_command(address, authority, arguments);
    let mut child = command.spawn().expect("openssl can be run; it is needed by these tests");
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    // It may have given up already.
    drop(child.stdin.take().expect("stdin is a pipe").write_all(request));
    child.wait_with_output().expect("openssl ends")
}

fn s_client_command(address: SocketAddr, authority: &Authority, arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address.to_string(), "-ign_eof"]);
    command.args(["-verify_return_error", "-CAfile"]).arg(authority.ca()).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b));
    format!("{out}{err}")
}

/// The certificate that is shown to a client like this.
fn certificate_shown(site: &Site, arguments: &[&str]) -> String {
    let said = text(&site.s_client(arguments));
    let lines = said.lines().skip_while(|line| !line.contains("BEGIN CERTIFICATE"));
    lines.take_while(|line| !line.contains("END CERTIFICATE")).collect()
}
