//! A router with TLS on both sides, for tests that know nothing of it.
//!
//! Clients come through a [`Bridge`] to each listener, and each endpoint of the
//! harness stands behind one. So what a suite asks of plain connections is
//! asked once more of encrypted ones (`tests/e2e_over_tls`), and no test has to
//! be written twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use parking_lot::Mutex;

use super::config::Config;
use super::tls::{Authority, Bridge, Pair, listener_tls};

/// Where the harness's own endpoints are. Others, those that refuse every
/// connection among them, stay as they are.
static ENDPOINTS: Mutex<BTreeMap<SocketAddr, ()>> = Mutex::new(BTreeMap::new());

/// The hosts of the suites that are run under TLS. A wildcard right below the
/// top is no name to a verifier.
const HOSTS: [&str; 12] = [
    "a.test",
    "b.test",
    "c.test",
    "x.a.test",
    "evil.test",
    "hasty.test",
    "nobody.test",
    "nowhere.test",
    "patient.test",
    "slow.test",
    "three.test",
    "two.test",
];

/// An endpoint of the harness is at `address`.
pub(crate) fn note_endpoint(address: SocketAddr) {
    ENDPOINTS.lock().insert(address, ());
}

/// What one router needs to be spoken to, and to speak, under TLS only.
pub(crate) struct Encrypted {
    authority: Authority,
    ours: Pair,
    theirs: Pair,
    endpoints: Mutex<BTreeMap<SocketAddr, Bridge>>,
}

impl Encrypted {
    /// With certificates for every host of the tests.
    pub(crate) fn new() -> Self {
        let authority = Authority::new();
        let (ours, theirs) = (authority.issue(&HOSTS), authority.issue(&["127.0.0.1"]));
        Self { authority, ours, theirs, endpoints: Mutex::default() }
    }

    /// The same configuration with TLS on both sides.
    pub(crate) fn config(&self, plain: &Config) -> Config {
        let mut bridges = self.endpoints.lock();
        plain.encrypted(&listener_tls(&self.ours), |endpoint| {
            if !ENDPOINTS.lock().contains_key(&endpoint) {
                return None;
            }
            let bridge = bridges
                .entry(endpoint)
                .or_insert_with(|| Bridge::before(endpoint, &self.theirs, None));
            Some((bridge.address(), format!("tls = {{ ca = {:?} }}", self.authority.ca())))
        })
    }

    /// A plain port that leads to the listener at `address`.
    pub(crate) fn listener(&self, address: SocketAddr) -> Bridge {
        Bridge::to(address, &self.authority, "a.test")
    }
}
