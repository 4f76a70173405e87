//! HTTP/1.1 by the letter, over bytes that are all there: what the fuzzers
//! judge the router's output with. Written apart from the router's codec, so
//! that one cannot excuse the other.

/// Field lines in their order, names in lower case.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// One message.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// The request or status line, without its line end.
    pub(crate) start: Vec<u8>,
    pub(crate) fields: Fields,
    pub(crate) content: Vec<u8>,
    /// Whether the content came to its end.
    pub(crate) whole: bool,
    /// All of it as it came.
    pub(crate) raw: Vec<u8>,
}

/// How reading ended.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// Behind a whole message, with nothing left.
    Clean,
    /// Within a message.
    Partial,
    /// At something that is not HTTP; why.
    Broken(&'static str),
}

/// Whose bytes are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum From {
    /// A client's: what RFC 9112 lets a server take, extensions of chunks and
    /// an empty line before a request included.
    Client,
    /// The router's own: nothing but the plain form.
    Router,
}

impl Message {
    /// The values of a field's lines.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = move |(n, _): &&(Vec<u8>, Vec<u8>)| n == name.as_bytes();
        self.fields.iter().filter(named).map(|(_, value)| &value[..])
    }

    /// The value of a field if it has exactly one line.
    pub(crate) fn one<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        let mut lines = self.all(name);
        let first = lines.next();
        if lines.next().is_some() { None } else { first }
    }

    /// The method of a request.
    pub(crate) fn method(&self) -> &[u8] {
        self.start.split(|b| *b == b' ').next().unwrap_or_default()
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> u16 {
        let digits = self.start.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// Whether the start line says HTTP/1.0.
    pub(crate) fn is_http10(&self) -> bool {
        self.start.starts_with(b"HTTP/1.0 ")
            || (!self.start.starts_with(b"HTTP/") && self.start.ends_with(b" HTTP/1.0"))
    }
}

/// The method of a request whose head is refused, as far as it can be seen.
pub(crate) fn seen_method<'a>(bytes: &'a [u8], requests: &[Message]) -> &'a [u8] {
    let mut rest = bytes;
    for request in requests {
        rest = strip_empty_line(rest);
        rest = rest.get(request.raw.len()..).unwrap_or_default();
    }
    strip_empty_line(rest).split(|byte| matches!(byte, b' ' | b'\n')).next().unwrap_or_default()
}

/// Takes off the one empty line that may stand before a request (RFC 9112 §2.2).
fn strip_empty_line(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\r\n").unwrap_or(bytes)
}

/// Reads a connection's requests.
pub(crate) fn requests(bytes: &[u8], from: From) -> (Vec<Message>, End) {
    let mut messages = Vec::new();
    let mut rest = bytes;
    loop {
        if from == From::Client {
            rest = strip_empty_line(rest);
        }
        let start = rest;
        if rest.is_empty() {
            return (messages, End::Clean);
        }
        let outcome =
            head(&mut rest, is_request_line).and_then(|message| Ok((declared(&message)?, message)));
        let (declared, mut message) = match outcome {
            Err(end) => return (messages, end),
            Ok(read) => read,
        };
        let declared = declared.unwrap_or(Declared::Length(0));
        let ended = content(&mut rest, &mut message, declared, from);
        message.raw = start[..start.len() - rest.len()].to_vec();
        messages.push(message);
        if let Err(end) = ended {
            return (messages, end);
        }
    }
}

/// Reads a connection's final answers, to requests with these methods in turn,
/// up to the end of the bytes; informational ones are only looked at, and a 101
/// is the last: what is behind it is not HTTP's.
pub(crate) fn answers(bytes: &[u8], methods: &[&[u8]]) -> (Vec<Message>, End) {
    let mut messages = Vec::new();
    let mut rest = bytes;
    loop {
        if rest.is_empty() {
            return (messages, End::Clean);
        }
        let start = rest;
        let outcome =
            head(&mut rest, is_status_line).and_then(|message| Ok((declared(&message)?, message)));
        let (declared, mut message) = match outcome {
            Err(end) => return (messages, end),
            Ok(read) => read,
        };
        let status = message.status();
        if status < 200 {
            if declared.is_some() {
                return (messages, End::Broken("a 1xx has a length"));
            }
            if status == 101 {
                message.whole = true;
                message.raw = start[..start.len() - rest.len()].to_vec();
                messages.push(message);
                return (messages, End::Clean);
            }
            continue;
        }
        let method = methods.get(messages.len()).copied().unwrap_or(b"GET");
        let bodiless = method == b"HEAD" || status == 204 || status == 304;
        let ended = if bodiless {
            message.whole = true;
            Ok(())
        } else {
            let declared = declared.unwrap_or(Declared::UntilClose);
            content(&mut rest, &mut message, declared, From::Router)
        };
        message.raw = start[..start.len() - rest.len()].to_vec();
        messages.push(message);
        if let Err(end) = ended {
            return (messages, end);
        }
    }
}

