//! The frozen head of a request.
//!
//! It is built once, at admission, and from then on only read: every attempt
//! derives its own head from it, so nothing an attempt does can show in the
//! next one. There is no way to change it, and no way to take it apart.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Method;
use http::header::HeaderValue;

use crate::http1::{FieldLines, Framing, Version};
use crate::request::host::RequestHost;

/// What the connection tells about the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Our end of it.
    pub local: SocketAddr,
    /// Whether the peer is one of `headers.trusted_proxies`.
    pub trusted: bool,
    /// Whether the connection is encrypted.
    pub secure: bool,
}

/// What a [`RequestHead`] is made of.
#[derive(Debug)]
pub struct RequestHeadParts {
    /// The method.
    pub method: Method,
    /// The exact bytes to forward: origin-form, or `*`.
    pub target: Bytes,
    /// The path as it is matched: unreserved characters decoded, dot segments
    /// removed.
    pub path: Bytes,
    /// The host, checked and normalised.
    pub host: RequestHost,
    /// The authority as received, which is what the endpoint sees as `Host`.
    pub authority: HeaderValue,
    /// The version the client spoke.
    pub version: Version,
    /// The field lines as received.
    pub fields: FieldLines,
    /// How the request's body is framed.
    pub framing: Framing,
    /// Who sent it.
    pub client: ClientInfo,
    /// The request id: a trusted client's own, else a new one.
    pub request_id: HeaderValue,
}

/// The head of a request, frozen on arrival.
#[derive(Debug)]
pub struct RequestHead {
    parts: RequestHeadParts,
}

impl RequestHead {
    /// Freezes `parts`.
    pub fn new(parts: RequestHeadParts) -> Self {
        Self { parts }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.parts.method
    }

    /// The exact bytes to forward: origin-form, or `*`.
    pub fn target(&self) -> &Bytes {
        &self.parts.target
    }

    /// The path as it is matched.
    pub fn path(&self) -> &[u8] {
        &self.parts.path
    }

    /// The host as it is looked up: lower-case, without port and trailing dot.
    pub fn host(&self) -> &str {
        self.parts.host.lookup()
    }

    /// The authority as received, forwarded as `Host`.
    pub fn authority(&self) -> &HeaderValue {
        &self.parts.authority
    }

    /// The version the client spoke.
    pub fn version(&self) -> Version {
        self.parts.version
    }

    /// The field lines as received.
    pub fn fields(&self) -> &FieldLines {
        &self.parts.fields
    }

    /// How the request's body is framed.
    pub fn framing(&self) -> Framing {
        self.parts.framing
    }

    /// Who sent it.
    pub fn client(&self) -> &ClientInfo {
        &self.parts.client
    }

    /// The id this request goes by.
    pub fn request_id(&self) -> &HeaderValue {
        &self.parts.request_id
    }
}
