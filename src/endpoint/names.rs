//! The names in use, and what is known of them.
//!
//! A name is one whatever routes and ports use it, and as with addresses the
//! registry keeps nothing alive. It is read when a table is made, by lists, and
//! by requests whose route has no endpoint for want of an answer; it is written
//! by whoever asks the resolver.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use crate::endpoint::address::EndpointAddress;
use crate::endpoint::resolution::{Learnt, NameAnswer, NameFault, NameTerms, Resolution};
use crate::sync::Mutex;

/// A name that endpoints are known by.
#[derive(Debug)]
pub struct Name {
    host: Arc<str>,
    resolution: Mutex<Resolution>,
}

impl Name {
    /// The host.
    pub fn host(&self) -> &Arc<str> {
        &self.host
    }

    /// What is known of it.
    pub fn resolution(&self) -> Resolution {
        self.resolution.lock().clone()
    }

    /// Takes an answer; only whoever asks the resolver for this name calls it.
    pub fn observe(&self, answer: NameAnswer, terms: &NameTerms, now_ms: u64) -> Learnt {
        self.resolution.lock().observe(answer, terms, now_ms)
    }

    /// Why it has no address, if it has none: no answer yet counts as one that
    /// is late.
    pub fn why_empty(&self) -> Option<NameFault> {
        let resolution = self.resolution.lock();
        if resolution.addresses().next().is_some() {
            return None;
        }
        let late =
            || NameFault { timed_out: true, detail: "no name server has answered yet".into() };
        Some(resolution.fault().map_or_else(late, |(_, fault)| fault.clone()))
    }
}

/// The names in use.
#[derive(Debug, Default)]
pub struct NameRegistry {
    known: Mutex<Known>,
    attended: Mutex<Vec<Arc<Name>>>,
}

#[derive(Debug, Default)]
struct Known {
    names: HashMap<Arc<str>, Weak<Name>>,
    /// The number of entries at which those of names out of use are swept out.
    sweep_at: usize,
}

/// One address that an endpoint of a route has.
#[derive(Clone, Debug)]
pub struct ResolvedAddress {
    /// Where it listens.
    pub address: SocketAddr,
    /// Which of the endpoints given it stands for.
    pub endpoint: usize,
}

impl NameRegistry {
    /// What is known of a host: the one in use, else a new one.
    pub fn resolve(&self, host: &Arc<str>) -> Arc<Name> {
        let mut known = self.known.lock();
        if let Some(name) = known.names.get(host).and_then(Weak::upgrade) {
            return name;
        }
        if known.names.len() >= known.sweep_at {
            known.names.retain(|_, name| name.strong_count() > 0);
            known.sweep_at = (2 * known.names.len()).max(64);
        }
        let resolution = Mutex::new(Resolution::default());
        let name = Arc::new(Name { host: host.clone(), resolution });
        known.names.insert(host.clone(), Arc::downgrade(&name));
        name
    }

    /// The names that somebody asks for from now on: those of the table in
    /// force.
    pub fn attend(&self, mut names: Vec<Arc<Name>>) {
        names.sort_unstable_by(|one, other| one.host.cmp(&other.host));
        names.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let before = std::mem::replace(&mut *self.attended.lock(), names);
        drop(before);
    }

    /// The names that somebody asks for.
    pub fn attended(&self) -> Vec<Arc<Name>> {
        self.attended.lock().clone()
    }

    /// Which of the endpoints as they are written an address stands for. One
    /// that its name has no longer stands for a name with its port.
    pub fn written(&self, endpoints: &[&EndpointAddress], address: SocketAddr) -> Option<usize> {
        let fixed = |own: &&EndpointAddress| **own == EndpointAddress::Ip(address);
        let named = |own: &&EndpointAddress, now: bool| match own {
            EndpointAddress::Name { host, port } if *port == address.port() => {
                !now || self.resolve(host).resolution().addresses().any(|ip| ip == address.ip())
            }
            _ => false,
        };
        endpoints
            .iter()
            .position(fixed)
            .or_else(|| endpoints.iter().position(|own| named(own, true)))
            .or_else(|| endpoints.iter().position(|own| named(own, false)))
    }

    /// Endpoints as addresses, and the names among them. An address that
    /// several of them have stands for the first.
    pub fn expand<'a>(
        &self,
        endpoints: impl IntoIterator<Item = &'a EndpointAddress>,
    ) -> (Vec<ResolvedAddress>, Vec<Arc<Name>>) {
        let (mut addresses, mut names) = (Vec::new(), Vec::<Arc<Name>>::new());
        for (endpoint, address) in endpoints.into_iter().enumerate() {
            match address {
                EndpointAddress::Ip(address) => {
                    addresses.push(ResolvedAddress { address: *address, endpoint });
                }
                EndpointAddress::Name { host, port } => {
                    let name = self.resolve(host);
                    let resolution = name.resolution();
                    let at = |ip| ResolvedAddress { address: SocketAddr::new(ip, *port), endpoint };
                    addresses.extend(resolution.addresses().map(at));
                    names.push(name);
                }
            }
        }
        if names.is_empty() {
            // Addresses of a route differ, as validation has it.
            return (addresses, names);
        }
        let mut seen = std::collections::HashSet::new();
        addresses.retain(|resolved| seen.insert(resolved.address));
        (addresses, names)
    }
}

