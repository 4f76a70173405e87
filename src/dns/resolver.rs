//! From a name to an answer: the hosts file first, then name servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::Hosts;
use hickory_resolver::proto::rr::Name;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::config::DnsSettings;
use crate::dns::client::{Client, Family, in_hosts, read_hosts};
use crate::endpoint::{FamilyAnswer, NameAnswer};
use crate::registry::Stamp;
use crate::sync::Mutex;

/// Names asked for at a time; each takes two sockets.
const AT_ONCE: usize = 64;
/// How long one family of addresses is waited for when the other is there:
/// there are name servers that never answer for IPv6.
const OTHER_FAMILY: Duration = Duration::from_secs(1);
/// What is not from a name server is looked at again after this.
const LOCAL_TTL: Duration = Duration::from_secs(5);
const HOSTS: &str = "/etc/hosts";
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Answers for names, as the settings of the moment and the system's files
/// have it.
pub(super) struct Resolver {
    asking: Semaphore,
    hosts: Mutex<Option<(Stamp, Arc<Hosts>)>>,
    client: Mutex<Option<Made>>,
}

/// A client, and what it was made of.
struct Made {
    settings: DnsSettings,
    system: Stamp,
    client: Arc<Client>,
}

impl Resolver {
    pub(super) fn new() -> Self {
        Self { asking: Semaphore::new(AT_ONCE), hosts: Mutex::default(), client: Mutex::default() }
    }

    /// Asks for a host once.
    pub(super) async fn ask(&self, host: &str, settings: &DnsSettings) -> NameAnswer {
        if let Some(answer) = self.local(host) {
            return answer;
        }
        let client = match self.client(settings) {
            Ok(client) => client,
            Err(why) => return both(FamilyAnswer::Failed(why)),
        };
        // It is never closed.
        let _turn = self.asking.acquire().await;
        for name in client.candidates(host) {
            let answer = ask_both(&client, &name).await;
            // A failure is not passed over for another name: that one may be
            // somebody else's.
            if answer != both(FamilyAnswer::Nothing) {
                return answer;
            }
        }
        both(FamilyAnswer::Nothing)
    }

    /// Lets go of connections to name servers.
    pub(super) fn rest(&self) {
        *self.client.lock() = None;
    }

    /// What needs no name server: the hosts file, and what is always this
    /// machine (RFC 6761 section 6.3).
    fn local(&self, host: &str) -> Option<NameAnswer> {
        let written = |addresses: Vec<IpAddr>| match addresses.is_empty() {
            true => FamilyAnswer::Nothing,
            false => FamilyAnswer::Addresses(addresses, LOCAL_TTL),
        };
        let name = host.strip_suffix('.').unwrap_or(host);
        let own = || {
            let loopback = [vec![Ipv4Addr::LOCALHOST.into()], vec![Ipv6Addr::LOCALHOST.into()]];
            (name == "localhost" || name.ends_with(".localhost")).then_some(loopback)
        };
        let [v4, v6] = in_hosts(&self.hosts(), host).or_else(own)?.map(written);
        Some(NameAnswer { v4, v6 })
    }

    /// The hosts file as it is now.
    fn hosts(&self) -> Arc<Hosts> {
        let stamp = Stamp::of(Path::new(HOSTS));
        let mut read = self.hosts.lock();
        match &*read {
            Some((seen, hosts)) if *seen == stamp => hosts.clone(),
            _ => read.insert((stamp, Arc::new(read_hosts()))).1.clone(),
        }
    }

    fn client(&self, settings: &DnsSettings) -> Result<Arc<Client>, String> {
        let system = Stamp::of(Path::new(RESOLV_CONF));
        let mut made = self.client.lock();
        if let Some(made) = &*made
            && made.settings == *settings
            && (made.system == system || !settings.servers.is_empty())
        {
            return Ok(made.client.clone());
        }
        let client = Arc::new(Client::new(settings)?);
        *made = Some(Made { settings: settings.clone(), system, client: client.clone() });
        Ok(client)
    }
}

fn both(answer: FamilyAnswer) -> NameAnswer {
    NameAnswer { v4: answer.clone(), v6: answer }
}

async fn ask_both(client: &Client, name: &Name) -> NameAnswer {
    let mut v4 = pin!(client.ask(name, Family::V4));
    let mut v6 = pin!(client.ask(name, Family::V6));
    let late = |answer: Result<FamilyAnswer, _>| answer.unwrap_or(FamilyAnswer::TimedOut);
    // Each question has its own end; what is added here is a shorter one.
    let patience = |first: &FamilyAnswer| match first {
        FamilyAnswer::Addresses(..) => OTHER_FAMILY,
        _ => Duration::MAX,
    };
    tokio::select! {
        v4 = &mut v4 => {
            let v6 = late(timeout(patience(&v4), v6).await);
            NameAnswer { v4, v6 }
        }
        v6 = &mut v6 => {
            let v4 = late(timeout(patience(&v6), v4).await);
            NameAnswer { v4, v6 }
        }
    }
}
