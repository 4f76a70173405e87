//! The client of the commands that ask a running router.
//!
//! Three requests a lifetime do not need an HTTP library: one request a
//! connection, as HTTP/1.0, so that the answer ends with the connection and is
//! never chunked. Every wait and size has a limit.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::admin::{RequestView, RouteView, Token};

/// Where a router's admin side is unless its configuration says otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:9901";

/// For a connection, and then again for the whole answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer at most.
const MAX_ANSWER: u64 = 64 << 20;
/// Field lines of an answer at most.
const MAX_FIELDS: usize = 64;

/// Why a router gave no useful answer.
#[derive(Debug, Error)]
pub enum AdminError {
    /// The URL is not one of an admin side.
    #[error("`{0}` is not the URL of an admin side: write http://HOST:PORT")]
    Url(String),
    /// The URL's host has no address.
    #[error("`{host}` cannot be resolved: {error}")]
    Resolve {
        /// The host.
        host: String,
        /// Why not.
        error: io::Error,
    },
    /// Nobody is there.
    #[error(
        "nothing listens on {0}: is a router running, and is that its [admin] address? (--admin URL)"
    )]
    NothingListens(SocketAddr),
    /// The connection failed.
    #[error("no answer from {address}: {error}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// What answered is no admin side.
    #[error("what listens on {0} does not answer like the admin side of a router")]
    NotAdmin(SocketAddr),
    /// The router refused.
    #[error("the router refused ({status}): {detail}")]
    Refused {
        /// The status.
        status: u16,
        /// Its explanation.
        detail: String,
    },
}

/// A router's admin side.
#[derive(Debug)]
pub struct AdminClient {
    address: SocketAddr,
    token: Option<Token>,
}

impl AdminClient {
    /// The admin side at `url`, such as [`DEFAULT_URL`].
    ///
    /// # Errors
    /// If the URL is none, or its host cannot be resolved.
    pub fn new(url: &str, token: Option<Token>) -> Result<Self, AdminError> {
        let authority = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let wrong = || AdminError::Url(url.to_owned());
        let authority = authority.filter(|rest| !rest.contains('/')).ok_or_else(wrong)?;
        let (host, port) = authority.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        let resolve = |error| AdminError::Resolve { host: host.to_owned(), error };
        let mut addresses = (literal, port).to_socket_addrs().map_err(resolve)?;
        Ok(Self { address: addresses.next().ok_or_else(wrong)?, token })
    }

    /// The routes in force, all of them or those of one host.
    ///
    /// # Errors
    /// If the router cannot be asked.
    pub fn routes(&self, host: Option<&str>) -> Result<Vec<RouteView>, AdminError> {
        let filter = host.map(|host| format!("&host={}", encode(host))).unwrap_or_default();
        self.pages(&format!("/routes?limit=10000{filter}"), |page: RoutePage| {
            (page.routes, page.next)
        })
    }

    /// The requests in flight, oldest first. `older_than` is a duration such
    /// as `30s`.
    ///
    /// # Errors
    /// If the router cannot be asked, or takes `older_than` for no duration.
    pub fn requests(
        &self,
        older_than: Option<&str>,
        show_queries: bool,
    ) -> Result<Vec<RequestView>, AdminError> {
        let age = older_than.map(|age| format!("&older_than={}", encode(age))).unwrap_or_default();
        let queries = if show_queries { "&queries=show" } else { "" };
        self.pages(&format!("/requests?limit=10000{age}{queries}"), |page: RequestPage| {
            (page.requests, page.next)
        })
    }

    /// Begins to drain the router.
    ///
    /// # Errors
    /// If the router cannot be asked, or refuses.
    pub fn drain(&self) -> Result<(), AdminError> {
        self.ask("POST", "/drain").map(drop)
    }

