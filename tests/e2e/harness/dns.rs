//! A name server that answers what the test says, over UDP and TCP.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::wait::PATIENCE;

/// What it says of a name.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    /// It has these addresses, each family asked for apart, for so many
    /// seconds.
    Has(Vec<IpAddr>, u32),
    /// The same, but too long for UDP.
    TooLong(Vec<IpAddr>, u32),
    /// There is no such name.
    NxDomain,
    /// The server has failed.
    ServFail,
    /// Nothing at all.
    Silence,
}

/// A query that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// The name, lower-case and without its last dot.
    pub(crate) name: String,
    /// Whether it came over TCP.
    pub(crate) tcp: bool,
}

#[derive(Default)]
struct State {
    zones: Mutex<HashMap<String, Zone>>,
    queries: Mutex<Vec<Query>>,
    stopped: AtomicBool,
}

/// A name server on a free loopback port; what it was not told of does not
/// exist.
pub(crate) struct DnsServer {
    address: SocketAddr,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

impl DnsServer {
    /// Starts it without a name.
    pub(crate) fn start() -> Self {
        // TCP first: the system gives nobody a port that another test holds for
        // its server (`HeldPort`), and whoever names one may have it.
        let (udp, tcp, address) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
            let address = tcp.local_addr().expect("a bound socket has an address");
            if let Ok(udp) = UdpSocket::bind(address) {
                break (udp, tcp, address);
            }
        };
        let state = Arc::new(State::default());
        udp.set_read_timeout(Some(Duration::from_millis(50))).expect("sockets have timeouts");
        let (over_udp, over_tcp) = (Arc::clone(&state), Arc::clone(&state));
        let threads = vec![
            std::thread::spawn(move || serve_udp(&udp, &over_udp)),
            std::thread::spawn(move || serve_tcp(&tcp, &over_tcp)),
        ];
        Self { address, state, threads }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says this of a name from now on.
    pub(crate) fn set(&self, name: &str, zone: Zone) {
        self.state.zones.lock().insert(name.to_owned(), zone);
    }

    /// Says that a name has these addresses, for no time at all.
    pub(crate) fn has(&self, name: &str, addresses: &[Ipv4Addr]) {
        self.set(name, Zone::Has(addresses.iter().map(|ip| IpAddr::V4(*ip)).collect(), 0));
    }

    /// What came for a name so far.
    pub(crate) fn queries(&self, name: &str) -> Vec<Query> {
        self.state.queries.lock().iter().filter(|query| query.name == name).cloned().collect()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn serve_udp(socket: &UdpSocket, state: &State) {
    let mut packet = [0; 4096];
    while !state.stopped.load(Ordering::Acquire) {
        let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
        if let Some(answer) = answer(state, &packet[..length], false) {
            drop(socket.send_to(&answer, from));
        }
    }
}

fn serve_tcp(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming() {
        if state.stopped.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let state = Arc::clone(state);
        std::thread::spawn(move || drop(converse(stream, &state)));
    }
}

fn converse(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message)?;
        if let Some(answer) = answer(state, &message, true) {
            let length = u16::try_from(answer.len()).expect("answers are short").to_be_bytes();
            stream.write_all(&[&length, &*answer].concat())?;
        }
    }
}

/// The answer to a message (RFC 1035 section 4); `None` is silence.
fn answer(state: &State, message: &[u8], tcp: bool) -> Option<Vec<u8>> {
    let (name, end) = question(message)?;
    let asked_type = u16::from_be_bytes([*message.get(end)?, *message.get(end + 1)?]);
    state.queries.lock().push(Query { name: name.clone(), tcp });
    let zone = state.zones.lock().get(&name).cloned().unwrap_or(Zone::NxDomain);
    let (code, truncated, addresses, ttl) = match zone {
        Zone::Silence => return None,
        Zone::ServFail => (2, false, vec![], 0),
        Zone::NxDomain => (3, false, vec![], 0),
        Zone::TooLong(..) if !tcp => (0, true, vec![], 0),
        Zone::Has(addresses, ttl) | Zone::TooLong(addresses, ttl) => (0, false, addresses, ttl),
    };
    let of_type = |ip: &&IpAddr| asked_type == if ip.is_ipv4() { 1 } else { 28 };
    let records: Vec<_> = addresses.iter().filter(of_type).collect();
    let count = u16::try_from(records.len()).expect("answers are short").to_be_bytes();
    // An answer, recursion desired and available.
    let flags = [0x81 | if truncated { 2 } else { 0 }, 0x80 | code];
    let mut out = [&message[..2], &flags, &[0, 1], &count, &[0, 0, 0, 0]].concat();
    out.extend_from_slice(&message[12..end + 4]);
    for ip in records {
        out.extend_from_slice(&[0xc0, 12]);
        out.extend_from_slice(&asked_type.to_be_bytes());
        out.extend_from_slice(&[0, 1]);
        out.extend_from_slice(&ttl.to_be_bytes());
        let data = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        out.extend_from_slice(&[0, data.len() as u8]);
        out.extend_from_slice(&data);
    }
    Some(out)
}

/// The name asked for, and where its type stands.
fn question(message: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*message.get(at)?);
        if length == 0 {
            return Some((labels.join("."), at + 1));
        }
        let label = message.get(at + 1..at + 1 + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += 1 + length;
    }
}
