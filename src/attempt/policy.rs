//! What a route adds to and drops from a request's head, worked out once.
//!
//! A [`HeadPolicy`] is built when a table is, and shared by every route that
//! edits nothing. Everything that a request would otherwise compute again
//! (names, the `Via` line, which edits are allowed) is settled here.

use http::header::{HeaderName, HeaderValue};

use crate::attempt::hygiene::{ends_here, is_alias};
use crate::attempt::intern;
use crate::attempt::via::Via;
use crate::http1::FieldLines;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What happens to `X-Forwarded-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// Kept and appended to from a trusted proxy, replaced from anyone else.
    Append,
    /// Always replaced.
    Replace,
    /// Neither set nor removed.
    Off,
}

/// Edits to a head: removals first, then the fields set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Fields set to one value, whatever was there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Fields removed.
    pub remove: Vec<HeaderName>,
}

impl HeaderEdits {
    pub(crate) fn apply(&self, fields: &mut FieldLines) {
        for name in &self.remove {
            fields.remove(name);
        }
        for (name, value) in &self.set {
            fields.set(name.clone(), value.clone());
        }
    }

    /// Whether a field is set or removed: then nobody else has a say in it, and
    /// in a trailer section neither.
    pub(crate) fn decide(&self, name: &HeaderName) -> bool {
        self.names().any(|own| own == name)
    }

    /// The same edits, of texts that cost no counting to copy.
    pub(crate) fn interned(&self) -> Self {
        let set = self.set.iter();
        Self {
            set: set.map(|(name, value)| (intern::name(name), intern::value(value))).collect(),
            remove: self.remove.iter().map(intern::name).collect(),
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.remove.iter().chain(self.set.iter().map(|(name, _)| name))
    }
}

/// Why a policy cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// An edit touches a field that the router itself sets or needs, or sets
    /// one that servers may fold into such a field.
    #[error("the field {0} is the router's own and cannot be edited by a route")]
    ProtectedField(HeaderName),
    /// The request id would overwrite a field that means something else.
    #[error("the field {0} has a meaning of its own and cannot carry the request id")]
    RequestIdName(HeaderName),
}

/// How heads are derived for one route.
#[derive(Clone, Debug)]
pub struct HeadPolicy {
    pub(super) forwarded: Forwarded,
    pub(super) request_id: HeaderName,
    pub(super) via: Option<Via>,
    pub(super) edits: HeaderEdits,
    /// The lengths of the names that can have an alias, as a bit set.
    alias_lengths: u64,
}

impl HeadPolicy {
    /// A policy: what to do with `X-Forwarded-*`, the request id's field name,
    /// this node's `Via` entry (`None` sends none), and the route's edits.
    ///
    /// # Errors
    ///
    /// An edit of a field that the router sets or needs, one that sets a folded
    /// spelling of it, or a request id in a field that has another meaning.
    pub fn new(
        forwarded: Forwarded,
        request_id: HeaderName,
        via: Option<Via>,
        edits: HeaderEdits,
    ) -> Result<Self, PolicyError> {
        if ends_here(&request_id) || is_reserved(&request_id) {
            return Err(PolicyError::RequestIdName(request_id));
        }
        let (request_id, edits) = (intern::name(&request_id), edits.interned());
        let mut policy = Self { forwarded, request_id, via, edits, alias_lengths: 0 };
        policy.alias_lengths = policy
            .aliased_names()
            .chain(FRAMING_NAMES)
            .fold(0, |set, name| set | 1 << name.len().min(63));
        let forges = |name: &&HeaderName| policy.is_forged_alias(name, false);
        let mut set = policy.edits.set.iter().map(|(name, _)| name);
        let protected = policy.edits.names().find(|name| policy.protects(name));
        let protected = protected.or_else(|| set.find(forges)).cloned();
        protected.map_or(Ok(policy), |name| Err(PolicyError::ProtectedField(name)))
    }

    /// Whether a field is the router's own: neither a route's edits nor a
    /// client's `Connection` can remove or replace it.
    ///
    /// These are the fields the router sets (`Host`, the request id, `Via`,
    /// `X-Forwarded-*` with `-Client-Cert`, framing and the other hop-by-hop
    /// fields) and two that it acts on: `Expect`, on which the sending of the
    /// body hangs, and `Forwarded`, for which the rule is trust. No end-to-end
    /// field is among them, `Authorization` and `Cookie` neither: RFC 9110
    /// section 7.6.1 wants what is named removed, and a client that names its
    /// own credentials could as well not have sent them.
    pub fn protects(&self, name: &HeaderName) -> bool {
        ends_here(name)
            || *name == self.request_id
            || match name.as_str() {
                "host" | "expect" | "forwarded" | "x-forwarded-client-cert" => true,
                "via" => self.via.is_some(),
                "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host" => {
                    self.forwarded != Forwarded::Off
                }
                _ => false,
            }
    }

    /// Whether a server that folds names would take `name` for a field the
    /// router vouches for. Framing has no honest aliases, whoever sends them;
    /// the rest may come from a trusted proxy (of client certificates only under
    /// the modes that let it speak of them, which is settled before).
    pub(super) fn is_forged_alias(&self, name: &HeaderName, trusted: bool) -> bool {
        let name = name.as_str();
        // Most names end here, at the price of a shift.
        if self.alias_lengths & (1 << name.len().min(63)) == 0 {
            return false;
        }
        FRAMING_NAMES.into_iter().any(|framing| is_alias(name, framing))
            || !trusted && self.aliased_names().any(|own| is_alias(name, own))
    }

    fn aliased_names(&self) -> impl Iterator<Item = &str> {
        let forwarded: &[&str] = match self.forwarded {
            Forwarded::Off => &[],
            _ => &["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"],
        };
        let own = [self.request_id.as_str(), "x-forwarded-client-cert"];
        forwarded.iter().copied().chain(own)
    }
}

const FRAMING_NAMES: [&str; 2] = ["content-length", "transfer-encoding"];

/// Fields with a meaning that a request id would destroy.
fn is_reserved(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "host"
            | "expect"
            | "forwarded"
            | "via"
            | "x-forwarded-for"
            | "x-forwarded-proto"
            | "x-forwarded-host"
            | "x-forwarded-client-cert"
            | "authorization"
            | "cookie"
            | "set-cookie"
            | "date"
            | "content-type"
            | "trailer"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(forwarded: Forwarded, edits: HeaderEdits) -> Result<HeadPolicy, PolicyError> {
        let id = HeaderName::from_static("x-request-id");
        HeadPolicy::new(forwarded, id, Via::new("pointsman", "a1"), edits)
    }

    fn removes(name: &'static str) -> HeaderEdits {
        HeaderEdits { remove: vec![HeaderName::from_static(name)], ..HeaderEdits::default() }
    }

    fn sets(name: &'static str) -> HeaderEdits {
        let line = (HeaderName::from_static(name), HeaderValue::from_static("1"));
        HeaderEdits { set: vec![line], ..HeaderEdits::default() }
    }

    #[test]
    fn an_edit_cannot_touch_what_the_router_sets() {
        for name in [
            "host",
            "via",
            "x-request-id",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "forwarded",
            "x-forwarded-client-cert",
            "content-length",
            "transfer-encoding",
            "connection",
            "expect",
            "te",
        ] {
            let refused = PolicyError::ProtectedField(HeaderName::from_static(name));
            assert_eq!(policy(Forwarded::Append, removes(name)).unwrap_err(), refused);
            assert_eq!(policy(Forwarded::Append, sets(name)).unwrap_err(), refused);
        }
        assert!(policy(Forwarded::Append, sets("x-env")).is_ok());
    }

    #[test]
    fn an_edit_can_remove_a_folded_spelling_and_not_set_it() {
        for name in ["x_forwarded_client_cert", "x-forwarded.for", "x_request_id"] {
            let refused = PolicyError::ProtectedField(HeaderName::from_static(name));
            assert_eq!(policy(Forwarded::Append, sets(name)).unwrap_err(), refused);
            assert!(policy(Forwarded::Append, removes(name)).is_ok());
        }
        assert!(policy(Forwarded::Off, sets("x_forwarded_for")).is_ok());
    }

    #[test]
    fn with_forwarding_off_a_route_may_say_what_it_likes_in_x_forwarded() {
        assert!(policy(Forwarded::Off, sets("x-forwarded-proto")).is_ok());
        assert!(policy(Forwarded::Off, sets("forwarded")).is_err());
    }

    #[test]
    fn the_request_id_cannot_stand_in_a_field_with_another_meaning() {
        for name in [
            "host",
            "expect",
            "forwarded",
            "via",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-forwarded-client-cert",
            "authorization",
            "cookie",
            "set-cookie",
            "date",
            "content-type",
            "trailer",
            "connection",
            "content-length",
        ] {
            let name = HeaderName::from_static(name);
            let got = HeadPolicy::new(Forwarded::Off, name.clone(), None, HeaderEdits::default());
            assert_eq!(got.unwrap_err(), PolicyError::RequestIdName(name));
        }
    }
}