    /// All pages of a list.
    fn pages<P: for<'de> Deserialize<'de>, T>(
        &self,
        path: &str,
        open: impl Fn(P) -> (Vec<T>, Option<String>),
    ) -> Result<Vec<T>, AdminError> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let body = self.ask("GET", &format!("{path}{cursor}"))?;
            let page =
                serde_json::from_slice(&body).map_err(|_| AdminError::NotAdmin(self.address))?;
            let (items, next) = open(page);
            // A page without items and with a successor would never end.
            let ended = items.is_empty();
            all.extend(items);
            match next.filter(|_| !ended) {
                Some(next) => cursor = format!("&after={}", encode(&next)),
                None => return Ok(all),
            }
        }
    }

    /// Sends one request and gives back the body of a success.
    fn ask(&self, method: &str, target: &str) -> Result<Vec<u8>, AdminError> {
        let answer = self.exchange(method, target).map_err(|error| match error.kind() {
            ErrorKind::ConnectionRefused => AdminError::NothingListens(self.address),
            _ => AdminError::Io { address: self.address, error },
        })?;
        let (status, body) = parse(&answer).ok_or(AdminError::NotAdmin(self.address))?;
        match status {
            200..=299 => Ok(body.to_vec()),
            _ => {
                let problem: Value =
                    serde_json::from_slice(body).map_err(|_| AdminError::NotAdmin(self.address))?;
                let detail = problem["detail"].as_str().unwrap_or("without saying why").to_owned();
                Err(AdminError::Refused { status, detail })
            }
        }
    }

    fn exchange(&self, method: &str, target: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let authorization = self
            .token
            .as_ref()
            .map(|token| format!("Authorization: {}\r\n", token.authorization()))
            .unwrap_or_default();
        // The address as Host: that is never foreign to the admin side,
        // whatever name the URL used.
        let head = format!(
            "{method} {target} HTTP/1.0\r\nHost: {}\r\nContent-Length: 0\r\n{authorization}\r\n",
            self.address
        );
        stream.write_all(head.as_bytes())?;
        read_to_end(&mut stream, Instant::now() + TIMEOUT)
    }
}

/// Reads until the connection ends, within the limits.
fn read_to_end(stream: &mut TcpStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) => return Ok(answer),
            Ok(read) => answer.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // What a socket's own timeout is called depends on the system.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
        if answer.len() as u64 > MAX_ANSWER {
            return Err(io::Error::other("the answer is too long"));
        }
    }
}

/// Status and body of a whole answer; `None` if it is not HTTP or was cut.
fn parse(answer: &[u8]) -> Option<(u16, &[u8])> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(answer).ok()? else { return None };
    let body = &answer[length..];
    let mut lengths =
        head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("content-length"));
    if let Some(field) = lengths.next() {
        let length: usize = std::str::from_utf8(field.value).ok()?.parse().ok()?;
        if length != body.len() {
            return None;
        }
    }
    Some((head.code?, body))
}

/// Percent-encodes a query value.
fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[derive(Deserialize)]
struct RoutePage {
    routes: Vec<RouteView>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct RequestPage {
    requests: Vec<RequestView>,
    next: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::admin::tests::{Fixed, start};

    fn client(address: SocketAddr, token: Option<&str>) -> AdminClient {
        let token = token.map(|token| Token::new(token.as_bytes()).unwrap());
        AdminClient::new(&format!("http://{address}/"), token).unwrap()
    }

    #[test]
    fn routes_requests_and_drain_reach_a_running_router() {
        let control = Arc::new(Fixed::default());
        let (address, stop, thread) = start(control.clone(), None);
        let client = client(address, None);
        assert_eq!(client.routes(None).unwrap().len(), 2);
        assert_eq!(client.routes(Some("a.example")).unwrap()[0].host, "a.example");
        let old = client.requests(Some("30s"), false).unwrap();
        assert_eq!((old.len(), old[0].path.as_str()), (1, "/a?***"));
        client.drain().unwrap();
        assert_eq!(control.drains.load(Ordering::SeqCst), 1);
        let refused = client.requests(Some("soon"), false).unwrap_err().to_string();
        assert!(refused.contains("older_than"), "{refused}");
        drop(stop);
        thread.join().unwrap();
    }

    #[test]
    fn the_token_is_sent_and_a_missing_one_is_explained() {
        let token = Token::new(b"s3cret").unwrap();
        let (address, stop, thread) = start(Arc::new(Fixed::default()), Some(token));
        assert!(client(address, Some("s3cret")).routes(None).is_ok());
        let refused = client(address, None).routes(None).unwrap_err().to_string();
        assert!(refused.contains("401") && refused.contains("admin.token_file"), "{refused}");
        drop(stop);
        thread.join().unwrap();
    }

    #[test]
    fn an_address_where_nothing_listens_is_named_with_what_to_check() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = client(free, None).routes(None).unwrap_err().to_string();
        assert!(error.contains(&free.to_string()) && error.contains("--admin"), "{error}");
    }

