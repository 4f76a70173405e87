//! The fields of a response on their way to the client.
//!
//! The endpoint's list is taken by value and given back cleaned: hop-by-hop
//! fields and what its `Connection` names end here, framing is left to the
//! encoder, the route's edits are made, and the request id is set last, so that
//! neither the endpoint nor an edit can stand in its place. Everything else
//! passes in its order, repeated `Set-Cookie` lines above all.

use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, UPGRADE};

use crate::attempt::hygiene::{connection_names, ends_here, names_nothing_that_passes};
use crate::attempt::{HeaderEdits, PolicyError, intern};
use crate::http1::{FieldLines, Framing, may_trail};

/// What a route does to the heads of its responses.
#[derive(Clone, Debug)]
pub struct ResponsePolicy {
    request_id: HeaderName,
    edits: HeaderEdits,
}

impl ResponsePolicy {
    /// A policy: the request id's field name and the route's edits.
    ///
    /// # Errors
    ///
    /// An edit of the request id or of a hop-by-hop or framing field.
    pub fn new(request_id: HeaderName, edits: HeaderEdits) -> Result<Self, PolicyError> {
        let is_protected = |name: &HeaderName| ends_here(name) || *name == request_id;
        let protected = edits.names().find(|name| is_protected(name)).cloned();
        protected.map_or(
            Ok(Self { request_id: intern::name(&request_id), edits: edits.interned() }),
            |name| Err(PolicyError::ProtectedField(name)),
        )
    }
}

