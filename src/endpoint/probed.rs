//! What probes have found out, by address and check.
//!
//! The same rules as for what requests have found out
//! ([`EndpointRegistry`](crate::endpoint::EndpointRegistry)): a new table asks
//! for its checks while the old one still stands, so what is known is kept;
//! and the registry keeps nothing alive.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use crate::endpoint::changes;
use crate::endpoint::check::HealthCheck;
use crate::endpoint::rise_fall::Standing;
use crate::endpoint::verdict::Verdict;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One address under one check, spoken to in one way, shared by all routes
/// that have the three.
#[derive(Debug)]
pub struct Probed {
    address: SocketAddr,
    way: u64,
    check: Arc<HealthCheck>,
    verdict: Verdict,
    last: Mutex<Option<LastProbe>>,
}

/// The last probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastProbe {
    /// When it ended.
    pub at_ms: u64,
    /// Why it failed; `None` if it passed.
    pub fault: Option<String>,
}

impl Probed {
    fn new(address: SocketAddr, way: u64, check: Arc<HealthCheck>, known: Option<&Self>) -> Self {
        let unproven = || Verdict::new(Standing::Unproven, 0);
        let verdict = known.map_or_else(unproven, |known| known.verdict.again());
        let last = known.and_then(Self::last);
        Self { address, way, check, verdict, last: Mutex::new(last) }
    }

    /// Where the endpoint listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it is spoken to: a number that means something to who probes it, 0
    /// for plain HTTP.
    pub fn way(&self) -> u64 {
        self.way
    }

    /// What it is asked.
    pub fn check(&self) -> &Arc<HealthCheck> {
        &self.check
    }

    /// Whether probes took it out.
    pub fn is_down(&self) -> bool {
        self.verdict.is_down()
    }

    /// What probes have shown, and since when.
    pub fn standing(&self) -> (Standing, u64) {
        self.verdict.read()
    }

    /// When probes brought it back; `None` if it is out, or never was.
    pub fn returned_ms(&self) -> Option<u64> {
        self.verdict.returned_ms()
    }

    /// Its last probe.
    pub fn last(&self) -> Option<LastProbe> {
        self.last.lock().clone()
    }

    /// Notes a probe that ended. Only its one prober calls this.
    pub fn note(&self, probe: LastProbe, turn: Option<Standing>) {
        let at_ms = probe.at_ms;
        *self.last.lock() = Some(probe);
        if let Some(standing) = turn {
            self.verdict.set(standing, at_ms);
            changes::note();
        }
    }
}

/// Everything that is probed, by address.
#[derive(Debug, Default)]
pub struct ProbeRegistry {
    known: Mutex<Known>,
    made: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    probed: HashMap<SocketAddr, Vec<Weak<Probed>>>,
    /// The number of addresses at which those without a check are swept out.
    sweep_at: usize,
}

impl ProbeRegistry {
    /// An address under a check: what is in use, else a new one. A new one
    /// knows what was found out about the address by the same question asked
    /// at another pace.
    pub fn resolve(&self, address: SocketAddr, way: u64, check: &Arc<HealthCheck>) -> Arc<Probed> {
        let mut known = self.known.lock();
        if known.probed.len() >= known.sweep_at {
            known.probed.retain(|_, checks| checks.iter().any(|c| c.strong_count() > 0));
            known.sweep_at = (2 * known.probed.len()).max(64);
        }
        let checks = known.probed.entry(address).or_default();
        checks.retain(|probed| probed.strong_count() > 0);
        let in_use: Vec<_> = checks.iter().filter_map(Weak::upgrade).collect();
        if let Some(same) = in_use.iter().find(|probed| probed.way == way && probed.check == *check)
        {
            return Arc::clone(same);
        }
        let alike = |probed: &&Arc<Probed>| probed.way == way && probed.check.asks_as(check);
        let alike = in_use.iter().find(alike);
        let probed = Arc::new(Probed::new(address, way, Arc::clone(check), alike.map(|p| &**p)));
        checks.push(Arc::downgrade(&probed));
        self.made.fetch_add(1, Relaxed);
        probed
    }

    /// How often there was something new to probe.
    pub fn made(&self) -> u64 {
        self.made.load(Relaxed)
    }
}

impl ProbeRegistry {
    /// The addresses that probes have taken out, under whatever check.
    pub fn down(&self) -> HashSet<SocketAddr> {
        let known = self.known.lock();
        let is_down = |probed: &Weak<Probed>| probed.upgrade().is_some_and(|p| p.is_down());
        let down = known.probed.iter().filter(|(_, checks)| checks.iter().any(is_down));
        down.map(|(address, _)| *address).collect()
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn fail(probed: &Probed) {
        let probe = LastProbe { at_ms: 7, fault: Some("refused".into()) };
        probed.note(probe, Some(Standing::Down));
    }

    #[test]
    fn an_address_under_one_check_is_one_whatever_routes_ask() {
        let registry = ProbeRegistry::default();
        let check = HealthCheck::default().of_route("a");
        let one = registry.resolve(address(1), 0, &check);
        fail(&one);
        let same = registry.resolve(address(1), 0, &HealthCheck::default().of_route("a"));
        assert!(Arc::ptr_eq(&one, &same) && same.is_down());
        assert_eq!(registry.down(), HashSet::from([address(1)]));
        let other_way = registry.resolve(address(1), 7, &check);
        assert_eq!((one.way(), other_way.way(), other_way.is_down()), (0, 7, false));
        assert_eq!((one.check(), registry.made()), (&check, 2));
        assert!(!registry.resolve(address(2), 0, &check).is_down());
        assert!(!registry.resolve(address(1), 0, &HealthCheck::default().of_route("b")).is_down());
    }

    #[test]
    fn another_pace_keeps_what_is_known() {
        let registry = ProbeRegistry::default();
        let slow = HealthCheck::default();
        let fast = HealthCheck { interval: Duration::from_millis(10), ..slow.clone() };
        let known = registry.resolve(address(1), 0, &slow.of_route("a"));
        fail(&known);
        let new = registry.resolve(address(1), 0, &fast.of_route("a"));
        assert!(!Arc::ptr_eq(&known, &new));
        assert_eq!(new.standing(), (Standing::Down, 7));
        assert_eq!(new.last().and_then(|last| last.fault).as_deref(), Some("refused"));
    }

    #[test]
    fn what_nobody_wants_any_more_is_forgotten() {
        let registry = ProbeRegistry::default();
        let check = HealthCheck::default().of_route("a");
        let kept = registry.resolve(address(0), 0, &check);
        fail(&registry.resolve(address(1), 0, &check));
        assert!(!registry.resolve(address(1), 0, &check).is_down());
        for port in 1..10_000 {
            drop(registry.resolve(address(port), 0, &check));
        }
        assert!(registry.known.lock().probed.len() <= 64);
        assert!(Arc::ptr_eq(&kept, &registry.resolve(address(0), 0, &check)));
        for n in 0..1_000 {
            drop(registry.resolve(address(1), n, &check));
        }
        assert_eq!(registry.known.lock().probed[&address(1)].len(), 1, "the last");
    }
}