fn head(rest: &mut &[u8], is_start: fn(&[u8]) -> bool) -> Result<Message, End> {
    let mut lines = Vec::new();
    let mut bytes = *rest;
    loop {
        let Some(at) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
            return Err(End::Partial);
        };
        let line = &bytes[..at];
        if line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(End::Broken("a bare CR, LF or a NUL in a head"));
        }
        bytes = &bytes[at + 2..];
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    *rest = bytes;
    let mut lines = lines.into_iter();
    let start = lines.next().filter(|line| is_start(line)).ok_or(End::Broken("a start line"))?;
    let fields = lines.map(field).collect::<Option<_>>().ok_or(End::Broken("a field line"))?;
    Ok(Message { start: start.to_vec(), fields, ..Message::default() })
}

fn is_token(bytes: &[u8]) -> bool {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !bytes.is_empty() && bytes.iter().all(token)
}

fn is_version(bytes: &[u8]) -> bool {
    bytes.len() == 8 && bytes.starts_with(b"HTTP/1.") && bytes[7].is_ascii_digit()
}

fn is_request_line(line: &[u8]) -> bool {
    let parts: Vec<_> = line.split(|b| *b == b' ').collect();
    let visible = |b: &u8| *b > b' ' && *b != 0x7f;
    matches!(parts[..], [method, target, version]
        if is_token(method)
            && !target.is_empty()
            && target.iter().all(visible)
            && is_version(version))
}

fn is_status_line(line: &[u8]) -> bool {
    line.len() > 12
        && is_version(&line[..8])
        && line[8] == b' '
        && line[9..12].iter().all(u8::is_ascii_digit)
        && line[9] != b'0'
        && line[12] == b' '
        && line[13..].iter().all(|b| is_text(*b))
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

fn field(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let colon = line.iter().position(|b| *b == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) || !value.iter().all(|b| is_text(*b)) {
        return None;
    }
    Some((name.to_ascii_lowercase(), value.trim_ascii().to_vec()))
}

#[derive(Clone, Copy)]
enum Declared {
    Length(usize),
    Chunked,
    UntilClose,
}

fn declared(message: &Message) -> Result<Option<Declared>, End> {
    let codings: Vec<_> = message.all("transfer-encoding").collect();
    let lengths: Vec<_> = message.all("content-length").collect();
    match (&codings[..], &lengths[..]) {
        ([], []) => Ok(None),
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") && !message.is_http10() => {
            Ok(Some(Declared::Chunked))
        }
        ([], [digits]) if digits.iter().all(u8::is_ascii_digit) => {
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            let length = digits.parse().map_err(|_| End::Broken("a length"))?;
            Ok(Some(Declared::Length(length)))
        }
        _ => Err(End::Broken("ambiguous framing")),
    }
}

/// Takes a message's content off the rest.
fn content(
    rest: &mut &[u8],
    message: &mut Message,
    declared: Declared,
    from: From,
) -> Result<(), End> {
    match declared {
        Declared::Length(length) => {
            let taken = length.min(rest.len());
            message.content.extend_from_slice(&rest[..taken]);
            *rest = &rest[taken..];
            if taken < length {
                return Err(End::Partial);
            }
        }
        Declared::UntilClose => message.content.extend_from_slice(std::mem::take(rest)),
        Declared::Chunked => chunks(rest, message, from)?,
    }
    message.whole = true;
    Ok(())
}

fn chunks(rest: &mut &[u8], message: &mut Message, from: From) -> Result<(), End> {
    loop {
        let line = line(rest)?;
        let digits = match line.iter().position(|b| matches!(b, b';' | b' ' | b'\t')) {
            Some(at) if from == From::Client => &line[..at],
            Some(_) => return Err(End::Broken("a chunk extension")),
            None => line,
        };
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
        let size = usize::from_str_radix(text, 16).ok().filter(|_| plain);
        let size = size.ok_or(End::Broken("a chunk's size"))?;
        if size == 0 {
            break;
        }
        let taken = size.min(rest.len());
        message.content.extend_from_slice(&rest[..taken]);
        *rest = &rest[taken..];
        if !self::line(rest)?.is_empty() {
            return Err(End::Broken("the end of a chunk"));
        }
    }
    loop {
        match line(rest)? {
            [] => return Ok(()),
            line => drop(field(line).ok_or(End::Broken("a trailer"))?),
        }
    }
}

/// A line of a chunked body, without its end.
fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], End> {
    let at = rest.windows(2).position(|pair| pair == b"\r\n").ok_or(End::Partial)?;
    let line = &rest[..at];
    if line.contains(&b'\n') {
        return Err(End::Broken("a bare LF in a chunked body"));
    }
    *rest = &rest[at + 2..];
    Ok(line)
}
