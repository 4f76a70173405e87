//! An endpoint that decides for itself how TLS ends: with `close_notify`,
//! without, or with a reset.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::{HandshakeKind, NamedGroup, ServerConfig, ServerConnection, Stream};
use socket2::SockRef;

use super::tls::{Pair, provider};
use super::tls_peer::TlsEnd;
use super::wait::PATIENCE;

/// What one handshake with an endpoint came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Whether the router proved nothing and asked for no proof.
    pub(crate) resumed: bool,
    /// The protocol, if one was agreed on.
    pub(crate) alpn: Option<Vec<u8>>,
    /// How the keys were agreed on.
    pub(crate) key_exchange: Option<NamedGroup>,
}

/// What an endpoint does with a connection behind its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Ends its side like this, and hears the router to its end.
    End(TlsEnd),
    /// Says everything that it hears, and `close_notify` once that ends.
    Echo,
}

/// An endpoint that gives each connection's first request one answer, and
/// then ends the connection in its way.
pub(crate) struct TlsEndpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The answer to the request of this head, and what comes behind it.
type Behaviour = dyn Fn(&str) -> (String, Then) + Send + Sync;

struct Shared {
    config: Arc<ServerConfig>,
    behaviour: Box<Behaviour>,
    agreed: Mutex<Vec<Agreed>>,
    stopped: AtomicBool,
}

impl TlsEndpoint {
    /// Answers with `answer`; ends with `close_notify`, or without.
    pub(crate) fn start(pair: &Pair, answer: &str, end: TlsEnd) -> Self {
        let answer = answer.to_owned();
        Self::behaving(pair, move |_| (answer.clone(), Then::End(end)))
    }

    /// Does what `behaviour` says of each request's head.
    pub(crate) fn behaving(
        pair: &Pair,
        behaviour: impl Fn(&str) -> (String, Then) + Send + Sync + 'static,
    ) -> Self {
        let (chain, key) = pair.read();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(chain, key);
        let mut config = config.expect("they belong together");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            config: Arc::new(config),
            behaviour: Box::new(behaviour),
            agreed: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        let thread = std::thread::spawn(move || {
            while let Ok((tcp, _)) = listener.accept() {
                if accepting.stopped.load(Ordering::Acquire) {
                    return;
                }
                let shared = accepting.clone();
                // One that goes wrong has its answer in the test.
                std::thread::spawn(move || drop(serve(tcp, &shared)));
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its handshakes came to, in their order.
    pub(crate) fn agreed(&self) -> Vec<Agreed> {
        self.shared.agreed.lock().clone()
    }
}

impl Drop for TlsEndpoint {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(mut tcp: TcpStream, shared: &Shared) -> io::Result<()> {
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_nodelay(true)?;
    let mut tls = ServerConnection::new(shared.config.clone()).map_err(io::Error::other)?;
    let mut asked = Vec::new();
    let head_bytes = loop {
        if let Some(at) = asked.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        let mut block = [0; 4096];
        match Stream::new(&mut tls, &mut tcp).read(&mut block)? {
            0 => return Ok(()),
            read => asked.extend_from_slice(&block[..read]),
        }
    };
    let resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
    let alpn = tls.alpn_protocol().map(<[u8]>::to_vec);
    let key_exchange = tls.negotiated_key_exchange_group().map(|group| group.name());
    shared.agreed.lock().push(Agreed { resumed, alpn, key_exchange });
    let behind = asked.split_off(head_bytes);
    let (answer, then) = (shared.behaviour)(&String::from_utf8_lossy(&asked));
    tls.writer().write_all(answer.as_bytes())?;
    let end = match then {
        Then::End(end) => end,
        Then::Echo => {
            tls.writer().write_all(&behind)?;
            echo(&mut tls, &mut tcp)?;
            TlsEnd::Said
        }
    };
    if end == TlsEnd::Said {
        tls.send_close_notify();
    }
    while tls.wants_write() {
        tls.write_tls(&mut tcp)?;
    }
    match end {
        TlsEnd::Said | TlsEnd::Bare => tcp.shutdown(Shutdown::Write)?,
        TlsEnd::Broken => return SockRef::from(&tcp).set_linger(Some(Duration::ZERO)),
        TlsEnd::Stalled => {}
    }
    // Until the router has gone too: a close with input unread is a reset.
    tcp.read_to_end(&mut Vec::new()).map(drop)
}

/// Says what comes, to its end.
fn echo(tls: &mut ServerConnection, tcp: &mut TcpStream) -> io::Result<()> {
    let mut stream = Stream::new(tls, tcp);
    let mut block = [0; 4096];
    loop {
        stream.flush()?;
        match stream.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(read) => stream.write_all(&block[..read])?,
            // Without a word.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
