//! What is known of a request's head at the stage it has reached.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;
use http::header::HeaderName;

use crate::http1::{FieldLines, FieldValue, ParsedRequest, SeenHead, Version};
use crate::request::admission::named_host;
use crate::request::{RequestHead, Target};

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

    /// The target from its path on.
    pub(super) fn target(&self) -> Option<&[u8]> {
        match self {
            Self::Nothing => None,
            Self::Seen(seen) => seen.target.as_deref().map(Target::behind_authority),
            Self::Parsed(parsed) => Some(Target::behind_authority(&parsed.target)),
            Self::Head(head) => Some(head.target()),
        }
    }

    /// The host as it is looked up, if the head names exactly one.
    pub(super) fn host(&self) -> Option<Cow<'_, str>> {
        let named = match self {
            Self::Nothing => None,
            Self::Seen(seen) => {
                let method = seen.method.as_ref().unwrap_or(&Method::GET);
                let target = seen.target.clone().unwrap_or_default();
                let is_1_0 = seen.version.as_deref() == Some(Version::Http10.as_str());
                let version = if is_1_0 { Version::Http10 } else { Version::Http11 };
                named_host(&seen.fields, method, &target, version)
            }
            Self::Parsed(parsed) => {
                named_host(&parsed.fields, &parsed.method, &parsed.target, parsed.version)
            }
            Self::Head(head) => {
                return Some(head.host().into()).filter(|host: &Cow<'_, str>| !host.is_empty());
            }
        };
        named.map(|host| host.lookup().to_owned().into())
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
