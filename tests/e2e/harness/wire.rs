//! HTTP/1.1 as the harness reads it, on both sides: strict, and written
//! apart from the router's codec so that one cannot excuse the other.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::Arc;

/// Why nothing more can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The peer ended its side cleanly, too early.
    Closed,
    /// The connection was reset.
    Reset,
    /// Nothing came for as long as the harness has patience.
    Stalled,
    /// What came is not HTTP; why.
    Malformed(String),
}

/// Field lines in their order; names and values as they came, one `char` a byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    /// Every value of `name`, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of `name` if there is exactly one line of it.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        match self.all(name)[..] {
            [value] => Some(value),
            _ => None,
        }
    }
}

/// A head, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The request or status line, without its CRLF.
    pub(crate) start: String,
    /// The field lines.
    pub(crate) fields: Fields,
}

/// One `char` a byte, so that nothing is lost or joined.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}

/// Takes a head apart: RFC 9112 sections 2 to 5, without any leniency.
pub(crate) fn parse_head(raw: &[u8]) -> Result<Head, String> {
    let text = latin1(raw);
    let lines = text.strip_suffix("\r\n\r\n").ok_or("the head does not end in an empty line")?;
    let mut lines = lines.split("\r\n");
    let start = lines.next().unwrap_or_default().to_owned();
    if start.is_empty() || start.contains(['\r', '\n', '\0']) {
        return Err(format!("the first line is not one: {start:?}"));
    }
    let fields = lines.map(parse_field).collect::<Result<_, _>>()?;
    Ok(Head { start, fields: Fields(fields) })
}

fn parse_field(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or(format!("no colon in {line:?}"))?;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Err(format!("not a field name: {name:?}"));
    }
    if value.contains(|c: char| (c < ' ' && c != '\t') || c == '\x7f') {
        return Err(format!("a control character in the value of {name}: {value:?}"));
    }
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// In chunks, with trailers.
    Chunked,
    /// Until the connection ends.
    UntilClose,
}

/// RFC 9112 section 6.3, for requests.
pub(crate) fn request_framing(head: &Head) -> Result<Framing, String> {
    Ok(declared_framing(&head.fields)?.unwrap_or(Framing::None))
}

/// RFC 9112 section 6.3, for responses to `method`.
pub(crate) fn response_framing(head: &Head, status: u16, method: &str) -> Result<Framing, String> {
    let declared = declared_framing(&head.fields)?;
    if method == "HEAD" || status < 200 || status == 204 || status == 304 {
        return Ok(Framing::None);
    }
    Ok(declared.unwrap_or(Framing::UntilClose))
}

fn declared_framing(fields: &Fields) -> Result<Option<Framing>, String> {
    match (&fields.all("transfer-encoding")[..], &fields.all("content-length")[..]) {
        ([], []) => Ok(None),
        (["chunked"], []) => Ok(Some(Framing::Chunked)),
        ([], [digits]) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            let length = digits.parse().map_err(|_| format!("too long: {digits}"))?;
            Ok(Some(Framing::Length(length)))
        }
        other => Err(format!("ambiguous framing: {other:?}")),
    }
}

/// A connection, read through a buffer.
pub(crate) struct Source {
    stream: Arc<TcpStream>,
    buffer: Vec<u8>,
    /// Everything before is consumed.
    start: usize,
}

/// The longest head or line the harness reads.
const LONGEST_HEAD: usize = 4 << 20;
const READ_SIZE: usize = 64 << 10;

impl Source {
    /// Reads `stream` with whatever read timeout it has.
    pub(crate) fn new(stream: Arc<TcpStream>) -> Self {
        Self { stream, buffer: Vec::new(), start: 0 }
    }

    /// What has been read and not been taken.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Reads more into the buffer.
    pub(crate) fn fill(&mut self) -> Result<(), Fault> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let had = self.buffer.len();
        self.buffer.resize(had + READ_SIZE, 0);
        let outcome = loop {
            match (&*self.stream).read(&mut self.buffer[had..]) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        self.buffer.truncate(had + *outcome.as_ref().unwrap_or(&0));
        match outcome {
            Ok(0) => Err(Fault::Closed),
            Ok(_) => Ok(()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(Fault::Stalled)
            }
            Err(_) => Err(Fault::Reset),
        }
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let taken = self.unread()[..bytes].to_vec();
        self.start += bytes;
        taken
    }

    /// Takes everything up to and including `end`.
    fn take_through(&mut self, end: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut scanned = 0;
        loop {
            let unread = self.unread();
            if let Some(at) = unread[scanned..].windows(end.len()).position(|w| w == end) {
                return Ok(self.take(scanned + at + end.len()));
            }
            if unread.len() > LONGEST_HEAD {
                return Err(Fault::Malformed("no end in sight".into()));
            }
            scanned = unread.len().saturating_sub(end.len() - 1);
            self.fill()?;
        }
    }

    /// Takes a whole head, its empty line included.
    pub(crate) fn head(&mut self) -> Result<Vec<u8>, Fault> {
        self.take_through(b"\r\n\r\n")
    }

    /// Hands `bytes` bytes to `sink`, as they come.
    pub(crate) fn exactly(
        &mut self,
        mut bytes: u64,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Fault> {
        while bytes > 0 {
            if self.unread().is_empty() {
                self.fill()?;
            }
            let ready = self.unread().len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            sink(&self.unread()[..ready]);
            self.start += ready;
            bytes -= ready as u64;
        }
        Ok(())
    }

    /// Hands the content of a body to `sink`, as it comes; gives the trailers.
    pub(crate) fn body(
        &mut self,
        framing: Framing,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Fields, Fault> {
        match framing {
            Framing::None => {}
            Framing::Length(bytes) => self.exactly(bytes, sink)?,
            Framing::Chunked => return self.chunks(sink),
            Framing::UntilClose => self.rest(sink)?,
        }
        Ok(Fields::default())
    }

    fn rest(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        loop {
            sink(&self.buffer[self.start..]);
            self.start = self.buffer.len();
            match self.fill() {
                Err(Fault::Closed) => return Ok(()),
                other => other?,
            }
        }
    }

    fn chunks(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<Fields, Fault> {
        loop {
            let line = latin1(&self.take_through(b"\r\n")?);
            let digits = line.trim_end_matches("\r\n");
            let size = u64::from_str_radix(digits, 16)
                .ok()
                .filter(|_| digits.bytes().all(|b| b.is_ascii_hexdigit()))
                .ok_or(Fault::Malformed(format!("not a chunk size: {line:?}")))?;
            if size == 0 {
                return self.trailers();
            }
            self.exactly(size, sink)?;
            let end = self.take_through(b"\n")?;
            if end != b"\r\n" {
                return Err(Fault::Malformed(format!("after a chunk: {:?}", latin1(&end))));
            }
        }
    }

    fn trailers(&mut self) -> Result<Fields, Fault> {
        let mut fields = Vec::new();
        loop {
            let line = latin1(&self.take_through(b"\r\n")?);
            match line.trim_end_matches("\r\n") {
                "" => return Ok(Fields(fields)),
                line => fields.push(parse_field(line).map_err(Fault::Malformed)?),
            }
        }
    }
}
