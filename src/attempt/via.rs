//! `Via`: what this node calls itself, and whether a request was here before.

use http::header::{HeaderValue, VIA};

use crate::attempt::hygiene::members;
use crate::http1::{FieldLines, Version};

/// This node's entry in `Via` (RFC 9110 section 7.6.3).
///
/// The pseudonym carries a node id that is random per process unless it is
/// configured, so that only a request that came through this very process is a
/// loop: two Pointsmen in a row are not.
#[derive(Clone, Debug)]
pub struct Via {
    received_by: String,
    http10: HeaderValue,
    http11: HeaderValue,
}

impl Via {
    /// The entry `1.1 PSEUDONYM-NODE`; `None` unless both are tokens (RFC 9110
    /// section 5.6.2).
    pub fn new(pseudonym: &str, node: &str) -> Option<Self> {
        if !is_token(pseudonym) || !is_token(node) {
            return None;
        }
        let received_by = format!("{pseudonym}-{node}");
        let line = |version| HeaderValue::try_from(format!("{version} {received_by}")).ok();
        Some(Self { http10: line("1.0")?, http11: line("1.1")?, received_by })
    }

    /// The value to add for a message that was received in `version`.
    pub fn value(&self, version: Version) -> &HeaderValue {
        match version {
            Version::Http10 => &self.http10,
            Version::Http11 => &self.http11,
        }
    }

    /// Whether a request with these fields has passed this node already.
    ///
    /// A client that knows the node id can bring a 508 on its own request, and
    /// on no other.
    pub fn is_own_in(&self, fields: &FieldLines) -> bool {
        fields.all(&VIA).flat_map(|value| members(value.as_bytes())).any(|entry| {
            // received-protocol, blanks, received-by, maybe a comment
            let mut words = entry.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(self.received_by.as_bytes()))
        })
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via_lines(values: &[&'static str]) -> FieldLines {
        values.iter().map(|value| (VIA, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_ones_own_node_is_a_loop() {
        let via = Via::new("pointsman", "a1").unwrap();
        assert!(via.is_own_in(&via_lines(&["1.1 pointsman-a1"])));
        assert!(via.is_own_in(&via_lines(&["1.0 edge", "1.1 x , HTTP/1.1  Pointsman-A1 (hi)"])));
        assert!(!via.is_own_in(&via_lines(&["1.1 pointsman-a2, 1.1 pointsman"])));
        assert!(!via.is_own_in(&via_lines(&["1.1 pointsman-a11", "pointsman-a1"])));
        assert!(!via.is_own_in(&via_lines(&["1.1 edge (pointsman-a1)"])));
        assert!(!via.is_own_in(&FieldLines::new()));
    }

    #[test]
    fn the_entry_names_the_version_received() {
        let via = Via::new("pointsman", "a1").unwrap();
        assert_eq!(via.value(Version::Http10), "1.0 pointsman-a1");
        assert_eq!(via.value(Version::Http11), "1.1 pointsman-a1");
    }

    #[test]
    fn a_pseudonym_that_is_no_token_makes_no_entry() {
        for (pseudonym, node) in [("point sman", "a"), ("p", "a,b"), ("", "a"), ("p", "a\r\n")] {
            assert!(Via::new(pseudonym, node).is_none(), "{pseudonym:?} {node:?}");
        }
    }
}
