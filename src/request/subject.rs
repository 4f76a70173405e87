//! What is known of a request's head at the stage it has reached.

use std::sync::Arc;

use http::Method;
use http::header::{self, HeaderName};

use crate::http1::{FieldLines, FieldValue, ParsedRequest, SeenHead, Version};
use crate::request::RequestHead;

/// As much of a request's head as there is.
pub(crate) enum Subject {
    /// No head could be read, or none had come yet.
    Nothing,
    /// What could be read of a refused head.
    Seen(Box<SeenHead>),
    /// A head that was not admitted.
    Parsed(Box<ParsedRequest>),
    /// An admitted one.
    Head(Arc<RequestHead>),
}

impl Subject {
    pub(crate) fn method(&self) -> Option<&Method> {
        match self {
            Self::Nothing => None,
            Self::Seen(seen) => seen.method.as_ref(),
            Self::Parsed(parsed) => Some(&parsed.method),
            Self::Head(head) => Some(head.method()),
        }
    }

    pub(crate) fn fields(&self) -> Option<&FieldLines> {
        match self {
            Self::Nothing => None,
            Self::Seen(seen) => Some(&seen.fields),
            Self::Parsed(parsed) => Some(&parsed.fields),
            Self::Head(head) => Some(head.fields()),
        }
    }

    pub(crate) fn version(&self) -> Option<Version> {
        match self {
            Self::Nothing | Self::Seen(_) => None,
            Self::Parsed(parsed) => Some(parsed.version),
            Self::Head(head) => Some(head.version()),
        }
    }

    /// The version as it was sent, for the log.
    pub(super) fn version_text(&self) -> Option<&str> {
        match self {
            Self::Seen(seen) => seen.version.as_deref(),
            _ => self.version().map(Version::as_str),
        }
    }

    pub(super) fn target(&self) -> Option<&[u8]> {
        match self {
            Self::Nothing => None,
            Self::Seen(seen) => seen.target.as_deref(),
            Self::Parsed(parsed) => Some(&parsed.target),
            Self::Head(head) => Some(head.target()),
        }
    }

    /// The host, if the head has one.
    pub(super) fn host(&self) -> Option<&[u8]> {
        let host = match self {
            Self::Head(head) => Some(head.host().as_bytes()),
            _ => self.field(&header::HOST),
        };
        host.filter(|host| !host.is_empty())
    }

    pub(super) fn field(&self, name: &HeaderName) -> Option<&[u8]> {
        self.fields()?.first(name).map(FieldValue::as_bytes)
    }

    /// The value of the one line of this name; with two, neither is meant.
    pub(super) fn only_field(&self, name: &HeaderName) -> Option<&[u8]> {
        let fields = self.fields()?;
        let first = fields.first(name)?;
        (fields.all(name).count() == 1).then_some(first.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    #[test]
    fn a_field_that_may_stand_once_says_nothing_where_it_stands_twice() {
        // Such as traceparent (W3C Trace Context, section 3.2.1).
        let name = HeaderName::from_static("traceparent");
        let with = |values: &[&'static str]| {
            let line = |value: &&'static str| (name.clone(), HeaderValue::from_static(value));
            let fields = values.iter().map(line).collect();
            Subject::Seen(Box::new(SeenHead { fields, ..SeenHead::default() }))
        };
        assert_eq!(with(&[]).only_field(&name), None);
        assert_eq!(with(&["one"]).only_field(&name), Some(b"one".as_slice()));
        assert_eq!(with(&["one", "two"]).only_field(&name), None);
        assert_eq!(with(&["one", "two"]).field(&name), Some(b"one".as_slice()));
    }
}
