//! What a message asks for beside being routed to: how the route's endpoints
//! are to be chosen from.

use http::HeaderName;

use super::scalar::Text;
use super::wire;
use crate::endpoint::{Balance, HashOn};

/// Why an option of a message is not followed; the rest of the message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// `loadbalancing` has a name this router does not know.
    LoadBalancing,
    /// `loadbalancing` is `hash`, and `hash_header` names no header field.
    HashHeader,
    /// `hash_balance`: a key keeps its endpoint however much that has to do.
    HashBalance,
}

impl Ignored {
    /// Every kind there is.
    pub const ALL: [Self; 3] = [Self::LoadBalancing, Self::HashHeader, Self::HashBalance];

    /// The option, as metrics and logs name it.
    pub const fn option(self) -> &'static str {
        match self {
            Self::LoadBalancing => "loadbalancing",
            Self::HashHeader => "hash_header",
            Self::HashBalance => "hash_balance",
        }
    }
}

/// The balance that is asked for, if one is, and what is not followed.
pub(super) fn balance(options: &wire::Options<'_>) -> (Option<Balance>, Option<Ignored>) {
    match options.loadbalancing.as_str() {
        "" => (None, None),
        "round-robin" => (Some(Balance::RoundRobin), None),
        "least-connection" | "least-connections" | "least-requests" => {
            (Some(Balance::LeastRequests), None)
        }
        "hash" => match HeaderName::try_from(options.hash_header.as_str()) {
            Err(_) => (None, Some(Ignored::HashHeader)),
            Ok(name) => {
                let ignored = bounds(&options.hash_balance).then_some(Ignored::HashBalance);
                (Some(Balance::Hash(HashOn::Header(name))), ignored)
            }
        },
        _ => (None, Some(Ignored::LoadBalancing)),
    }
}

/// Whether a factor by which an endpoint's load may exceed the average is one:
/// 0 says that there is none.
fn bounds(factor: &Text<'_>) -> bool {
    factor.said().is_some_and(|factor| factor.trim().parse() != Ok(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &str) -> (Option<String>, Option<Ignored>) {
        let options: wire::Options<'_> = serde_json::from_str(options).unwrap();
        let (balance, ignored) = balance(&options);
        (balance.map(|balance| balance.to_string()), ignored)
    }

    #[test]
    fn every_balance_of_the_platform_is_one_or_is_said_to_be_ignored() {
        let known = |name: &str| (Some(name.to_owned()), None);
        assert_eq!(read("null"), (None, None));
        assert_eq!(read("{}"), (None, None));
        assert_eq!(read(r#"{"loadbalancing":"round-robin"}"#), known("round-robin"));
        assert_eq!(read(r#"{"loadbalancing":"least-connection"}"#), known("least-requests"));
        let unknown = (None, Some(Ignored::LoadBalancing));
        assert_eq!(read(r#"{"loadbalancing":"by-mood"}"#), unknown);
    }

    #[test]
    fn a_hash_is_of_the_field_it_names() {
        let hash = |more: &str| read(&format!(r#"{{"loadbalancing":"hash"{more}}}"#));
        let of_tenant = Some("hash:header:x-tenant".to_owned());
        assert_eq!(hash(r#","hash_header":"X-Tenant""#), (of_tenant.clone(), None));
        for none in ["0", "\"0\"", "\"0.0\"", "\"\"", "null"] {
            let more = format!(r#","hash_header":"X-Tenant","hash_balance":{none}"#);
            assert_eq!(hash(&more), (of_tenant.clone(), None), "{none}");
        }
        for some in ["1.25", "\"1.25\"", "\"much\"", "2"] {
            let more = format!(r#","hash_header":"X-Tenant","hash_balance":{some}"#);
            assert_eq!(hash(&more), (of_tenant.clone(), Some(Ignored::HashBalance)), "{some}");
        }
        for nameless in ["", r#","hash_header":"""#, r#","hash_header":"a b""#] {
            assert_eq!(hash(nameless), (None, Some(Ignored::HashHeader)), "{nameless}");
        }
    }
}
