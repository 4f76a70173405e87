//! A client that sends exactly the bytes it is given.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

use super::pattern::Pattern;
use super::wait::PATIENCE;
use super::wire::{self, Fault, Fields, Head, Source};

/// A response, whole or as far as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status code.
    pub(crate) status: u16,
    /// Its head, byte for byte, as text.
    pub(crate) head: String,
    /// Its field lines.
    pub(crate) fields: Fields,
    /// Its content, framing taken off; empty where a sink was given.
    pub(crate) body: Vec<u8>,
    /// Its trailers.
    pub(crate) trailers: Fields,
    /// The informational heads that came before it.
    pub(crate) interim: Vec<Head>,
}

impl Answer {
    /// The one value of `name`; panics if there is none or more than one.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &str {
        let found = self.fields.one(name);
        found.unwrap_or_else(|| panic!("not exactly one {name} in {}", self.head))
    }

    /// The content as text.
    pub(crate) fn text(&self) -> String {
        wire::latin1(&self.body)
    }

    /// The router's error code, if the router made this answer: the first
    /// word of `details` in `Proxy-Status` (RFC 9209 section 2.1.4).
    pub(crate) fn code(&self) -> Option<&str> {
        let value = self.fields.one("proxy-status")?;
        let (_, details) = value.strip_prefix("pointsman;")?.split_once("details=\"")?;
        details.split([' ', '"']).next()
    }
}

/// What came instead of a whole response.
#[derive(Debug)]
pub(crate) struct Broken {
    /// What ended it.
    pub(crate) fault: Fault,
    /// The response as far as it came, if its head did.
    pub(crate) answer: Option<Box<Answer>>,
    /// Bytes that make no head.
    pub(crate) unread: Vec<u8>,
}

/// One connection to a router (or to an endpoint, when the harness tests itself).
pub(crate) struct Connection {
    stream: Arc<TcpStream>,
    source: Source,
}