/// The fields a final response carries to the client.
///
/// `Content-Length` is the encoder's, except where it only describes content
/// that does not follow (RFC 9110 section 8.6): then nobody else would say it,
/// and an answer to HEAD or a 304 keeps the endpoint's word. 204 must not have
/// one.
///
/// `Upgrade` passes with a 426 alone, whose point it is (RFC 9110 section
/// 15.5.22), named in a `Connection` of this hop's own (section 7.8). What the
/// client then asks for is the endpoint's to grant.
pub fn response_fields(
    mut fields: FieldLines,
    status: StatusCode,
    framing: Framing,
    policy: &ResponsePolicy,
    request_id: &HeaderValue,
) -> FieldLines {
    let describes = framing == Framing::None && status != StatusCode::NO_CONTENT;
    let offers = status == StatusCode::UPGRADE_REQUIRED && fields.contains(&UPGRADE);
    remove_hop_by_hop(&mut fields, |name| {
        describes && *name == CONTENT_LENGTH || offers && *name == UPGRADE
    });
    if offers {
        fields.append(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    policy.edits.apply(&mut fields);
    fields.set(policy.request_id.clone(), request_id.clone());
    fields
}

/// The fields an informational response (1xx) carries to the client. It has no
/// content, no edits apply to it, and its final response will name the request.
pub fn informational_fields(mut fields: FieldLines) -> FieldLines {
    remove_hop_by_hop(&mut fields, |_| false);
    fields
}

/// The trailer section of a response, without fields that may not trail (RFC
/// 9110 section 6.5.1), that the head's `Connection` named, or that the route
/// decides, and without a second request id.
pub fn response_trailers(
    mut trailers: FieldLines,
    named: &NamedFields,
    policy: &ResponsePolicy,
) -> FieldLines {
    trailers.retain(|name, _| {
        may_trail(name)
            && *name != policy.request_id
            && !policy.edits.decide(name)
            && !named.contain(name)
    });
    trailers
}

/// The fields that the `Connection` of a head names. They end here wherever they
/// stand, in the trailer section too (RFC 9110 section 7.6.1), so they are kept
/// for as long as one may come.
#[derive(Clone, Debug, Default)]
pub struct NamedFields(Option<Box<FieldLines>>);

impl NamedFields {
    /// Those of this head; nothing is allocated where it names none.
    pub fn of(fields: &FieldLines) -> Self {
        let names_fields =
            fields.all(&CONNECTION).any(|value| !names_nothing_that_passes(value.as_bytes()));
        let options = || fields.all(&CONNECTION).map(|value| (CONNECTION, value.to_value()));
        Self(names_fields.then(|| Box::new(options().collect())))
    }

    fn contain(&self, name: &HeaderName) -> bool {
        self.0.as_deref().is_some_and(|options| connection_names(options, name))
    }
}

/// Removes what ends here but for the lines that `stays` is true for.
fn remove_hop_by_hop(fields: &mut FieldLines, stays: impl Fn(&HeaderName) -> bool) {
    let named = NamedFields::of(fields);
    if named.0.is_some() {
        fields.retain(|name, _| ends_here(name) || !named.contain(name));
    }
    fields.retain(|name, _| !ends_here(name) || stays(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[(&'static str, &'static str)]) -> FieldLines {
        lines
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect()
    }

    fn policy(edits: HeaderEdits) -> ResponsePolicy {
        ResponsePolicy::new(HeaderName::from_static("x-request-id"), edits).unwrap()
    }

    fn passed(
        fields: &[(&'static str, &'static str)],
        status: StatusCode,
        framing: Framing,
    ) -> FieldLines {
        let id = HeaderValue::from_static("id-1");
        response_fields(lines(fields), status, framing, &policy(HeaderEdits::default()), &id)
    }

    #[test]
    fn what_an_answers_connection_names_ends_here_and_the_rest_passes() {
        let received = [("connection", "X-Hop"), ("x-hop", "1"), ("x-end", "2")];
        let want = lines(&[("x-end", "2"), ("x-request-id", "id-1")]);
        assert_eq!(passed(&received, StatusCode::OK, Framing::Length(3)), want);
    }

    #[test]
    fn an_answer_passes_in_order_and_set_cookie_lines_stay_apart() {
        let received = [
            ("server", "app"),
            ("set-cookie", "a=1"),
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("content-length", "3"),
            ("set-cookie", "b=2"),
            ("trailer", "x-sum"),
            ("x-request-id", "the app's own"),
            ("date", "now"),
        ];
        let want = lines(&[
            ("server", "app"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("trailer", "x-sum"),
            ("x-request-id", "id-1"),
            ("date", "now"),
        ]);
        assert_eq!(passed(&received, StatusCode::OK, Framing::Length(3)), want);
    }

    #[test]
    fn what_connection_names_is_removed_but_not_the_request_id() {
        let received = [
            ("x-hop", "1"),
            ("connection", "close"),
            ("connection", "X-Hop, x-request-id, transfer-encoding"),
            ("transfer-encoding", "chunked"),
        ];
        let want = lines(&[("x-request-id", "id-1")]);
        assert_eq!(passed(&received, StatusCode::OK, Framing::Chunked), want);
    }

    #[test]
    fn a_length_passes_only_where_no_content_follows_it() {
        let received = [("content-length", "3")];
        let kept = |status, framing| {
            passed(&received, status, framing).contains(&http::header::CONTENT_LENGTH)
        };
        assert!(kept(StatusCode::OK, Framing::None));
        assert!(kept(StatusCode::NOT_MODIFIED, Framing::None));
        assert!(!kept(StatusCode::NO_CONTENT, Framing::None));
        assert!(!kept(StatusCode::OK, Framing::Length(3)));
    }

    #[test]
    fn only_an_answer_that_requires_an_upgrade_says_to_what() {
        let received = [("upgrade", "x/2"), ("connection", "upgrade, x-hop"), ("x-hop", "1")];
        let want =
            lines(&[("upgrade", "x/2"), ("connection", "upgrade"), ("x-request-id", "id-1")]);
        assert_eq!(passed(&received, StatusCode::UPGRADE_REQUIRED, Framing::Chunked), want);
        let want = lines(&[("x-request-id", "id-1")]);
        assert_eq!(passed(&received, StatusCode::OK, Framing::Chunked), want);
        let none = [("connection", "close")];
        assert_eq!(passed(&none, StatusCode::UPGRADE_REQUIRED, Framing::Chunked), want);
    }

    #[test]
    fn a_route_edits_the_answer_but_not_what_is_the_routers() {
        let name = HeaderName::from_static;
        let edits = HeaderEdits {
            set: vec![(name("x-frame-options"), HeaderValue::from_static("DENY"))],
            remove: vec![name("server")],
        };
        let got = response_fields(
            lines(&[("server", "app"), ("x-frame-options", "ALLOW")]),
            StatusCode::OK,
            Framing::Chunked,
            &policy(edits),
            &HeaderValue::from_static("id-1"),
        );
        assert_eq!(got, lines(&[("x-frame-options", "DENY"), ("x-request-id", "id-1")]));
        for own in ["x-request-id", "content-length", "connection"] {
            let edits = HeaderEdits { remove: vec![name(own)], set: Vec::new() };
            let refused = ResponsePolicy::new(name("x-request-id"), edits);
            assert_eq!(refused.unwrap_err(), PolicyError::ProtectedField(name(own)));
        }
    }

    #[test]
    fn informational_answers_lose_hop_by_hop_fields_only() {
        let received = lines(&[("link", "</a>"), ("upgrade", "h2c"), ("content-length", "0")]);
        assert_eq!(informational_fields(received), lines(&[("link", "</a>")]));
    }

    #[test]
    fn response_trailers_pass_without_what_may_not_trail() {
        let received = lines(&[
            ("grpc-status", "0"),
            ("set-cookie", "a=1"),
            ("x-request-id", "forged"),
            ("transfer-encoding", "chunked"),
        ]);
        let none = NamedFields::default();
        let got = response_trailers(received, &none, &policy(HeaderEdits::default()));
        assert_eq!(got, lines(&[("grpc-status", "0")]));
    }

    #[test]
    fn what_ends_here_or_is_the_routes_does_not_come_by_the_trailers() {
        let name = HeaderName::from_static;
        let edits = HeaderEdits {
            set: vec![(name("x-env"), HeaderValue::from_static("prod"))],
            remove: vec![name("x-debug")],
        };
        let head = lines(&[("connection", "keep-alive"), ("connection", "X-Hop, x-hop-t")]);
        let received = lines(&[
            ("x-hop-t", "secret"),
            ("x-sum", "1"),
            ("x-debug", "1"),
            ("x-env", "forged"),
            ("x-hop", "2"),
        ]);
        let got = response_trailers(received, &NamedFields::of(&head), &policy(edits));
        assert_eq!(got, lines(&[("x-sum", "1")]));
        assert!(NamedFields::of(&lines(&[("connection", "close")])).0.is_none());
    }
}
