//! With software that nobody here wrote: nginx and Python's `http.server` as
//! endpoints, curl as the client.

use std::fs;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::harness::pattern::Pattern;
use crate::harness::servers::{Nginx, PythonServer, curl};
use crate::harness::{Config, Connection, Router};

const BIG: usize = 20 << 20;

/// Files to serve: `hello.txt`, and `big.bin`, which is the pattern.
fn files() -> TempDir {
    let root = tempfile::tempdir().expect("a directory can be made");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(root.path().join(name), bytes).expect("a temporary directory takes files");
    };
    write("hello.txt", b"hello, world\n");
    write("big.bin", &Pattern::bytes(BIG));
    // The server may run as another user.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(root.path(), open).expect("one's own directory can be opened");
    root
}

struct Site {
    router: Router,
    _server: Box<dyn std::any::Any>,
    _directories: [TempDir; 2],
}

impl Site {
    fn nginx() -> Self {
        let (root, state) = (files(), files());
        let server = Nginx::start(root.path(), state.path());
        Self::of(server.address(), Box::new(server), [root, state])
    }

    fn python() -> Self {
        let (root, state) = (files(), files());
        let server = PythonServer::start(root.path());
        Self::of(server.address(), Box::new(server), [root, state])
    }

    fn of(
        endpoint: std::net::SocketAddr,
        server: Box<dyn std::any::Any>,
        directories: [TempDir; 2],
    ) -> Self {
        let router = Router::start(&Config::new().route("site.test", &[endpoint]));
        Self { router, _server: server, _directories: directories }
    }

    #[track_caller]
    fn curl(&self, arguments: &[&str], paths: &[&str]) -> Output {
        let output = curl(self.router.address(), "site.test", arguments, paths);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "curl {arguments:?} {paths:?}: {said}");
        output
    }

    /// What curl prints for `--write-out` of `format`, the body thrown away.
    #[track_caller]
    fn facts(&self, format: &str, arguments: &[&str], path: &str) -> String {
        let all = [&["--output", "/dev/null", "--write-out", format], arguments].concat();
        String::from_utf8_lossy(&self.curl(&all, &[path]).stdout).into_owned()
    }

    fn serves_files(&self) {
        assert_eq!(self.curl(&[], &["/hello.txt"]).stdout, b"hello, world\n");
        assert_eq!(self.curl(&[], &["/big.bin"]).stdout, Pattern::bytes(BIG));
        let status = "%{http_code} %{size_download}";
        assert_eq!(self.facts(status, &["--head"], "/big.bin"), "200 0");
        assert!(self.facts(status, &[], "/none").starts_with("404 "));
        assert_eq!(self.facts("%{num_connects}", &[], "/hello.txt"), "1");
        let twice = self.curl(&["--write-out", "[%{num_connects}]"], &["/hello.txt", "/hello.txt"]);
        let twice = String::from_utf8_lossy(&twice.stdout).into_owned();
        assert_eq!(twice, "hello, world\n[1]hello, world\n[0]", "the connection is kept");
        assert_eq!(self.curl(&["--http1.0"], &["/hello.txt"]).stdout, b"hello, world\n");
    }

    fn length_of_head(&self) -> String {
        let head = self.curl(&["--head"], &["/big.bin"]).stdout;
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let line = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        line.expect("the length is told").to_owned()
    }
}

#[test]
fn curl_reaches_nginx_through_the_router() {
    let site = Site::nginx();
    site.serves_files();
    assert_eq!(site.length_of_head(), BIG.to_string());
}

#[test]
fn curl_reaches_pythons_http_server_through_the_router() {
    let site = Site::python();
    site.serves_files();
    assert_eq!(site.length_of_head(), BIG.to_string());
    let listing = site.curl(&[], &["/"]).stdout;
    assert!(String::from_utf8_lossy(&listing).contains("hello.txt"));
    assert_eq!(site.facts("%{http_code}", &["--data", "x"], "/hello.txt"), "501");
}

#[test]
fn ranges_and_conditions_are_nginxs_business() {
    let site = Site::nginx();
    assert_eq!(site.curl(&["--range", "7-11"], &["/hello.txt"]).stdout, b"world");
    assert_eq!(site.facts("%{http_code}", &["--range", "7-11"], "/hello.txt"), "206");
    let several = site.curl(&["--range", "0-4,7-11"], &["/hello.txt"]).stdout;
    let several = String::from_utf8_lossy(&several).into_owned();
    assert!(
        several.contains("\r\n\r\nhello\r\n") && several.contains("\r\n\r\nworld\r\n"),
        "{several}"
    );
    assert_eq!(site.facts("%{http_code}", &["--range", "999-"], "/hello.txt"), "416");
    let since = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT";
    assert_eq!(
        site.facts("%{http_code} %{size_download}", &["--header", since], "/hello.txt"),
        "304 0"
    );
    assert_eq!(site.facts("%{http_code} %{size_download}", &[], "/empty"), "204 0");
    let redirect = site.facts("%{http_code} %{redirect_url}", &[], "/moved");
    assert!(redirect.starts_with("302 http://site.test"), "{redirect}");
}

#[test]
fn a_refusal_of_an_upload_reaches_curl_from_nginx() {
    let site = Site::nginx();
    let big = site._directories[0].path().join("big.bin");
    let upload = format!("@{}", display(&big));
    // With an expectation (which nginx answers with 413 at once) and without.
    for expect in ["Expect: 100-continue", "Expect:"] {
        let arguments = ["--data-binary", &upload, "--header", expect];
        assert_eq!(site.facts("%{http_code}", &arguments, "/hello.txt"), "413", "{expect}");
    }
}

#[test]
fn a_hundred_requests_on_one_connection_reach_nginx_on_few() {
    let site = Site::nginx();
    let mut client = Connection::open(site.router.address());
    for _ in 0..100 {
        client.send("GET /hello.txt HTTP/1.1\r\nHost: site.test\r\n\r\n");
        let answer = client.answer("GET");
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello, world\n"));
        assert!(answer.field("server").starts_with("nginx"));
    }
}

fn display(path: &Path) -> String {
    path.to_str().expect("temporary directories have plain names").to_owned()
}
