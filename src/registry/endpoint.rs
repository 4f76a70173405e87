//! One endpoint of one route, as a source registered it.

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use super::details::Details;
use super::term::{FOREVER, Term};
use super::{Heard, Registration};

/// No time was given.
const NEVER_UPDATED: i64 = i64::MIN;

/// The longest time to live, so that milliseconds fit 32 bits: 49 days.
const LONGEST_TTL_MS: u32 = u32::MAX;

/// An endpoint of a route. Shared by the versions of the route and of the
/// table: a refresh finds it through any of them, and sets its time.
#[derive(Debug)]
pub(crate) struct Endpoint {
    address: Address,
    pub(crate) term: Term,
    updated_at_ns: AtomicI64,
    /// When it was registered first, in milliseconds since the router was
    /// built.
    pub(crate) since_ms: u64,
    details: Details,
    /// 0 for one that does not expire.
    ttl_ms: u32,
    pub(crate) weight: u16,
    pub(crate) tls: bool,
}

/// An address in half the room: that of IPv4 in place.
#[derive(Debug)]
enum Address {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl Endpoint {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.address {
            Address::V4(address) => (*address).into(),
            Address::V6(address) => (**address).into(),
        }
    }

    /// Registers it at `now_ms`; one that is replaced tells since when, and the
    /// time of the last word that had one.
    pub(crate) fn new(said: &Registration, now_ms: u64, replaced: Option<&Self>) -> Self {
        let ttl_ms = ttl_ms(said.ttl);
        let new = Self {
            address: match said.endpoint {
                SocketAddr::V4(address) => Address::V4(address),
                SocketAddr::V6(address) => Address::V6(Box::new(address)),
            },
            term: Term::until(due_ms(ttl_ms, now_ms)),
            updated_at_ns: AtomicI64::new(said.updated_at_ns.unwrap_or(NEVER_UPDATED)),
            since_ms: replaced.map_or(now_ms, |replaced| replaced.since_ms),
            details: Details::of(said),
            ttl_ms,
            weight: said.weight.max(1),
            tls: said.tls,
        };
        new.updated_since(replaced.and_then(Self::updated_at_ns))
    }

    /// The same, with the time of an earlier word if its own had none: what is
    /// older than that is no less late for a word in between that does not say
    /// when it was.
    pub(crate) fn updated_since(mut self, time: Option<i64>) -> Self {
        let own = self.updated_at_ns.get_mut();
        if *own == NEVER_UPDATED {
            *own = time.unwrap_or(NEVER_UPDATED);
        }
        self
    }

    /// An endpoint of the file: it does not expire.
    pub(crate) fn fixed(address: SocketAddr, weight: u16, zone: Option<&str>, now_ms: u64) -> Self {
        let said = Registration {
            weight,
            availability_zone: zone.map(Into::into),
            ..Registration::new(
                crate::route::HostPattern::ANY,
                crate::route::PathPrefix::ROOT,
                address,
            )
        };
        Self::new(&said, now_ms, None)
    }

    /// The time of the last word on it, if that had one.
    pub(crate) fn updated_at_ns(&self) -> Option<i64> {
        Some(self.updated_at_ns.load(Relaxed)).filter(|time| *time != NEVER_UPDATED)
    }

    /// Whether a message of this time is older than the last word on it.
    pub(crate) fn outdates(&self, updated_at_ns: Option<i64>) -> bool {
        updated_at_ns.is_some_and(|updated_at_ns| updated_at_ns < self.updated_at_ns.load(Relaxed))
    }

    /// Whether a message says nothing new of it.
    pub(crate) fn is(&self, heard: &Heard<'_>, tags: &[(&str, &str)]) -> bool {
        self.ttl_ms == ttl_ms(heard.ttl)
            && self.weight == heard.weight.max(1)
            && self.tls == heard.tls
            && self.details.are(heard, tags)
    }

    /// The same for a registration.
    pub(crate) fn is_said(&self, said: &Registration) -> bool {
        self.ttl_ms == ttl_ms(said.ttl)
            && self.weight == said.weight.max(1)
            && self.tls == said.tls
            && self.details == Details::of(said)
    }

