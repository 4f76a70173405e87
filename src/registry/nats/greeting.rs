//! What a router says of itself: on `start`, and in reply to `greet`.

use std::net::IpAddr;

use serde::Serialize;

use crate::config::RegistrySettings;

/// The name this router goes by on the bus.
pub(super) struct Greeting {
    id: String,
}

/// Emitters in the field read `prunteThresholdInSeconds`, as the first router
/// of the platform spelt it, or the name it should have had: both are sent.
#[derive(Serialize)]
struct Text<'a> {
    id: &'a str,
    hosts: &'a [IpAddr],
    #[serde(rename = "minimumRegisterIntervalInSeconds")]
    interval: u64,
    #[serde(rename = "pruneThresholdInSeconds")]
    threshold: u64,
    #[serde(rename = "prunteThresholdInSeconds")]
    threshold_as_spelt: u64,
}

impl Greeting {
    /// A name that no other router has, and this one had at no other start.
    pub(super) fn new(node: &str) -> Self {
        Self { id: format!("{node}-{:032x}", fastrand::u128(..)) }
    }

    /// The message.
    pub(super) fn text(&self, registry: &RegistrySettings, hosts: &[IpAddr]) -> Vec<u8> {
        let threshold = registry.ttl.as_secs();
        let text = Text {
            id: &self.id,
            hosts,
            interval: registry.register_interval.as_secs(),
            threshold,
            threshold_as_spelt: threshold,
        };
        // Texts, numbers and addresses have no way to fail.
        serde_json::to_vec(&text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_says_who_and_how_often() {
        let hosts = [IpAddr::from([10, 0, 0, 1])];
        let text = Greeting::new("node").text(&RegistrySettings::default(), &hosts);
        let text: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert!(text["id"].as_str().unwrap().starts_with("node-"));
        assert_eq!(text["hosts"], serde_json::json!(["10.0.0.1"]));
        assert_eq!(text["minimumRegisterIntervalInSeconds"], 20);
        assert_eq!(text["pruneThresholdInSeconds"], 120);
        assert_eq!(text["prunteThresholdInSeconds"], 120);
    }
}
