//! What must hold before a request is looked up: target, host, path, size and
//! loops. Pure: a parsed head and the rules in, a frozen head or an error out.

use bytes::{Bytes, BytesMut};
#[cfg(feature = "router")]
use http::Method;
use http::header::{self, HeaderValue};

use crate::attempt::Via;
use crate::error::{Code, RouterError};
use crate::http1::{FieldLines, Framing, ParsedRequest, Version};
use crate::request::head::{ClientInfo, RequestHead, RequestHeadParts};
use crate::request::host::{RequestHost, same_host};
use crate::request::max_forwards;
use crate::request::path::MatchPath;
use crate::request::target::Target;

/// What admission compares a request with.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// `limits.request_body_bytes`; 0 is no limit.
    pub body_limit_bytes: u64,
    /// This node's entry in `Via`; `None` if none is sent.
    pub via: Option<&'a Via>,
}

/// A request that may be looked up.
#[derive(Debug)]
pub enum Admitted {
    /// One for an app.
    Request(RequestHead),
    /// `OPTIONS *`, which is about the router itself, or one that may go no
    /// further.
    AboutRouter(RequestHead),
}

/// Admits `request`, or says why not.
///
/// # Errors
/// With the code for what was wrong; `request` itself comes back beside it, for
/// the log and the answer's media type.
pub fn admit(
    request: ParsedRequest,
    client: ClientInfo,
    request_id: HeaderValue,
    rules: Rules<'_>,
) -> Result<Admitted, Box<(RouterError, ParsedRequest)>> {
    match check(&request, rules) {
        Err(error) => Err(Box::new((error, request))),
        Ok(checked) => {
            let about_router = checked.about_router;
            let head = RequestHead::new(RequestHeadParts {
                method: request.method,
                target: checked.target,
                path: checked.path,
                host: checked.host,
                authority: checked.authority,
                version: request.version,
                fields: request.fields,
                framing: request.framing,
                client,
                request_id,
            });
            Ok(if about_router { Admitted::AboutRouter(head) } else { Admitted::Request(head) })
        }
    }
}

struct Checked {
    target: Bytes,
    path: Bytes,
    host: RequestHost,
    authority: HeaderValue,
    about_router: bool,
}

fn check(request: &ParsedRequest, rules: Rules<'_>) -> Result<Checked, RouterError> {
    let target = Target::parse(&request.method, &request.target)?;
    let (host, authority) = host(&request.fields, &target, request.version)?;
    if let Framing::Length(length) = request.framing
        && rules.body_limit_bytes > 0
        && length > rules.body_limit_bytes
    {
        let limit = rules.body_limit_bytes;
        let detail = format!("the request announces {length} bytes of content, {limit} are taken");
        return Err(RouterError::new(Code::RequestBodyTooLarge, detail));
    }
    if rules.via.is_some_and(|via| via.is_own_in(&request.fields)) {
        let detail = "the request has passed this router before";
        return Err(RouterError::new(Code::LoopDetected, detail));
    }
    let about_router = matches!(target, Target::Asterisk { .. })
        || max_forwards::ends_here(&request.method, &request.fields);
    let (target, path) = match target {
        Target::Asterisk { .. } => (Bytes::from_static(b"*"), Bytes::from_static(b"*")),
        Target::Path { path, query, .. } => path_of(request, &path, &query)?,
    };
    Ok(Checked { target, path, host, authority, about_router })
}

/// The target to forward and the path to match.
fn path_of(
    request: &ParsedRequest,
    path: &Bytes,
    query: &Bytes,
) -> Result<(Bytes, Bytes), RouterError> {
    let matched = MatchPath::parse(path)
        .map_err(|odd| RouterError::new(Code::AmbiguousPath, odd.to_string()))?;
    let forwarded = match matched.forward() {
        None if path.len() + query.len() == request.target.len() => request.target.clone(),
        forward => {
            let mut target = BytesMut::with_capacity(path.len() + query.len());
            target.extend_from_slice(forward.as_deref().unwrap_or(path));
            target.extend_from_slice(query);
            target.freeze()
        }
    };
    Ok((forwarded, matched.rewritten().unwrap_or_else(|| path.clone())))
}

/// The host that a head names without a doubt, admitted or not.
#[cfg(feature = "router")]
pub(crate) fn named_host(
    fields: &FieldLines,
    method: &Method,
    target: &Bytes,
    version: Version,
) -> Option<RequestHost> {
    // One that is no target says nothing of the host.
    let target = Target::parse(method, target).unwrap_or_else(|_| Target::path(None, Bytes::new()));
    host(fields, &target, version).ok().map(|(host, _)| host)
}

/// The host to look up and the authority to forward (RFC 9110 section 7.2).
fn host(
    fields: &FieldLines,
    target: &Target,
    version: Version,
) -> Result<(RequestHost, HeaderValue), RouterError> {
    let ambiguous = |detail: String| RouterError::new(Code::AmbiguousHost, detail);
    let mut lines = fields.all(&header::HOST);
    let line = lines.next();
    if lines.next().is_some() {
        return Err(ambiguous("the request has more than one Host line".into()));
    }
    let read = |authority: &[u8]| {
        RequestHost::from_authority(authority).map_err(|odd| ambiguous(odd.to_string()))
    };
    let named = target.authority().map(|authority| {
        let text = HeaderValue::from_maybe_shared(authority.text.clone())
            .map_err(|_| ambiguous("the target's authority is not a host".into()))?;
        Ok::<_, RouterError>((read(text.as_bytes())?, text, authority.default_port))
    });
    match (line, named.transpose()?) {
        // RFC 9112 section 3.2: HTTP/1.1 needs the line even beside an
        // absolute-form target.
        (None, _) if version == Version::Http11 => {
            Err(ambiguous("the request has no Host line".into()))
        }
        (None, None) => Err(ambiguous("the request does not say which host it is for".into())),
        (None, Some((host, text, _))) => Ok((host, text)),
        (Some(line), None) => Ok((read(line.as_bytes())?, line.to_value())),
        (Some(line), Some((host, _, default_port))) => {
            if !same_host(&read(line.as_bytes())?, &host, default_port) {
                let detail = "the Host line differs from the authority of the target";
                return Err(ambiguous(detail.into()));
            }
            Ok((host, line.to_value()))
        }
    }
}
