//! Real servers, and a real client.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::port::HeldPort;
use super::router::Process;
use super::tls::Pair;
use super::wait::eventually;

/// nginx, serving a directory.
pub(crate) struct Nginx {
    _process: Process,
    port: HeldPort,
}

/// TLS of an nginx, which asks its clients for certificates.
pub(crate) struct TlsNginx<'a> {
    pub(crate) pair: &'a Pair,
    pub(crate) client_ca: &'a Path,
}

impl Nginx {
    /// Serves `root`; keeps its own files in `state`.
    pub(crate) fn start(root: &Path, state: &Path) -> Self {
        Self::start_with(root, state, None)
    }

    /// The same over TLS, if that is given.
    pub(crate) fn start_with(root: &Path, state: &Path, tls: Option<&TlsNginx<'_>>) -> Self {
        let port = HeldPort::take();
        let address = port.address();
        let file = state.join("nginx.conf");
        fs::write(&file, nginx_config(address, root, state, tls))
            .expect("the directory takes files");
        let mut command = Command::new(nginx_binary());
        command.arg("-p").arg(state).arg("-c").arg(&file).args(["-e", "stderr"]);
        let mut process = Process::spawn(&mut command);
        eventually("nginx to listen", || {
            let ended = process.child.try_wait().expect("a child can be asked");
            assert_eq!(ended, None, "{}", process.stderr());
            TcpStream::connect(address).ok()
        });
        Self { _process: process, port }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }
}

fn nginx_binary() -> PathBuf {
    let usual = PathBuf::from("/usr/sbin/nginx");
    if usual.exists() { usual } else { PathBuf::from("nginx") }
}

fn nginx_config(
    address: SocketAddr,
    root: &Path,
    state: &Path,
    tls: Option<&TlsNginx<'_>>,
) -> String {
    let (ssl, tls) = match tls {
        None => ("", String::new()),
        Some(tls) => {
            let (chain, key) = (tls.pair.chain.display(), tls.pair.key.display());
            let ca = tls.client_ca.display();
            let certificate = format!("ssl_certificate {chain}; ssl_certificate_key {key};");
            let clients = format!("ssl_client_certificate {ca}; ssl_verify_client on;");
            (" ssl", format!("{certificate} {clients}"))
        }
    };
    let (root, state) = (root.display(), state.display());
    format!(
        "daemon off; master_process off; pid {state}/nginx.pid; error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {state}/body; proxy_temp_path {state}/proxy;
    fastcgi_temp_path {state}/fastcgi; uwsgi_temp_path {state}/uwsgi; scgi_temp_path {state}/scgi;
    client_max_body_size 1m;
    server {{
        listen {address}{ssl};
        {tls}
        root {root};
        if_modified_since before;
        location /moved {{ return 302 /elsewhere; }}
        location /empty {{ return 204; }}
        location /compressed {{ gzip on; gzip_proxied any; gzip_types *; gzip_min_length 0; }}
    }}
}}
"
    )
}

/// Python's `http.server`, serving a directory.
pub(crate) struct PythonServer {
    _process: Process,
    address: SocketAddr,
}

impl PythonServer {
    /// Serves `root`, as HTTP/1.1.
    pub(crate) fn start(root: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "--protocol", "HTTP/1.1"]);
        command.arg("--directory").arg(root).arg("0");
        let mut process = Process::spawn(&mut command);
        let port = eventually("http.server to say its port", || {
            let gone = process.child.try_wait().expect("a child can be asked");
            assert!(gone.is_none(), "http.server ended with {gone:?}");
            let line = process.stdout().into_iter().find(|l| l.starts_with("Serving HTTP"))?;
            let port = line.split(" port ").nth(1)?.split(' ').next()?.parse::<u16>().ok()?;
            Some(port)
        });
        Self { _process: process, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Runs curl against `router` as if DNS had `host` there; `path` starts with
/// a slash. Proxies of the environment are not used.
#[track_caller]
pub(crate) fn curl(router: SocketAddr, host: &str, arguments: &[&str], paths: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "120"]);
    command.args(["--resolve", &format!("{host}:{}:{}", router.port(), router.ip())]);
    command.args(arguments);
    command.args(paths.iter().map(|path| format!("http://{host}:{}{path}", router.port())));
    command.output().expect("curl can be run; it is needed by these tests")
}
