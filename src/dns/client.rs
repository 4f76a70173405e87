//! Asking name servers: the one module that knows hickory.
//!
//! Of hickory only the asking is used: messages, retries, several servers, TCP
//! where an answer is too long for UDP. Its cache is off, since every name has
//! an owner who knows when to ask again; so is its search through the hosts
//! file and the search domains, which takes a server that fails on the way for
//! a name that does not exist.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, Record, RecordType};
use hickory_resolver::{Hosts, system_conf};

use crate::config::DnsSettings;
use crate::endpoint::{FamilyAnswer, MOST_ADDRESSES, is_of_one};

/// Of a name's two families of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    const fn record(self) -> RecordType {
        match self {
            Self::V4 => RecordType::A,
            Self::V6 => RecordType::AAAA,
        }
    }
}

/// Name servers, and how to ask them.
pub(super) struct Client {
    resolver: TokioResolver,
    search: Vec<Name>,
    /// Names with as many dots are first asked for as they are.
    dots: usize,
    /// For one question, over UDP and then over TCP.
    patience: Duration,
}

impl Client {
    /// A client of the servers set, or of the system's.
    ///
    /// # Errors
    /// Says in words what is wrong with the system's configuration.
    pub(super) fn new(settings: &DnsSettings) -> Result<Self, String> {
        let (config, mut options) = if settings.servers.is_empty() {
            let system = system_conf::read_system_conf();
            system.map_err(|error| format!("/etc/resolv.conf cannot be used: {error}"))?
        } else {
            let servers = settings.servers.iter().map(server).collect();
            (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
        };
        let mut search: Vec<Name> = config.domain().cloned().into_iter().collect();
        search.extend(config.search().iter().filter(|s| Some(*s) != config.domain()).cloned());
        options.timeout = settings.timeout;
        options.attempts = settings.attempts - 1;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        let dots = options.ndots;
        let config = ResolverConfig::from_name_servers(config.name_servers().to_vec());
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        *builder.options_mut() = options;
        let resolver = builder.build().map_err(|error| error.to_string())?;
        let tries = u32::try_from(settings.attempts).unwrap_or(u32::MAX);
        let patience = settings.timeout.saturating_mul(tries.saturating_mul(2));
        Ok(Self { resolver, search, dots, patience })
    }

    /// The names that a host as it is written may stand for, in the order they
    /// are asked for (resolv.conf(5): `search`, `ndots`).
    pub(super) fn candidates(&self, host: &str) -> Vec<Name> {
        let Ok(mut name) = Name::from_ascii(host) else { return Vec::new() };
        if name.is_fqdn() {
            return vec![name];
        }
        let below = self.search.iter().filter_map(|s| name.clone().append_domain(s).ok());
        let mut candidates: Vec<Name> = below.collect();
        name.set_fqdn(true);
        let raw = if host.matches('.').count() >= self.dots { 0 } else { candidates.len() };
        candidates.insert(raw, name);
        candidates
    }

    /// The addresses of one family that a name has.
    pub(super) async fn ask(&self, name: &Name, family: Family) -> FamilyAnswer {
        let asking = self.resolver.lookup(name.clone(), family.record());
        let Ok(answer) = tokio::time::timeout(self.patience, asking).await else {
            return FamilyAnswer::TimedOut;
        };
        match answer {
            Ok(lookup) => {
                let answers = lookup.answers();
                let addresses = usable(answers);
                if addresses.is_empty() {
                    return FamilyAnswer::Nothing;
                }
                // That of an alias on the way counts too.
                let ttl_s = answers.iter().map(|record| record.ttl).min().unwrap_or(0);
                FamilyAnswer::Addresses(addresses, Duration::from_secs(ttl_s.into()))
            }
            Err(NetError::Timeout) => FamilyAnswer::TimedOut,
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
                ResponseCode::NoError | ResponseCode::NXDomain => FamilyAnswer::Nothing,
                code => answered(code),
            },
            Err(NetError::Dns(DnsError::ResponseCode(code))) => answered(code),
            Err(NetError::Io(error)) => {
                FamilyAnswer::Failed(format!("no name server could be asked: {}", error.kind()))
            }
            Err(NetError::NoConnections) => {
                FamilyAnswer::Failed("no name server could be asked".into())
            }
            // Its words may name what was asked for.
            Err(_) => FamilyAnswer::Failed("the name server's answer cannot be used".into()),
        }
    }
}

fn answered(code: ResponseCode) -> FamilyAnswer {
    FamilyAnswer::Failed(format!("the name server answered: {code}"))
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// What the hosts file says of a name, by family; `None` if it does not have
/// it.
pub(super) fn in_hosts(hosts: &Hosts, host: &str) -> Option<[Vec<IpAddr>; 2]> {
    let mut name = Name::from_ascii(host).ok()?;
    name.set_fqdn(true);
    let of = |family: Family| {
        let found = hosts.lookup_static_host(&Query::query(name.clone(), family.record()));
        found.map(|lookup| lookup.answers().to_vec()).unwrap_or_default()
    };
    let families = [of(Family::V4), of(Family::V6)];
    let has_it = families.iter().any(|family| !family.is_empty());
    has_it.then(|| families.map(|family| usable(&family)))
}

/// The addresses of an answer that an endpoint can be at. Name servers and hosts
/// files that block a name say 0.0.0.0, which a connection would take for this
/// very machine.
fn usable(answers: &[Record]) -> Vec<IpAddr> {
    let addresses = answers.iter().filter_map(|record| record.data.ip_addr());
    addresses.filter(|ip| is_of_one(*ip)).take(MOST_ADDRESSES).collect()
}

/// The system's hosts file; empty if there is none.
pub(super) fn read_hosts() -> Hosts {
    Hosts::from_system().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn candidates(search: &[&str], dots: usize, host: &str) -> Vec<String> {
        let servers = vec![([192, 0, 2, 1], 53).into()];
        let settings = DnsSettings { servers, ..Default::default() };
        let search = search.iter().map(|s| Name::from_ascii(s).unwrap()).collect();
        let client = Client { search, dots, ..Client::new(&settings).unwrap() };
        client.candidates(host).iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn names_are_searched_for_as_resolv_conf_has_it() {
        let search = ["apps.svc.cluster.local.", "svc.cluster.local."];
        let [one, two] =
            ["shop.apps.svc.cluster.local.", "shop.svc.cluster.local."].map(str::to_owned);
        let shop = "shop.".to_owned();
        assert_eq!(candidates(&search, 5, "shop").await, [one.clone(), two.clone(), shop.clone()]);
        assert_eq!(candidates(&search, 0, "shop").await, [shop.clone(), one, two]);
        assert_eq!(candidates(&search, 5, "shop.example.").await, ["shop.example."]);
        assert_eq!(candidates(&[], 1, "shop").await, [shop]);
        assert_eq!(candidates(&search, 1, "a.b").await[0], "a.b.");
    }

    #[test]
    fn the_hosts_file_has_a_name_in_one_family_or_both() {
        let mut hosts = Hosts::default();
        let file = b"192.0.2.1 app app.internal\n::1 six\n192.0.2.2 app\n";
        hosts.read_hosts_conf(&file[..]).unwrap();
        let v4 = |last: u8| IpAddr::from([192, 0, 2, last]);
        assert_eq!(in_hosts(&hosts, "app"), Some([vec![v4(1), v4(2)], vec![]]));
        assert_eq!(in_hosts(&hosts, "app.internal."), Some([vec![v4(1)], vec![]]));
        assert_eq!(in_hosts(&hosts, "six").unwrap()[1], ["::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(in_hosts(&hosts, "other"), None);
    }
}
