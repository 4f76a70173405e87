//! The apps: what each does about a request. All but the greeter's flakiness are
//! pure functions of it.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LINK};
use http::{Method, StatusCode};

use crate::http1::{
    CHUNK_TAIL, FieldLines, FieldValue, Framing, ParsedRequest, encode_chunk_head,
    encode_informational, encode_response_head,
};
use crate::sync::Mutex;

/// The longest `/slow` waits, in seconds.
const LONGEST_S: u64 = 60;
/// How many flaky requests are remembered.
const REMEMBERED: usize = 256;
/// The field the router's default configuration puts the request id in.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MOODS: &str = "\
/reset       reset the connection instead of answering
/close       close it instead of answering
/half        close it in the middle of the response head
/garbage     answer something that is not HTTP
/slow?s=N    answer after N seconds, 60 at most
/status/NNN  answer with this status, 200 to 599
/truncate    promise 1,000 bytes, send 500, close
/stray       answer in chunks, then lose the framing
/hints       send 103 Early Hints before the answer
/early       answer before the request's content was read
";

/// One endpoint's app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum App {
    /// The greeter's first endpoint.
    Hello1,
    /// Its second.
    Hello2,
    /// Shows the request it got.
    Echo,
    /// Misbehaves when asked to.
    Moody,
}

/// The flaky requests that were reset once already, by their ids: both
/// endpoints of the greeter look here, so that whichever is asked first fails
/// and the other does not.
#[derive(Debug, Default)]
pub(super) struct Flaked(Mutex<VecDeque<HeaderValue>>);

impl Flaked {
    /// Whether this id was not seen lately.
    fn is_first(&self, id: Option<&HeaderValue>) -> bool {
        let Some(id) = id else { return true };
        let mut ids = self.0.lock();
        if ids.contains(id) {
            return false;
        }
        if ids.len() == REMEMBERED {
            ids.pop_front();
        }
        ids.push_back(id.clone());
        true
    }
}

/// What an app does about a request.
#[derive(Debug)]
pub(super) struct Turn {
    /// How long it thinks first.
    pub(super) wait: Duration,
    /// What it sends.
    pub(super) bytes: BytesMut,
    /// What it does with the connection then.
    pub(super) then: Then,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The next request may come.
    Keep,
    /// It is closed.
    Close,
    /// It is reset.
    Reset,
}

/// The content of a request, as much as is kept of it.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Its beginning.
    pub(super) start: Vec<u8>,
    /// The length of the whole, in bytes.
    pub(super) length: u64,
}

impl App {
    pub(super) const ALL: [Self; 4] = [Self::Hello1, Self::Hello2, Self::Echo, Self::Moody];

