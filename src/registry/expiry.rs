//! What ends by itself: endpoints nobody confirms, and routes that have been
//! without any for long enough.

use std::sync::Arc;

use super::calendar::{Look, Tick};
use super::endpoint::Endpoint;
use super::entry::Entry;
use super::ledger::{Ledger, Link};
use super::term::Verdict;
use super::{Change, Source};
use crate::router::Makings;

/// Between two looks at an endpoint whose source is away: often enough that
/// it ends in time after the return, seldom enough to cost nothing.
const LOOK_WHILE_AWAY_MS: u64 = 1_000;

/// Routes looked at under one lock, so that who waits for it waits for less
/// than a millisecond.
pub(crate) const LOOKS_AT_ONCE: usize = 256;

/// What one round of expiry did.
#[derive(Debug, Default)]
pub(crate) struct Expired {
    /// What ended, as a source would have said it.
    pub(crate) changes: Vec<(Source, Change)>,
    /// Whether the table is another one; a route can go without any change
    /// of a source.
    pub(crate) table_changed: bool,
    /// Whether there is more to look at.
    pub(crate) more: bool,
}

impl Ledger {
    /// Ends what is due at `now_ms`, at most [`LOOKS_AT_ONCE`] routes of it.
    pub(crate) fn expire(&mut self, now_ms: u64, makings: Makings<'_>) -> Expired {
        self.tombstones.forget(now_ms, self.bounds.memory);
        let looks = self.calendar.take_due(now_ms, LOOKS_AT_ONCE);
        let mut expired = Expired { more: looks.len() == LOOKS_AT_ONCE, ..Expired::default() };
        for (tick, look) in looks {
            self.look(tick, &look, now_ms, makings, &mut expired);
        }
        expired
    }

    /// Notes that a source is there or away. While it is away nothing of it
    /// expires; when it is back, what it does not confirm for a whole time to
    /// live does.
    pub(crate) fn set_connected(&mut self, source: Source, connected: bool, now_ms: u64) {
        let link = &mut self.links[source as usize];
        if connected && !link.connected {
            link.returned_ms = now_ms;
        }
        link.connected = connected;
    }

    fn look(
        &mut self,
        tick: Tick,
        look: &Look,
        now_ms: u64,
        makings: Makings<'_>,
        expired: &mut Expired,
    ) {
        let top = self.named(&look.name).cloned();
        let own = top.as_ref().and_then(|top| top.layer(look.source));
        let (Some(top), Some(own)) = (&top, own) else { return };
        if own.scheduled() != tick {
            return;
        }
        own.set_scheduled(0);
        if let Some(since_ms) = own.empty_since_ms {
            let ends_ms = since_ms.get().saturating_add(self.bounds.grace_ms);
            if ends_ms > now_ms {
                self.schedule(own, ends_ms);
                return;
            }
            self.replace(top, look.source, None, makings);
            expired.table_changed = true;
            return;
        }
        let Remaining { endpoints, gone, next_ms } =
            remaining(own, self.links[look.source as usize], now_ms);
        if gone.is_empty() {
            if let Some(next_ms) = next_ms {
                self.schedule(own, next_ms);
            }
            return;
        }
        let Some((host, path)) = own.key() else { return };
        for gone in gone {
            let change = Change::Unregister {
                host: host.clone(),
                path: path.clone(),
                endpoint: gone.address(),
                instance_id: gone.instance_id().map(Box::from),
                updated_at_ns: None,
            };
            expired.changes.push((look.source, change));
        }
        let mut next = own.with_endpoints(endpoints);
        let next_ms = if next.endpoints.is_empty() {
            next.empty_since_ms = Some(Self::moment(now_ms));
            Some(now_ms.saturating_add(self.bounds.grace_ms))
        } else {
            next_ms
        };
        if let Some(next_ms) = next_ms {
            self.schedule(&next, next_ms);
        }
        self.replace(top, look.source, Some(next), makings);
        expired.table_changed = true;
    }

    fn replace(
        &mut self,
        top: &Arc<Entry>,
        source: Source,
        next: Option<Entry>,
        makings: Makings<'_>,
    ) {
        if let Some((host, path)) = top.key() {
            self.put((&host, &path), Some(top), source, next, makings);
        }
    }
}

impl Link {
    /// Until when an endpoint of the source holds unless it is confirmed, as it
    /// stands at `now_ms`; `None` if for ever. While the source is away that
    /// moves on.
    pub(crate) fn holds_until_ms(self, endpoint: &Endpoint, now_ms: u64) -> Option<u64> {
        let (due_ms, ttl_ms) = (endpoint.term.due_ms()?, endpoint.ttl_ms()?);
        Some(match self {
            Self { connected: false, .. } => now_ms + ttl_ms,
            Self { returned_ms: 0, .. } => due_ms,
            Self { returned_ms, .. } => due_ms.max(returned_ms + ttl_ms),
        })
    }
}

struct Remaining {
    endpoints: Vec<Arc<Endpoint>>,
    gone: Vec<Arc<Endpoint>>,
    /// When the first of those that are left is due.
    next_ms: Option<u64>,
}

/// Ends what is due of a route; what is left of it.
fn remaining(route: &Entry, link: Link, now_ms: u64) -> Remaining {
    let mut left = Remaining { endpoints: Vec::new(), gone: Vec::new(), next_ms: None };
    for endpoint in &route.endpoints {
        let holds_until_ms = match endpoint.ttl_ms() {
            None => None,
            Some(_) if !link.connected => Some(now_ms + LOOK_WHILE_AWAY_MS),
            Some(ttl_ms) => {
                let grace_ms = if link.returned_ms == 0 { 0 } else { link.returned_ms + ttl_ms };
                match endpoint.term.expire(now_ms, grace_ms) {
                    Verdict::Ended => {
                        left.gone.push(Arc::clone(endpoint));
                        continue;
                    }
                    Verdict::Holds(until_ms) => Some(until_ms),
                }
            }
        };
        left.endpoints.push(Arc::clone(endpoint));
        left.next_ms = match (left.next_ms, holds_until_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    left
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::registry::Registration;
    use crate::route::{HostPattern, PathPrefix};

    #[test]
    fn how_long_an_endpoint_holds_is_told_as_its_source_stands() {
        let address = ([192, 0, 2, 1], 1).into();
        let mut said = Registration::new(HostPattern::ANY, PathPrefix::ROOT, address);
        said.ttl = Some(Duration::from_millis(300));
        let endpoint = Endpoint::new(&said, 1_000, None);
        let holds = |connected, returned_ms, now_ms| {
            Link { connected, returned_ms }.holds_until_ms(&endpoint, now_ms)
        };
        assert_eq!(holds(true, 0, 1_200), Some(1_300), "as it was confirmed");
        assert_eq!(holds(true, 900, 1_200), Some(1_300), "the source came back before that");
        assert_eq!(holds(true, 1_100, 1_200), Some(1_400), "a whole time after the return");
        assert_eq!(holds(false, 0, 5_000), Some(5_300), "while away that moves on");
        said.ttl = None;
        let forever = Endpoint::new(&said, 1_000, None);
        assert_eq!(Link { connected: false, returned_ms: 1 }.holds_until_ms(&forever, 5_000), None);
    }
}
