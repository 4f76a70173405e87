//! The body of `PUT /routes/HOST/PATH`: from bytes to what is to be
//! registered, or everything that is wrong with them.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::config::checks::{self, Mistake};
use crate::config::format_duration;
use crate::endpoint::Balance;
use crate::registry::{Registration, Source};
use crate::route::{HostPattern, PathPrefix};

use super::endpoint_body;
use super::problem::KeyMistake;

const ROUTE_KEYS: &[&str] = &["host", "path", "source", "balance", "ttl", "endpoints"];
/// As in the configuration file.
const WEIGHTS: std::ops::RangeInclusive<u64> = 1..=256;
/// What a registration can hold (see [`Registration::ttl`]).
const LONGEST_TTL: Duration = Duration::from_millis(u32::MAX as u64);

/// Reads the body for the route of this host and path.
///
/// # Errors
/// Every mistake in it, with its key.
pub(super) fn read(
    body: &Value,
    host: &HostPattern,
    path: &PathPrefix,
) -> Result<Vec<Registration>, Vec<KeyMistake>> {
    let mut reader = Reader { mistakes: Vec::new() };
    let registrations = reader.route(body, host, path);
    if reader.mistakes.is_empty() { Ok(registrations) } else { Err(reader.mistakes) }
}

struct Reader {
    mistakes: Vec<KeyMistake>,
}

impl Reader {
    fn report(&mut self, key: &str, mistake: Mistake) {
        self.mistakes.push(KeyMistake { key: key.to_owned(), mistake });
    }

    fn wrong(&mut self, key: &str, reason: impl Into<String>, help: &str) {
        self.report(key, Mistake { reason: reason.into(), help: Some(help.to_owned()) });
    }

    fn route(&mut self, body: &Value, host: &HostPattern, path: &PathPrefix) -> Vec<Registration> {
        const EXAMPLE: &str = "write {\"endpoints\": [\"10.0.0.1:8080\"]}";
        let Value::Object(route) = body else {
            self.wrong("", format!("{} is no route", kind(body)), EXAMPLE);
            return Vec::new();
        };
        self.only(route, "", ROUTE_KEYS);
        // What a GET gave may be put back.
        self.same(route, "host", &host.to_string());
        self.same(route, "path", &path.to_string());
        self.source(route);
        let balance = self.parsed(route, "balance", "balance", checks::balance);
        let ttl = self.ttl(route, "ttl");
        let endpoints = match route.get("endpoints") {
            Some(Value::Array(endpoints)) if !endpoints.is_empty() => endpoints,
            Some(Value::Array(_)) => {
                let help = "name at least one, or DELETE the route; a GET shows none of a route \
                            whose endpoints have all expired";
                self.wrong("endpoints", "there is none", help);
                return Vec::new();
            }
            Some(other) => {
                self.wrong("endpoints", format!("{} is no list", kind(other)), EXAMPLE);
                return Vec::new();
            }
            None => {
                self.wrong("endpoints", "it is missing", EXAMPLE);
                return Vec::new();
            }
        };
        let mut registrations: Vec<Registration> = Vec::new();
        let mut seen = std::collections::HashMap::new();
        for (index, endpoint) in endpoints.iter().enumerate() {
            let key = format!("endpoints[{index}]");
            let new = |address| Registration {
                ttl,
                // Said each time: what is put does not depend on what was there.
                balance: Some(balance.clone().unwrap_or(Balance::RoundRobin)),
                ..Registration::new(host.clone(), path.clone(), address)
            };
            let Some(endpoint) = self.endpoint(endpoint, &key, new) else { continue };
            if let Some(first) = seen.insert(endpoint.endpoint, index) {
                let address = endpoint.endpoint;
                let reason = format!("{address} stands here twice: first as endpoints[{first}]");
                self.wrong(&key, reason, "give one of them a weight instead");
            }
            registrations.push(endpoint);
        }
        registrations
    }

    fn endpoint(
        &mut self,
        value: &Value,
        key: &str,
        new: impl Fn(SocketAddr) -> Registration,
    ) -> Option<Registration> {
        match value {
            Value::String(text) => Some(new(self.address(text, key)?)),
            Value::Object(endpoint) => {
                self.only(endpoint, key, endpoint_body::KEYS);
                let weight = self.weight(endpoint, &format!("{key}.weight"));
                let ttl = self.ttl(endpoint, &format!("{key}.ttl"));
                let below = format!("{key}.address");
                let address = match endpoint.get("address") {
                    Some(Value::String(text)) => self.address(text, &below),
                    Some(other) => {
                        self.wrong(&below, format!("{} is no text", kind(other)), ADDRESS);
                        None
                    }
                    None => {
                        self.wrong(&below, "it is missing", ADDRESS);
                        None
                    }
                };
                let nowhere = ([0, 0, 0, 0], 0).into();
                let mut it = new(address.unwrap_or(nowhere));
                (it.weight, it.ttl) = (weight, ttl.or(it.ttl));
                for (name, reason, help) in endpoint_body::read_details(endpoint, &mut it) {
                    self.wrong(&format!("{key}.{name}"), reason, help);
                }
                address.map(|_| it)
            }
            other => {
                self.wrong(key, format!("{} is no endpoint", kind(other)), ADDRESS);
                None
            }
        }
    }

    fn address(&mut self, text: &str, key: &str) -> Option<SocketAddr> {
        checks::endpoint_address(text).map_err(|mistake| self.report(key, mistake)).ok()
    }

    fn weight(&mut self, endpoint: &Map<String, Value>, key: &str) -> u16 {
        let number = match endpoint.get("weight") {
            None => return 1,
            Some(value) => value.as_u64().filter(|number| WEIGHTS.contains(number)),
        };
        number.and_then(|number| u16::try_from(number).ok()).unwrap_or_else(|| {
            self.wrong(key, "it is no whole number from 1 to 256", "leave it out for 1");
            1
        })
    }

