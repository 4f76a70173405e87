//! Whether changes that are to be made wholly or not at all find room.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::{Change, Ledger, Registration, Source};
use crate::route::{HostPattern, PathPrefix};

impl Ledger {
    /// Whether what is said is older than the word by which the endpoint left.
    fn is_late(&self, source: Source, said: &Registration, now_ms: u64) -> bool {
        let time = said.updated_at_ns;
        time.is_some_and(|time| Some(time) < self.left_at_ns(source, said, now_ms))
    }

    /// Whether none of the changes, made in their order, would be
    /// [full](super::Outcome::Full). Nothing is changed by asking.
    ///
    /// What unregisters on a condition, or a whole route, is not counted on to
    /// make room.
    pub(super) fn has_room(&self, source: Source, changes: &[Change], now_ms: u64) -> bool {
        let most = self.bounds.endpoints;
        if self.endpoints.saturating_add(changes.len()) <= most {
            return true;
        }
        // What of these changes is there after those looked at, and how many
        // endpoints there are in all.
        let mut after: HashMap<(&HostPattern, &PathPrefix, SocketAddr), bool> = HashMap::new();
        let mut endpoints = self.endpoints;
        let has = |host: &HostPattern, path: &PathPrefix, endpoint| {
            let own = self.table.get(host, path).and_then(|top| top.layer(source));
            own.is_some_and(|own| own.position(endpoint).is_ok())
        };
        for change in changes {
            match change {
                Change::Register(said) => {
                    let (host, path, endpoint) = (&said.host, &said.path, said.endpoint);
                    let there = after
                        .entry((host, path, endpoint))
                        .or_insert_with(|| has(host, path, endpoint));
                    if *there || self.is_late(source, said, now_ms) {
                        continue;
                    }
                    if endpoints >= most {
                        return false;
                    }
                    endpoints += 1;
                    *there = true;
                }
                Change::Unregister {
                    host,
                    path,
                    endpoint,
                    instance_id: None,
                    updated_at_ns: None,
                } => {
                    let there = after
                        .entry((host, path, *endpoint))
                        .or_insert_with(|| has(host, path, *endpoint));
                    if std::mem::take(there) {
                        endpoints -= 1;
                    }
                }
                Change::Unregister { .. } | Change::RemoveRoute { .. } => {}
            }
        }
        true
    }
}
