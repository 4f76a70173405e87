//! Twenty thousand connections through one restart after the other.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::harness::router::{Process, binary, never_given_away, write_config};
use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, ScriptedEndpoint};
use crate::systemd::start_with_socket;

/// Connections in all.
const CONNECTIONS: usize = 20_000;
/// Clients at a time.
const CLIENTS: usize = 8;

/// What became of the connections.
#[derive(Debug, Default)]
struct Load {
    begun: AtomicUsize,
    answered: AtomicUsize,
    refused: AtomicUsize,
}

impl Load {
    /// One client after the other until all connections were made. Nothing
    /// but a refusal may stand between a client and its answer.
    fn run(&self, address: SocketAddr) {
        while self.begun.fetch_add(1, Relaxed) < CONNECTIONS {
            loop {
                let mut client = match Connection::try_open(address) {
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                        self.refused.fetch_add(1, Relaxed);
                        std::thread::yield_now();
                        continue;
                    }
                    opened => opened.expect("nothing but a refusal"),
                };
                client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
                assert_eq!(client.answer("GET").status, 200);
                self.answered.fetch_add(1, Relaxed);
                break;
            }
        }
    }

    /// Has routers started by `start` serve all connections, each of them
    /// `per_router`; how many routers it took.
    fn through(
        &self,
        address: SocketAddr,
        per_router: usize,
        mut start: impl FnMut() -> Process,
    ) -> usize {
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| self.run(address))).collect();
            let over = || clients.iter().all(std::thread::ScopedJoinHandle::is_finished);
            let mut routers = 0;
            while !over() {
                routers += 1;
                let mut router = start();
                router.address_after("admin http://");
                let enough = self.answered.load(Relaxed) + per_router;
                eventually("its share of connections", || {
                    (self.answered.load(Relaxed) >= enough || over()).then_some(())
                });
                router.signal("TERM");
                assert_eq!(router.exit().code(), Some(0));
            }
            routers
        })
    }
}

fn config(address: SocketAddr, endpoint: &ScriptedEndpoint) -> Config {
    Config::new()
        .listen(&[&address.to_string()])
        .set("workers.threads", 2)
        .route("a.test", &[endpoint.address()])
}

#[test]
fn with_a_socket_of_systemds_restarts_lose_and_refuse_nobody() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = socket.local_addr().expect("a bound socket has an address");
    let endpoint = ScriptedEndpoint::echo("one");
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = write_config(directory.path(), &config(address, &endpoint));
    let load = Load::default();
    let routers = load.through(address, 1_000, || start_with_socket(&socket, &file));
    assert_eq!(load.answered.load(Relaxed), CONNECTIONS);
    assert_eq!(load.refused.load(Relaxed), 0);
    assert!(routers >= 10, "only {routers} routers were needed");
}

#[test]
fn with_sockets_of_their_own_restarts_reset_nobody() {
    let address = never_given_away();
    let endpoint = ScriptedEndpoint::echo("one");
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = write_config(directory.path(), &config(address, &endpoint));
    let load = Load::default();
    let routers =
        load.through(address, 2_000, || Process::spawn(binary().arg("run").arg("-c").arg(&file)));
    assert_eq!(load.answered.load(Relaxed), CONNECTIONS);
    assert!(routers >= 5, "only {routers} routers were needed");
}
