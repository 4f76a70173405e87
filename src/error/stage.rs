//! Where on its way a request failed.

use std::fmt;

/// A part of a request's way through the router, in travelling order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The client's connection, before there is a request on it.
    ClientConnect,
    /// Reading the request head.
    RequestHead,
    /// Checking the request against the rules that hold for every route.
    Admission,
    /// Finding the route by host and path.
    Routing,
    /// Choosing one of the route's endpoints, or waiting for a free one.
    EndpointChoice,
    /// Name lookup, TCP and TLS towards the endpoint.
    Connect,
    /// Reading the request body from the client.
    RequestBody,
    /// Sending the request to the endpoint.
    RequestWrite,
    /// Waiting for the endpoint's response head.
    ResponseHead,
    /// Reading the response body from the endpoint.
    ResponseBody,
    /// Sending the response to the client.
    ClientWrite,
    /// Carrying bytes both ways after an upgrade.
    Tunnel,
    /// No one part: it can strike at any moment.
    Anywhere,
}

impl Stage {
    /// The stage in kebab case, as it stands in answers and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientConnect => "client-connect",
            Self::RequestHead => "request-head",
            Self::Admission => "admission",
            Self::Routing => "routing",
            Self::EndpointChoice => "endpoint-choice",
            Self::Connect => "connect",
            Self::RequestBody => "request-body",
            Self::RequestWrite => "request-write",
            Self::ResponseHead => "response-head",
            Self::ResponseBody => "response-body",
            Self::ClientWrite => "client-write",
            Self::Tunnel => "tunnel",
            Self::Anywhere => "anywhere",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
