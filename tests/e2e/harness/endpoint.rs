//! An endpoint that does what a script says, and writes down what it saw.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use socket2::SockRef;

use super::client::send_pattern;
use super::encrypted::note_endpoint;
use super::pattern::Pattern;
use super::record::{Ended, Received, Record};
use super::script::{self, Gate, Script, Step, Visit};
use super::wait::{PATIENCE, eventually};
use super::wire::{self, Fault, Framing, Source};

/// A server on a free loopback port, one thread a connection.
pub(crate) struct ScriptedEndpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    name: String,
    behaviour: Box<dyn Fn(Visit) -> Script + Send + Sync>,
    record: Mutex<Record>,
    /// Weak, so that a script that closes really closes.
    open: Mutex<Vec<Weak<TcpStream>>>,
    stopped: AtomicBool,
}

impl ScriptedEndpoint {
    /// An ordinary app, called `name` in the `x-endpoint` field of its answers.
    pub(crate) fn echo(name: &str) -> Self {
        Self::named(name, |_| script::echo())
    }

    /// An endpoint that asks `behaviour` for the script of every request.
    pub(crate) fn start(behaviour: impl Fn(Visit) -> Script + Send + Sync + 'static) -> Self {
        Self::named("scripted", behaviour)
    }

    /// An ordinary app at this address; `None` if it is taken.
    pub(crate) fn echo_at(name: &str, address: SocketAddr) -> Option<Self> {
        Some(Self::on(TcpListener::bind(address).ok()?, name, |_| script::echo()))
    }

    fn named(name: &str, behaviour: impl Fn(Visit) -> Script + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        Self::on(listener, name, behaviour)
    }

    fn on(
        listener: TcpListener,
        name: &str,
        behaviour: impl Fn(Visit) -> Script + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("a bound socket has an address");
        note_endpoint(address);
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            behaviour: Box::new(behaviour),
            record: Mutex::default(),
            open: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let acceptor = Some(std::thread::spawn(move || accept(&listener, &accepting)));
        Self { address, shared, acceptor }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests whose heads came, so far.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.shared.record.lock().requests.clone()
    }

    /// How many requests' heads came, so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.record.lock().requests.len()
    }

    /// How many connections were accepted, so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.record.lock().connections.len()
    }

    /// What was forwarded and is not HTTP.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.shared.record.lock().violations.clone()
    }

    /// Waits for the `index`th request to have come whole.
    #[track_caller]
    pub(crate) fn request(&self, index: usize) -> Received {
        eventually(&format!("request {index} whole at the endpoint"), || {
            self.shared.record.lock().requests.get(index).filter(|r| r.complete).cloned()
        })
    }

    /// Waits for the head of the `index`th request.
    #[track_caller]
    pub(crate) fn request_head(&self, index: usize) -> Received {
        eventually(&format!("the head of request {index} at the endpoint"), || {
            self.shared.record.lock().requests.get(index).cloned()
        })
    }

    /// Waits for the `index`th connection to end: when, and how.
    #[track_caller]
    pub(crate) fn ending(&self, index: usize) -> (Instant, Ended) {
        eventually(&format!("the end of connection {index} at the endpoint"), || {
            self.shared.record.lock().connections.get(index).and_then(|c| c.ended.clone())
        })
    }
}

impl Drop for ScriptedEndpoint {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        // Wakes the acceptor, which looks at `stopped` after every accept.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        for stream in self.shared.open.lock().iter().filter_map(Weak::upgrade) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.stopped.load(Ordering::Acquire) {
            return;
        }
        let stream = Arc::new(stream);
        shared.open.lock().push(Arc::downgrade(&stream));
        let number = {
            let mut record = shared.record.lock();
            record.connections.push(Default::default());
            record.connections.len() - 1
        };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let ended = Visitor::new(&shared, number, &stream).serve();
            drop(stream);
            shared.record.lock().connections[number].ended = Some((Instant::now(), ended));
        });
    }
}

/// One connection being served.
struct Visitor<'a> {
    shared: &'a Shared,
    number: usize,
    stream: &'a TcpStream,
    source: Source,
    /// The request being read: where it is in the record, and its framing.
    current: Option<(usize, Framing)>,
}

impl<'a> Visitor<'a> {
    fn new(shared: &'a Shared, number: usize, stream: &'a Arc<TcpStream>) -> Self {
        drop(stream.set_nodelay(true));
        drop(stream.set_write_timeout(Some(PATIENCE)));
        Self { shared, number, stream, source: Source::new(Arc::clone(stream)), current: None }
    }

    fn serve(mut self) -> Ended {
        for request in 0.. {
            for step in (self.shared.behaviour)(Visit { connection: self.number, request }) {
                if let Err(ended) = self.act(step) {
                    return ended;
                }
            }
        }
        Ended::ByScript
    }