    fn ttl(&mut self, of: &Map<String, Value>, key: &str) -> Option<Duration> {
        let ttl = self.parsed(of, "ttl", key, checks::duration)?;
        if ttl > LONGEST_TTL {
            let longest = format_duration(Duration::from_secs(49 * 86_400));
            self.wrong(key, format!("it is longer than {longest}"), "leave it out for ever");
        }
        Some(ttl)
    }

    /// A text, if it is there and not null, through its check.
    fn parsed<T>(
        &mut self,
        of: &Map<String, Value>,
        name: &str,
        key: &str,
        check: impl Fn(&str) -> Result<T, Mistake>,
    ) -> Option<T> {
        match of.get(name)? {
            Value::Null => None,
            Value::String(text) => check(text).map_err(|mistake| self.report(key, mistake)).ok(),
            other => {
                let reason = format!("{} is no text", kind(other));
                self.report(key, Mistake { reason, help: check("").err().and_then(|m| m.help) });
                None
            }
        }
    }

    /// What a GET gave of another's route may be given as one's own.
    fn source(&mut self, route: &Map<String, Value>) {
        let named = |source: &Value| source.as_str().and_then(Source::named).is_some();
        if route.get("source").is_some_and(|source| !named(source)) {
            let help = "leave it out: what is put here is the admin API's";
            self.wrong("source", "it is no source of routes", help);
        }
    }

    fn same(&mut self, route: &Map<String, Value>, key: &str, wanted: &str) {
        if route.get(key).is_some_and(|given| given != wanted) {
            let help = format!("leave it out or write {wanted:?}");
            self.wrong(key, "it differs from the address of the request", &help);
        }
    }

    fn only(&mut self, of: &Map<String, Value>, place: &str, known: &[&'static str]) {
        for key in of.keys().filter(|key| !known.contains(&key.as_str())) {
            let below = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            self.report(&below, checks::unknown_key(key, known));
        }
    }
}

const ADDRESS: &str = "write \"10.0.0.1:8080\" or {\"address\": \"10.0.0.1:8080\", \"weight\": 2}";

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_it(body: Value) -> Result<Vec<Registration>, Vec<(String, String)>> {
        let (host, path) = ("a.test".parse().unwrap(), "/api".parse().unwrap());
        read(&body, &host, &path).map_err(|mistakes| {
            let said = |m: KeyMistake| {
                (m.key, format!("{}; {}", m.mistake.reason, m.mistake.help.unwrap_or_default()))
            };
            mistakes.into_iter().map(said).collect()
        })
    }

    #[test]
    fn endpoints_are_addresses_or_objects_and_inherit_the_ttl() {
        let read = read_it(json!({
            "balance": "least-requests",
            "ttl": "30s",
            "endpoints": ["10.0.0.1:80", {"address": "10.0.0.2:80", "weight": 3, "ttl": "5s"}],
        }))
        .unwrap();
        assert_eq!((read[0].weight, read[0].ttl), (1, Some(Duration::from_secs(30))));
        assert_eq!((read[1].weight, read[1].ttl), (3, Some(Duration::from_secs(5))));
        assert!(read.iter().all(|one| one.balance == Some(Balance::LeastRequests)));
    }

    #[test]
    fn what_is_wrong_is_said_by_key_all_at_once_with_the_nearest_choice() {
        let wrong = read_it(json!({
            "host": "b.test",
            "endpoint": [],
            "balance": "round-robbin",
            "ttl": "30",
            "endpoints": [
                "10.0.0.1", {"adress": "10.0.0.1:80"}, 7,
                {"address": "10.0.0.1:80", "weight": 257}, "10.0.0.1:80",
            ],
        }));
        let wrong = wrong.unwrap_err();
        let of = |key: &str| {
            let of = wrong.iter().filter(|(of, _)| of == key).map(|(_, said)| said.as_str());
            of.collect::<Vec<_>>().join("\n")
        };
        assert!(of("host").contains("\"a.test\""), "{wrong:?}");
        assert!(of("endpoint").contains("\"endpoints\""), "{wrong:?}");
        assert!(of("balance").contains("round-robin\""), "{wrong:?}");
        assert!(of("ttl").contains("unit is missing"), "{wrong:?}");
        assert!(of("endpoints[0]").contains("port is missing"), "{wrong:?}");
        assert!(of("endpoints[1].adress").contains("\"address\""), "{wrong:?}");
        assert!(of("endpoints[1].address").contains("missing"), "{wrong:?}");
        assert!(of("endpoints[2]").contains("a number is no endpoint"), "{wrong:?}");
        assert!(of("endpoints[3].weight").contains("256"), "{wrong:?}");
        assert!(of("endpoints[4]").contains("twice: first as endpoints[3]"), "{wrong:?}");
    }

    #[test]
    fn a_ttl_is_no_longer_than_can_be_kept() {
        let with = |ttl: &str| read_it(json!({"ttl": ttl, "endpoints": ["10.0.0.1:80"]}));
        assert_eq!(with("4294967295ms").unwrap()[0].ttl, Some(LONGEST_TTL));
        let refused = with("4294967296ms").unwrap_err();
        assert!(refused[0].0 == "ttl" && refused[0].1.contains("longer than"), "{refused:?}");
    }

    #[test]
    fn a_route_without_endpoints_is_refused() {
        for body in [json!({}), json!({"endpoints": []}), json!([]), json!({"endpoints": "x"})] {
            assert_eq!(read_it(body.clone()).unwrap_err().len(), 1, "{body}");
        }
    }
}