impl Connection {
    /// Connects.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap_or_else(|e| panic!("cannot connect to {address}: {e}"))
    }

    /// Connects, or says why not.
    pub(crate) fn try_open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let stream = Arc::new(stream);
        Ok(Self { source: Source::new(Arc::clone(&stream)), stream })
    }

    /// The same connection once more, to send on while this one reads.
    pub(crate) fn second_handle(&self) -> Self {
        let stream = Arc::clone(&self.stream);
        Self { source: Source::new(Arc::clone(&stream)), stream }
    }

    /// The address the router sees.
    pub(crate) fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Sends all of `bytes`.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap_or_else(|e| panic!("cannot send: {e}"));
    }

    /// Sends all of `bytes`, unless the other side has gone.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        (&*self.stream).write_all(bytes.as_ref())
    }

    /// Sends `bytes` in writes of `size` bytes, each its own segment.
    #[track_caller]
    pub(crate) fn send_in_pieces(&mut self, bytes: impl AsRef<[u8]>, size: usize) {
        bytes.as_ref().chunks(size).for_each(|piece| self.send(piece));
    }

    /// Sends `bytes` bytes of the pattern, as they are or each piece a chunk.
    #[track_caller]
    pub(crate) fn send_pattern(&mut self, bytes: u64, chunked: bool) {
        send_pattern(&self.stream, bytes, chunked).unwrap_or_else(|e| panic!("cannot send: {e}"));
    }

    /// Sends until the other side has taken nothing for `quiet`; gives how
    /// many bytes it took. Fails after `most`: there is no back-pressure.
    #[track_caller]
    pub(crate) fn send_until_it_stops(&mut self, quiet: Duration, most: u64) -> u64 {
        self.stream.set_write_timeout(Some(quiet)).expect("a write timeout can be set");
        let (block, mut sent) = (vec![b'x'; 64 << 10], 0);
        let stopped = loop {
            match (&*self.stream).write(&block) {
                Ok(n) => sent += n as u64,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break sent,
                Err(e) => panic!("sending broke after {sent} bytes: {e}"),
            }
            assert!(sent < most, "{sent} bytes were taken and no end");
        };
        self.stream.set_write_timeout(Some(PATIENCE)).expect("a write timeout can be set");
        stopped
    }

    /// Whether something came that was not read yet, without waiting for it.
    pub(crate) fn answers(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket can be made non-blocking");
        let came = self.stream.peek(&mut [0]).is_ok_and(|bytes| bytes > 0);
        self.stream.set_nonblocking(false).expect("a socket can be made blocking");
        came || !self.source.unread().is_empty()
    }

    /// Lets the system hold few bytes that were not read yet.
    pub(crate) fn receive_little(&self) {
        SockRef::from(&*self.stream)
            .set_recv_buffer_size(64 << 10)
            .expect("a socket's buffer can be made small");
    }

    /// Whether the other side has ended or reset, with nothing before it that
    /// was not read yet, without waiting for it.
    pub(crate) fn ended(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket can be made non-blocking");
        let came = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("a socket can be made blocking");
        match came {
            Ok(bytes) => bytes == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Ends the sending side.
    pub(crate) fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).expect("a connected socket can be shut down");
    }

    /// Leaves with a reset.
    pub(crate) fn reset(self) {
        SockRef::from(&*self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("lingering can be switched off");
    }

    /// Reads one response to a request made with `method`.
    #[track_caller]
    pub(crate) fn answer(&mut self, method: &str) -> Answer {
        self.try_answer(method).unwrap_or_else(|broken| panic!("no whole response: {broken:?}"))
    }

    /// Reads one response to a request made with `method`, or what came of it.
    pub(crate) fn try_answer(&mut self, method: &str) -> Result<Answer, Broken> {
        let mut body = Vec::new();
        let outcome = self.answer_into(method, &mut |piece| body.extend_from_slice(piece));
        match outcome {
            Ok(answer) => Ok(Answer { body, ..answer }),
            Err(broken) => {
                let answer = broken.answer.map(|answer| Box::new(Answer { body, ..*answer }));
                Err(Broken { answer, ..broken })
            }
        }
    }

    /// Reads one response, its content going to `sink`.
    pub(crate) fn answer_into(
        &mut self,
        method: &str,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Answer, Broken> {
        let mut answer = self.answer_head()?;
        let head = Head { start: String::new(), fields: answer.fields.clone() };
        let body = wire::response_framing(&head, answer.status, method)
            .map_err(Fault::Malformed)
            .and_then(|framing| self.source.body(framing, sink));
        match body {
            Ok(trailers) => {
                answer.trailers = trailers;
                Ok(answer)
            }
            Err(fault) => Err(self.broken(fault, Some(answer))),
        }
    }

    /// Reads up to the end of a final response head, and no further.
    pub(crate) fn answer_head(&mut self) -> Result<Answer, Broken> {
        let mut interim = Vec::new();
        loop {
            let raw = self.source.head().map_err(|fault| self.broken(fault, None))?;
            let parsed = wire::parse_head(&raw).and_then(|head| Ok((status(&head)?, head)));
            match parsed {
                // A 101 is the last of HTTP on its connection.
                Ok((100 | 102..200, head)) => interim.push(head),
                Ok((status, head)) => {
                    return Ok(Answer {
                        status,
                        head: wire::latin1(&raw),
                        fields: head.fields,
                        body: Vec::new(),
                        trailers: Fields::default(),
                        interim,
                    });
                }
                Err(why) => {
                    let why = format!("{why}: {:?}", wire::latin1(&raw));
                    return Err(self.broken(Fault::Malformed(why), None));
                }
            }
        }
    }

    /// Reads exactly `bytes` bytes of whatever comes.
    #[track_caller]
    pub(crate) fn bytes(&mut self, bytes: u64) -> Vec<u8> {
        let mut read = Vec::new();
        let outcome = self.source.exactly(bytes, &mut |piece| read.extend_from_slice(piece));
        outcome.unwrap_or_else(|fault| panic!("{fault:?} after {} bytes", read.len()));
        read
    }

    /// Reads to the end; the bytes, and whether it was [`Fault::Closed`] or
    /// [`Fault::Reset`] (or [`Fault::Stalled`]: it never came).
    pub(crate) fn ending(&mut self) -> (Vec<u8>, Fault) {
        loop {
            if let Err(fault) = self.source.fill() {
                return (self.source.unread().to_vec(), fault);
            }
        }
    }

    fn broken(&self, fault: Fault, answer: Option<Answer>) -> Broken {
        Broken { fault, answer: answer.map(Box::new), unread: self.source.unread().to_vec() }
    }
}

/// RFC 9112 section 4: `HTTP/1.1 SP 3DIGIT SP [reason]`.
fn status(head: &Head) -> Result<u16, String> {
    let wrong = || format!("not a status line: {:?}", head.start);
    let rest = head.start.strip_prefix("HTTP/1.1 ").ok_or_else(wrong)?;
    let (digits, _reason) = rest.split_once(' ').ok_or_else(wrong)?;
    digits.parse().ok().filter(|status| (100..1000).contains(status)).ok_or_else(wrong)
}

/// Sends `bytes` bytes of the pattern, as they are or each piece a chunk.
pub(crate) fn send_pattern(mut to: &TcpStream, bytes: u64, chunked: bool) -> io::Result<()> {
    let mut pattern = Pattern::new();
    let mut left = bytes;
    while left > 0 {
        let piece = pattern.piece(left);
        if chunked {
            to.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
        }
        to.write_all(piece)?;
        if chunked {
            to.write_all(b"\r\n")?;
        }
        left -= piece.len() as u64;
    }
    Ok(())
}

/// One GET on a connection of its own.
#[track_caller]
pub(crate) fn get(address: SocketAddr, host: &str, path: &str) -> Answer {
    let mut connection = Connection::open(address);
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    connection.answer("GET")
}

/// The same, if it comes to a whole answer: a router that refuses may be so
/// quick that not even connecting succeeds.
pub(crate) fn try_get(address: SocketAddr, host: &str, path: &str) -> Option<Answer> {
    let mut connection = Connection::try_open(address).ok()?;
    drop(connection.try_send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")));
    connection.try_answer("GET").ok()
}