    fn act(&mut self, step: Step) -> Result<(), Ended> {
        match step {
            Step::ReadHead => self.read_head().map_err(Ended::ByPeer),
            Step::ReadBody => self.read_body().map_err(Ended::ByPeer),
            Step::ReadBytes(bytes) => {
                self.source.exactly(bytes as u64, &mut |_| ()).map_err(Ended::ByPeer)
            }
            Step::ReadToEnd => self.read_to_end().map_err(Ended::ByPeer),
            Step::EchoBytes => self.echo_bytes(),
            Step::Shut => {
                drop(self.stream.shutdown(Shutdown::Write));
                Ok(())
            }
            Step::Send(bytes) => self.send(&bytes),
            Step::SendInPieces { bytes, size, pause } => bytes.chunks(size).try_for_each(|piece| {
                self.send(piece)?;
                std::thread::sleep(pause);
                Ok(())
            }),
            Step::SendPattern { bytes, chunked } => {
                send_pattern(self.stream, bytes, chunked).map_err(|_| Ended::ByPeer(Fault::Reset))
            }
            Step::Echo => self.send(&self.reflection()),
            Step::Defer(script) => {
                let script = script.lock().clone();
                script.into_iter().try_for_each(|step| self.act(step))
            }
            Step::ByTarget(script) => {
                let script = script(&self.target());
                script.into_iter().try_for_each(|step| self.act(step))
            }
            Step::WaitFor(gate) => self.wait_for(&gate),
            Step::Open(gate) => {
                gate.open();
                Ok(())
            }
            Step::Stall => self.wait_for(&Gate::default()),
            Step::UntilPeerLeaves => Err(Ended::ByPeer(self.until_peer_leaves())),
            Step::Close => Err(Ended::ByScript),
            Step::Reset => {
                drop(SockRef::from(self.stream).set_linger(Some(Duration::ZERO)));
                Err(Ended::ByScript)
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Ended> {
        let mut stream = self.stream;
        stream.write_all(bytes).map_err(|_| Ended::ByPeer(Fault::Reset))
    }

    fn read_head(&mut self) -> Result<(), Fault> {
        let raw = self.source.head().inspect_err(|fault| {
            let rest = self.source.unread();
            if *fault == Fault::Closed && !rest.is_empty() {
                self.violation(format!("a head broke off: {:?}", wire::latin1(rest)));
            }
        })?;
        let read = wire::parse_head(&raw).and_then(|head| {
            let framing = wire::request_framing(&head)?;
            Ok((head, framing))
        });
        let (head, framing) = read.map_err(|why| {
            self.violation(format!("{why}: {:?}", wire::latin1(&raw)));
            Fault::Malformed(why)
        })?;
        let mut received = Received::new(self.number, &raw, &head);
        received.complete = framing == Framing::None;
        let mut record = self.shared.record.lock();
        self.current = Some((record.requests.len(), framing));
        record.requests.push(received);
        Ok(())
    }

    fn read_body(&mut self) -> Result<(), Fault> {
        let (index, framing) = self.current.expect("a script reads the head before the body");
        let mut pattern = Pattern::new();
        let record = &self.shared.record;
        let outcome = self.source.body(framing, &mut |piece| {
            pattern.follow(piece);
            let received = &mut record.lock().requests[index];
            received.content_bytes += piece.len() as u64;
            received.is_pattern = pattern.agrees;
            let room = Received::KEPT.saturating_sub(received.content.len());
            received.content.extend_from_slice(&piece[..piece.len().min(room)]);
        });
        if let Err(Fault::Malformed(why)) = &outcome {
            self.violation(why.clone());
        }
        let trailers = outcome?;
        let received = &mut record.lock().requests[index];
        received.trailers = trailers;
        received.complete = true;
        Ok(())
    }

    fn read_to_end(&mut self) -> Result<(), Fault> {
        let (index, _) = self.current.expect("a script reads the head before the rest");
        let record = &self.shared.record;
        let mut keep = |piece: &[u8]| {
            let received = &mut record.lock().requests[index];
            received.content_bytes += piece.len() as u64;
            let room = Received::KEPT.saturating_sub(received.content.len());
            received.content.extend_from_slice(&piece[..piece.len().min(room)]);
        };
        self.source.body(Framing::UntilClose, &mut keep)?;
        record.lock().requests[index].complete = true;
        Ok(())
    }

    fn echo_bytes(&mut self) -> Result<(), Ended> {
        let (mut stream, mut taken) = (self.stream, Ok(()));
        let mut back = |piece: &[u8]| {
            if taken.is_ok() {
                taken = stream.write_all(piece);
            }
        };
        self.source.body(Framing::UntilClose, &mut back).map_err(Ended::ByPeer)?;
        taken.map_err(|_| Ended::ByPeer(Fault::Reset))
    }

    fn violation(&self, why: String) {
        self.shared.record.lock().violations.push(why);
    }

    /// The request as received, as an answer; to HEAD without the content.
    fn reflection(&self) -> Vec<u8> {
        let (index, _) = self.current.expect("a script reads the head before it echoes");
        let received = self.shared.record.lock().requests[index].clone();
        let mut content: Vec<u8> = received.head.chars().map(|c| c as u8).collect();
        content.extend_from_slice(&received.content);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-endpoint: {}\r\ncontent-length: {}\r\n\r\n",
            self.shared.name,
            content.len()
        );
        if received.line().starts_with("HEAD ") {
            content.clear();
        }
        [head.into_bytes(), content].concat()
    }

    /// The target of the request as received.
    fn target(&self) -> String {
        let (index, _) = self.current.expect("a script reads the head before its target");
        let record = self.shared.record.lock();
        record.requests[index].line().split(' ').nth(1).unwrap_or_default().to_owned()
    }

    fn wait_for(&self, gate: &Gate) -> Result<(), Ended> {
        while !gate.is_open() {
            if self.shared.stopped.load(Ordering::Acquire) {
                return Err(Ended::ByScript);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn until_peer_leaves(&mut self) -> Fault {
        let mut ignore = |_: &[u8]| ();
        match self.source.body(Framing::UntilClose, &mut ignore) {
            Ok(_) => Fault::Closed,
            Err(fault) => fault,
        }
    }
}