    /// Makes it hold from `now_ms` on. False if it has ended.
    pub(crate) fn refresh(&self, updated_at_ns: Option<i64>, now_ms: u64) -> bool {
        if let Some(updated_at_ns) = updated_at_ns {
            self.updated_at_ns.fetch_max(updated_at_ns, Relaxed);
        }
        self.term.renew(due_ms(self.ttl_ms, now_ms))
    }

    /// Which instance it is.
    pub(crate) fn instance_id(&self) -> Option<&str> {
        self.details.instance_id()
    }

    /// The name its certificate must have.
    pub(crate) fn server_cert_domain_san(&self) -> Option<&str> {
        self.details.server_cert_domain_san()
    }

    /// Its availability zone.
    pub(crate) fn zone(&self) -> Option<&str> {
        self.details.availability_zone()
    }

    /// Whether it is in this availability zone.
    pub(crate) fn is_in_zone(&self, zone: &str) -> bool {
        self.details.availability_zone() == Some(zone)
    }

    /// Milliseconds it lives without a refresh.
    pub(crate) fn ttl_ms(&self) -> Option<u64> {
        (self.ttl_ms > 0).then_some(u64::from(self.ttl_ms))
    }

    /// Puts what is only kept for those who look into a registration.
    pub(crate) fn tell(&self, said: &mut Registration) {
        self.details.fill(said);
    }

    /// As it was registered; the rest of its route's options are the route's.
    pub(crate) fn registration(
        &self,
        host: crate::route::HostPattern,
        path: crate::route::PathPrefix,
    ) -> Registration {
        let mut said = Registration::new(host, path, self.address());
        said.ttl = self.ttl_ms().map(Duration::from_millis);
        said.weight = self.weight;
        said.tls = self.tls;
        said.updated_at_ns = self.updated_at_ns();
        self.details.fill(&mut said);
        said
    }
}

/// Milliseconds of a time to live, held to what is kept; 0 is for ever.
pub(super) fn ttl_ms(ttl: Option<Duration>) -> u32 {
    let Some(ttl) = ttl else { return 0 };
    u32::try_from(ttl.as_millis()).unwrap_or(LONGEST_TTL_MS).max(1)
}

fn due_ms(ttl_ms: u32, now_ms: u64) -> u64 {
    if ttl_ms == 0 { FOREVER } else { now_ms + u64::from(ttl_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_cache_line() {
        assert_eq!(size_of::<Endpoint>(), 64);
    }

    #[test]
    fn every_kind_of_address_comes_out_as_it_went_in() {
        for text in ["10.0.0.1:80", "[2001:db8::1]:8080", "[fe80::1%7]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Endpoint::fixed(address, 1, None, 0).address(), address);
        }
    }

    #[test]
    fn times_to_live_are_held_to_what_is_kept() {
        let ms = Duration::from_millis;
        for (said, kept) in [
            (None, None),
            (Some(Duration::ZERO), Some(1)),
            (Some(ms(30_000)), Some(30_000)),
            (Some(Duration::MAX), Some(u64::from(LONGEST_TTL_MS))),
        ] {
            let path = crate::route::PathPrefix::ROOT;
            let address = ([10, 0, 0, 1], 80).into();
            let mut one = Registration::new(crate::route::HostPattern::ANY, path, address);
            one.ttl = said;
            assert_eq!(Endpoint::new(&one, 0, None).ttl_ms(), kept);
        }
    }

    #[test]
    fn what_was_said_of_an_endpoint_beside_its_address_is_told() {
        let address = ([10, 0, 0, 1], 80).into();
        let mut one = Registration::new(
            crate::route::HostPattern::ANY,
            crate::route::PathPrefix::ROOT,
            address,
        );
        one.availability_zone = Some("z1".into());
        one.server_cert_domain_san = Some("i-1.internal".into());
        let endpoint = Endpoint::new(&one, 0, None);
        assert_eq!(endpoint.zone(), Some("z1"));
        assert!(endpoint.is_in_zone("z1") && !endpoint.is_in_zone("z2"));
        assert_eq!(endpoint.server_cert_domain_san(), Some("i-1.internal"));
        let mut told = Registration::new(one.host.clone(), one.path.clone(), address);
        endpoint.tell(&mut told);
        assert_eq!(told, one);
    }
}