#[cfg(all(test, not(pointsman_loom)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::endpoint::resolution::FamilyAnswer;

    fn name(host: &str, port: u16) -> EndpointAddress {
        EndpointAddress::Name { host: host.into(), port }
    }

    fn learn(name: &Name, last: &[u8]) {
        let s = Duration::from_secs(1);
        let terms = NameTerms { min_ttl: s, max_ttl: s, negative_hold: s };
        let addresses = last.iter().map(|last| [192, 0, 2, *last].into()).collect();
        let v4 = FamilyAnswer::Addresses(addresses, s);
        name.observe(NameAnswer { v4, v6: FamilyAnswer::Nothing }, &terms, 0);
    }

    #[test]
    fn a_name_is_known_once_whatever_ports_it_is_used_with() {
        let registry = NameRegistry::default();
        let (addresses, names) = registry.expand(&[name("app", 80), name("app", 81)]);
        assert!(addresses.is_empty() && Arc::ptr_eq(&names[0], &names[1]));
        assert!(names[0].why_empty().is_some_and(|fault| fault.timed_out));
        learn(&names[0], &[2, 1]);
        assert!(names[0].why_empty().is_none());
        let fixed = EndpointAddress::Ip(([192, 0, 2, 2], 80).into());
        let (addresses, _) = registry.expand(&[fixed, name("app", 80), name("app", 81)]);
        let all: Vec<_> = addresses.iter().map(|a| (a.address.to_string(), a.endpoint)).collect();
        let at = |address: &str, endpoint| (address.to_owned(), endpoint);
        assert_eq!(
            all,
            [
                at("192.0.2.2:80", 0),
                at("192.0.2.1:80", 1),
                at("192.0.2.1:81", 2),
                at("192.0.2.2:81", 2)
            ]
        );
    }

    #[test]
    fn names_are_asked_for_once_each_and_only_those_in_force() {
        let registry = NameRegistry::default();
        let [app, db] = ["app", "db"].map(|host| registry.resolve(&host.into()));
        registry.attend(vec![db.clone(), app.clone(), db.clone()]);
        let hosts = || registry.attended().iter().map(|name| name.host().to_string()).collect();
        let asked: Vec<String> = hosts();
        assert_eq!(asked, ["app", "db"]);
        registry.attend(vec![db]);
        let asked: Vec<String> = hosts();
        assert_eq!(asked, ["db"]);
    }

    #[test]
    fn an_address_stands_for_what_is_written_as_it_or_has_it_else_for_what_has_its_port() {
        let registry = NameRegistry::default();
        let names = ["one", "two"].map(|host| registry.resolve(&host.into()));
        learn(&names[0], &[1]);
        learn(&names[1], &[2]);
        let address = |last, port| SocketAddr::from(([192, 0, 2, last], port));
        let fixed = EndpointAddress::Ip(address(3, 80));
        let written = [name("one", 80), name("two", 80), name("two", 81), fixed];
        let written: Vec<_> = written.iter().collect();
        let stands_for = |last, port| registry.written(&written, address(last, port));
        assert_eq!([stands_for(1, 80), stands_for(2, 80)], [Some(0), Some(1)]);
        assert_eq!(stands_for(3, 80), Some(3), "as it is written");
        assert_eq!((stands_for(2, 81), stands_for(1, 81)), (Some(2), Some(2)));
        assert_eq!((stands_for(9, 80), stands_for(1, 82)), (Some(0), None));
    }

    #[test]
    fn a_name_in_use_stays_while_others_come_and_go() {
        let registry = NameRegistry::default();
        let kept = registry.resolve(&"app".into());
        (0..1_000).for_each(|n| drop(registry.resolve(&n.to_string().into())));
        assert!(Arc::ptr_eq(&kept, &registry.resolve(&"app".into())));
    }

    #[test]
    fn a_name_that_nobody_uses_is_forgotten() {
        let registry = NameRegistry::default();
        learn(&registry.resolve(&"app".into()), &[1]);
        assert_eq!(registry.resolve(&"app".into()).resolution().state(), "unresolved");
        for n in 0..1_000 {
            registry.resolve(&n.to_string().into());
        }
        assert!(registry.known.lock().names.len() <= 64);
    }
}