    /// The host it answers for.
    pub(super) fn host(self) -> &'static str {
        match self {
            Self::Hello1 | Self::Hello2 => "hello.localhost",
            Self::Echo => "echo.localhost",
            Self::Moody => "moody.localhost",
        }
    }

    /// What it calls itself in `x-app`.
    fn name(self) -> &'static str {
        match self {
            Self::Hello1 => "hello-1",
            Self::Hello2 => "hello-2",
            Self::Echo => "echo",
            Self::Moody => "moody",
        }
    }

    /// Whether it answers this before it has read the content.
    pub(super) fn is_hasty(self, request: &ParsedRequest) -> bool {
        self == Self::Moody && path(request) == b"/early"
    }

    /// What it does about a request.
    pub(super) fn answer(
        self,
        request: &ParsedRequest,
        content: &Content,
        flaked: &Flaked,
    ) -> Turn {
        match self {
            Self::Hello1 | Self::Hello2 => self.greet(request, flaked),
            Self::Echo => self.plain(request, StatusCode::OK, &echo(request, content)),
            Self::Moody => self.mood(request),
        }
    }

    fn greet(self, request: &ParsedRequest, flaked: &Flaked) -> Turn {
        let flaky = path(request) == b"/flaky";
        if flaky
            && flaked.is_first(request.fields.first(&REQUEST_ID).map(FieldValue::to_value).as_ref())
        {
            return Turn::cut(b"", Then::Reset);
        }
        let end = if flaky { ", at the second attempt" } else { "" };
        self.plain(request, StatusCode::OK, &format!("hello from {}{end}\n", self.name()))
    }

    fn mood(self, request: &ParsedRequest) -> Turn {
        let path = path(request);
        if let Some(status) = path.strip_prefix(b"/status/") {
            return match number(status).and_then(final_status) {
                Some(status) => self.plain(request, status, &format!("{status}\n")),
                None => self.plain(request, StatusCode::BAD_REQUEST, "from 200 to 599, please\n"),
            };
        }
        match path {
            b"/" => self.plain(request, StatusCode::OK, MOODS),
            b"/reset" => Turn::cut(b"", Then::Reset),
            b"/close" => Turn::cut(b"", Then::Close),
            b"/half" => Turn::cut(b"HTTP/1.1 200 OK\r\ncontent-ty", Then::Close),
            b"/garbage" => Turn::cut(b"\x16\x03\x01 this is not HTTP\r\n\r\n", Then::Close),
            b"/slow" => self.slow(request),
            b"/truncate" => self.truncate(),
            b"/stray" => self.stray(),
            b"/hints" => self.hints(request),
            b"/early" => self.plain(request, StatusCode::OK, "answered before reading\n"),
            _ => self.plain(request, StatusCode::NOT_FOUND, MOODS),
        }
    }

    /// A text, with the framing its request and status ask for.
    fn plain(self, request: &ParsedRequest, status: StatusCode, text: &str) -> Turn {
        let mut fields = self.fields();
        let sends_none = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let (framing, text) = match &request.method {
            _ if sends_none => (Framing::None, ""),
            &Method::HEAD => {
                fields.append(CONTENT_LENGTH, HeaderValue::from(text.len()));
                (Framing::None, "")
            }
            _ => (Framing::Length(text.len() as u64), text),
        };
        let mut bytes = BytesMut::new();
        let keep = request.keep_alive;
        encode_response_head(&mut bytes, request.version, status, None, &fields, framing, keep);
        bytes.extend_from_slice(text.as_bytes());
        Turn { wait: Duration::ZERO, bytes, then: if keep { Then::Keep } else { Then::Close } }
    }

    fn fields(self) -> FieldLines {
        let mut fields = FieldLines::with_capacity(3);
        fields.append(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        fields.append(HeaderName::from_static("x-app"), HeaderValue::from_static(self.name()));
        fields
    }

    fn slow(self, request: &ParsedRequest) -> Turn {
        let query = request.target.strip_prefix(b"/slow?s=");
        let seconds = query.and_then(number).unwrap_or(1).min(LONGEST_S);
        let text = format!("after {seconds} s\n");
        Turn { wait: Duration::from_secs(seconds), ..self.plain(request, StatusCode::OK, &text) }
    }

    fn truncate(self) -> Turn {
        let mut turn = self.begun(Framing::Length(1_000));
        turn.bytes.extend_from_slice(&b"five hundred bytes, no more\n".repeat(18)[..500]);
        turn
    }

    fn stray(self) -> Turn {
        let mut turn = self.begun(Framing::Chunked);
        let chunk = b"one chunk\n";
        if let Some(length) = NonZeroUsize::new(chunk.len()) {
            encode_chunk_head(&mut turn.bytes, length);
        }
        turn.bytes.extend_from_slice(chunk);
        turn.bytes.extend_from_slice(CHUNK_TAIL);
        turn.bytes.extend_from_slice(b"no length\r\n");
        turn
    }

    /// A good head, whose content will not be what it says.
    fn begun(self, framing: Framing) -> Turn {
        let mut turn = Turn::cut(b"", Then::Close);
        let version = crate::http1::Version::Http11;
        let fields = self.fields();
        encode_response_head(
            &mut turn.bytes,
            version,
            StatusCode::OK,
            None,
            &fields,
            framing,
            true,
        );
        turn
    }

    fn hints(self, request: &ParsedRequest) -> Turn {
        let mut hints = FieldLines::new();
        hints.append(LINK, HeaderValue::from_static("</style.css>; rel=preload; as=style"));
        let mut answer = self.plain(request, StatusCode::OK, "there was a hint\n");
        let mut bytes = BytesMut::new();
        encode_informational(&mut bytes, StatusCode::EARLY_HINTS, &hints);
        bytes.unsplit(answer.bytes);
        answer.bytes = bytes;
        answer
    }
}

impl Turn {
    /// These bytes, and the end of the connection.
    fn cut(bytes: &[u8], then: Then) -> Self {
        Self { wait: Duration::ZERO, bytes: BytesMut::from(bytes), then }
    }
}

/// The target without its query.
fn path(request: &ParsedRequest) -> &[u8] {
    request.target.split(|byte| *byte == b'?').next().unwrap_or_default()
}

fn number(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok()?.parse().ok()
}

/// A status that ends an exchange.
fn final_status(number: u64) -> Option<StatusCode> {
    let number = u16::try_from(number).ok().filter(|number| (200..600).contains(number))?;
    StatusCode::from_u16(number).ok()
}

/// The request as text: its lines, then its content.
fn echo(request: &ParsedRequest, content: &Content) -> String {
    let target = String::from_utf8_lossy(&request.target);
    let mut text = format!("{} {target} {}\n", request.method, request.version.as_str());
    for (name, value) in request.fields.iter() {
        let value = String::from_utf8_lossy(value.as_bytes());
        text.extend([name.as_str(), ": ", &value, "\n"]);
    }
    if content.length > 0 {
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&content.start));
        let unseen = content.length - content.start.len() as u64;
        if unseen > 0 {
            text.push_str(&format!("\n({unseen} more bytes)"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
