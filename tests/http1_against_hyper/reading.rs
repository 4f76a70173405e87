//! What a codec made of some bytes, in terms both codecs share.

use http::{HeaderMap, Method, StatusCode, Uri};
use pointsman::http1::{RefusalKind, Version};

use super::differences::Difference;

/// The messages of one connection, in order.
#[derive(Debug)]
pub(crate) struct Reading<Head> {
    /// Those whose head was accepted.
    pub(crate) messages: Vec<Message<Head>>,
    /// Why our codec refused to go on; hyper does not say.
    pub(crate) refused: Option<RefusalKind>,
    /// Why hyper may be expected to go on where our codec stopped.
    pub(crate) goes_on: Option<Difference>,
}

impl<Head> Reading<Head> {
    pub(crate) fn of(messages: Vec<Message<Head>>) -> Self {
        Self { messages, refused: None, goes_on: None }
    }

    /// Notes that our codec refused what comes next, which `left` begins with.
    pub(crate) fn refuse(&mut self, kind: RefusalKind, left: &[u8]) {
        self.refused = Some(kind);
        self.goes_on = Difference::of_refusal(kind, left);
    }
}

/// One message whose head was accepted.
#[derive(Debug)]
pub(crate) struct Message<Head> {
    pub(crate) head: Head,
    pub(crate) data: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    /// Whether the content was accepted too, up to its end.
    pub(crate) whole: bool,
    /// Why hyper may be expected to refuse this head.
    pub(crate) refused_by_hyper: Option<Difference>,
    /// Why hyper may be expected to refuse the content behind it.
    pub(crate) content_refused_by_hyper: Option<Difference>,
}

/// A request head.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// hyper keeps the target as this only.
    pub(crate) target: Option<Uri>,
    pub(crate) version: Version,
    pub(crate) fields: HeaderMap,
}

/// A final response head.
#[derive(Debug, PartialEq)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) reason: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) fields: HeaderMap,
}
