//! What can be wrong with a message.

use thiserror::Error;

/// Why a message is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Not a JSON object.
    #[error("not a JSON object: {0}")]
    Json(String),
    /// A field has a type or value that means nothing, or comes twice.
    #[error("{field}: {reason}")]
    Field {
        /// Its name, as far as that is known.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A limit is exceeded.
    #[error("the {what} is larger than {of}")]
    TooLarge {
        /// What is.
        what: &'static str,
        /// The limit, in bytes or elements.
        of: usize,
    },
    /// `host` is missing.
    #[error("host is missing")]
    NoHost,
    /// `host` is no IP address one could connect to.
    #[error("host is not the IP address of an endpoint: {0:?}")]
    Host(String),
    /// Neither `port` nor `tls_port`.
    #[error("port is missing")]
    NoPort,
    /// A port that is none.
    #[error("{field} is not from 0 to 65535: {port}")]
    Port {
        /// Its field.
        field: &'static str,
        /// What it says.
        port: i64,
    },
    /// A route no request could match.
    #[error("uris: {uri:?}: {reason}")]
    Uri {
        /// The route, shortened if it is long.
        uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `route_service_url` is set.
    #[error(
        "route_service_url: route services are not supported, and routing past one could open \
         the app to everybody"
    )]
    RouteService,
}

impl MessageError {
    /// Every kind there is.
    pub const KINDS: [&'static str; 9] = [
        "json",
        "field",
        "too-large",
        "no-host",
        "host",
        "no-port",
        "port",
        "uri",
        "route-service",
    ];

    /// Its place in [`MessageError::KINDS`].
    pub const fn index(&self) -> usize {
        match self {
            Self::Json(_) => 0,
            Self::Field { .. } => 1,
            Self::TooLarge { .. } => 2,
            Self::NoHost => 3,
            Self::Host(_) => 4,
            Self::NoPort => 5,
            Self::Port { .. } => 6,
            Self::Uri { .. } => 7,
            Self::RouteService => 8,
        }
    }

    /// One word for it, as metrics and logs have it.
    pub const fn kind(&self) -> &'static str {
        Self::KINDS[self.index()]
    }
}

/// As much of a text as a message about it needs.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// What serde says of a value, without the place: the field that has it is
/// known, and where in itself it is wrong helps nobody. Of a long one the
/// middle is left out, since what was expected stands at the end.
pub(super) fn of_value(error: &serde_json::Error) -> String {
    const FIRST: usize = 60;
    const LAST: usize = 40;
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
    let chars = text.chars().count();
    if chars <= FIRST + LAST {
        return text.to_owned();
    }
    let first = text.chars().take(FIRST);
    first.chain(['…']).chain(text.chars().skip(chars - LAST)).collect()
}
