//! The four forms of a request target (RFC 9112 section 3.2), over the bytes
//! received.

use bytes::Bytes;
use http::Method;

use crate::error::{Code, RouterError};

/// The authority of an absolute-form target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// As received.
    pub text: Bytes,
    /// The port that stands for none: 80 for `http`, 443 for `https`.
    pub default_port: u16,
}

/// A request target, taken apart but not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A path, with its query if there is one.
    Path {
        /// The authority of an absolute-form target.
        authority: Option<Authority>,
        /// From `/` up to `?`.
        path: Bytes,
        /// From `?` on; empty without one.
        query: Bytes,
    },
    /// `*`, which only OPTIONS may ask for; also an absolute-form OPTIONS
    /// without a path (RFC 9112 section 3.2.4).
    Asterisk {
        /// The authority of an absolute-form target.
        authority: Option<Authority>,
    },
}

impl Target {
    /// Takes `target` apart.
    ///
    /// # Errors
    /// `method-not-allowed` for CONNECT and TRACE, `bad-request` for a target
    /// in no form this method allows.
    pub fn parse(method: &Method, target: &Bytes) -> Result<Self, RouterError> {
        if *method == Method::CONNECT || *method == Method::TRACE {
            let detail = "CONNECT and TRACE are not forwarded";
            return Err(RouterError::new(Code::MethodNotAllowed, detail));
        }
        match target.first() {
            Some(b'/') => Ok(Self::path(None, target.clone())),
            Some(b'*') if target.len() == 1 && *method == Method::OPTIONS => {
                Ok(Self::Asterisk { authority: None })
            }
            _ => Self::absolute(method, target).ok_or_else(|| {
                let detail = "the request target is neither a path nor an http or https URI";
                RouterError::new(Code::BadRequest, detail)
            }),
        }
    }

    /// The authority of an absolute-form target.
    pub fn authority(&self) -> Option<&Authority> {
        match self {
            Self::Path { authority, .. } | Self::Asterisk { authority } => authority.as_ref(),
        }
    }

    pub(super) fn path(authority: Option<Authority>, mut path_and_query: Bytes) -> Self {
        let end = memchr::memchr(b'?', &path_and_query).unwrap_or(path_and_query.len());
        let query = path_and_query.split_off(end);
        Self::Path { authority, path: path_and_query, query }
    }

    /// What of a target that was not admitted is told: without the authority it
    /// may begin with, which may hold a password (RFC 9110 section 4.2.4).
    #[cfg(feature = "router")]
    pub(super) fn behind_authority(target: &[u8]) -> &[u8] {
        let Some(colon) = target.iter().position(|b| matches!(b, b':' | b'/' | b'?')) else {
            return target;
        };
        let Some(rest) = target[colon..].strip_prefix(b"://") else { return target };
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#'));
        end.map_or(b"/", |end| &rest[end..])
    }

    fn absolute(method: &Method, target: &Bytes) -> Option<Self> {
        let schemes = [("http://", 80), ("https://", 443)];
        let (scheme, default_port) = schemes.into_iter().find(|(scheme, _)| {
            target.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme.as_bytes()))
        })?;
        let rest = target.slice(scheme.len()..);
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let authority = Some(Authority { text: rest.slice(..end), default_port });
        let path_and_query = rest.slice(end..);
        if path_and_query.first() == Some(&b'/') {
            return Some(Self::path(authority, path_and_query));
        }
        if path_and_query.is_empty() && *method == Method::OPTIONS {
            return Some(Self::Asterisk { authority });
        }
        // An empty path is "/" (RFC 9110 section 4.2.3).
        let mut path = Vec::with_capacity(path_and_query.len() + 1);
        path.push(b'/');
        path.extend_from_slice(&path_and_query);
        Some(Self::path(authority, Bytes::from(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: Method, target: &'static str) -> Result<Target, Code> {
        Target::parse(&method, &Bytes::from_static(target.as_bytes())).map_err(|e| e.code)
    }

    fn authority(text: &'static str, default_port: u16) -> Authority {
        Authority { text: Bytes::from_static(text.as_bytes()), default_port }
    }

    fn path(authority: Option<Authority>, path: &'static str, query: &'static str) -> Target {
        Target::Path {
            authority,
            path: Bytes::from_static(path.as_bytes()),
            query: Bytes::from_static(query.as_bytes()),
        }
    }

    #[test]
    #[cfg(feature = "router")]
    fn an_authority_is_not_told() {
        for (target, told) in [
            ("/a?b", "/a?b"),
            ("/a://b/c", "/a://b/c"),
            ("?a://b/c", "?a://b/c"),
            ("*", "*"),
            ("h:80", "h:80"),
            ("http://me:pw@h/a?b", "/a?b"),
            ("ftp://me:pw@h", "/"),
            ("http://me:pw@h?b", "?b"),
        ] {
            assert_eq!(Target::behind_authority(target.as_bytes()), told.as_bytes(), "{target}");
        }
    }

    #[test]
    fn each_form_is_told_apart() {
        let cases = [
            (Method::GET, "/a?b?c", Ok(path(None, "/a", "?b?c"))),
            (Method::GET, "//a/", Ok(path(None, "//a/", ""))),
            (Method::GET, "http://h:1/a?b", Ok(path(Some(authority("h:1", 80)), "/a", "?b"))),
            (Method::GET, "HTTPS://h", Ok(path(Some(authority("h", 443)), "/", ""))),
            (Method::GET, "http://h?q", Ok(path(Some(authority("h", 80)), "/", "?q"))),
            (Method::GET, "http://h#f", Ok(path(Some(authority("h", 80)), "/#f", ""))),
            (Method::OPTIONS, "*", Ok(Target::Asterisk { authority: None })),
            (
                Method::OPTIONS,
                "http://h",
                Ok(Target::Asterisk { authority: Some(authority("h", 80)) }),
            ),
            (Method::GET, "*", Err(Code::BadRequest)),
            (Method::GET, "a/b", Err(Code::BadRequest)),
            (Method::GET, "h:80", Err(Code::BadRequest)),
            (Method::GET, "ftp://h/", Err(Code::BadRequest)),
            (Method::GET, "", Err(Code::BadRequest)),
            (Method::CONNECT, "h:80", Err(Code::MethodNotAllowed)),
            (Method::TRACE, "/", Err(Code::MethodNotAllowed)),
        ];
        for (method, target, expected) in cases {
            assert_eq!(parse(method, target), expected, "{target}");
        }
    }
}