    /// Answers one connection with `bytes`, then closes it.
    fn scripted(bytes: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head).unwrap();
            stream.write_all(bytes).unwrap();
        });
        address
    }

    #[test]
    fn something_else_that_listens_there_is_not_mistaken_for_a_router() {
        let others: [&[u8]; 5] = [
            b"",
            b"220 mail.example ESMTP\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n<html>",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"routes\":[],\"next\":null}",
            b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>",
        ];
        for bytes in others {
            let error = client(scripted(bytes), None).routes(None).unwrap_err();
            assert!(matches!(error, AdminError::NotAdmin(_)), "{error}");
        }
    }

    #[test]
    fn a_list_whose_pages_never_end_is_not_followed_for_ever() {
        let endless = scripted(b"HTTP/1.1 200 OK\r\n\r\n{\"routes\":[],\"next\":\"a/\"}");
        assert_eq!(client(endless, None).routes(None).unwrap(), []);
    }

    #[test]
    fn a_list_is_followed_from_page_to_page() {
        const PAGES: [(&str, &str); 2] = [
            ("GET /requests?limit=10000 ", r#"{"requests":[ITEM],"next":"7-a"}"#),
            ("GET /requests?limit=10000&after=7-a ", r#"{"requests":[ITEM],"next":null}"#),
        ];
        let item = r#"{"id":"i","started_unix_ms":7,"age_ms":1,"phase":"waiting",
            "client":"127.0.0.1:1","method":"GET","host":"a","path":"/","route":null,"attempt":1,
            "endpoint":null,"bytes_in":0,"bytes_out":0}"#;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            for (asked, page) in PAGES {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 4_096];
                let read = stream.read(&mut head).unwrap();
                assert!(head[..read].starts_with(asked.as_bytes()), "{}", head.escape_ascii());
                let page = page.replace("ITEM", item);
                stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{page}").as_bytes()).unwrap();
            }
        });
        assert_eq!(client(address, None).requests(None, false).unwrap().len(), 2);
        serving.join().unwrap();
    }

    #[test]
    fn an_answer_without_end_is_not_taken_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sending = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut sent = 0;
            while let Ok(written) = stream.write(&[b'x'; 64 << 10]) {
                sent += written as u64;
            }
            sent
        });
        let error = client(address, None).routes(None).unwrap_err().to_string();
        assert!(error.contains("the answer is too long"), "{error}");
        assert!(sending.join().unwrap() > MAX_ANSWER);
    }

    #[test]
    fn urls_of_other_kinds_are_refused_with_the_form_expected() {
        for url in ["127.0.0.1:9901", "https://127.0.0.1:9901", "http://127.0.0.1", "http://a:1/x"]
        {
            let error = AdminClient::new(url, None).unwrap_err();
            assert!(matches!(error, AdminError::Url(_)), "{url}");
        }
        assert_eq!(client("[::1]:9901".parse().unwrap(), None).address.port(), 9901);
    }
}
