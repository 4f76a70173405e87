//! Clients and endpoints of a router, on one thread of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::platform::host;

/// Connections of clients, kept open.
const CONNECTIONS: usize = 64;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n\
    xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// One round of requests.
struct Round {
    time: Duration,
    requests_per_second: usize,
    took_ns: oneshot::Sender<Vec<u64>>,
}

/// The thread they are on; gone with it.
pub(crate) struct Load {
    pub(crate) endpoints: [SocketAddr; 2],
    rounds: mpsc::UnboundedSender<(SocketAddr, Round)>,
    _thread: JoinHandle<()>,
}

impl Load {
    /// Starts the endpoints; clients ask for the apps below `served`.
    pub(crate) fn start(served: usize) -> Self {
        let (rounds, mut asked) = mpsc::unbounded_channel::<(SocketAddr, Round)>();
        let (ready, told) = std::sync::mpsc::channel();
        let _thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let endpoints = [endpoint().await, endpoint().await];
                ready.send(endpoints).unwrap();
                while let Some((router, round)) = asked.recv().await {
                    let took_ns = ask(router, &round, served).await;
                    round.took_ns.send(took_ns).unwrap();
                }
            });
        });
        Self { endpoints: told.recv().unwrap(), rounds, _thread }
    }

    /// Asks for `time`; how long each request took, in order. All are answered
    /// with 200, or this stops the measurement.
    pub(crate) fn ask(
        &self,
        router: SocketAddr,
        requests_per_second: usize,
        time: Duration,
    ) -> Vec<u64> {
        let (took_ns, told) = oneshot::channel();
        let round = Round { time, requests_per_second, took_ns };
        self.rounds.send((router, round)).unwrap();
        let mut took_ns = told.blocking_recv().expect("a request has failed");
        took_ns.sort_unstable();
        took_ns
    }
}

async fn endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(answer_all(stream));
        }
    });
    address
}

async fn answer_all(mut stream: TcpStream) {
    let mut seen = Vec::with_capacity(4 << 10);
    while stream.read_buf(&mut seen).await.is_ok_and(|read| read > 0) {
        if seen.ends_with(b"\r\n\r\n") {
            seen.clear();
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}

async fn ask(router: SocketAddr, round: &Round, served: usize) -> Vec<u64> {
    let end = Instant::now() + round.time;
    let every = Duration::from_secs(1) * CONNECTIONS as u32 / round.requests_per_second as u32;
    let hosts: Arc<Vec<String>> = Arc::new((0..served).map(host).collect());
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let first = Instant::now() + every * number as u32 / CONNECTIONS as u32;
            tokio::spawn(client(router, hosts.clone(), number, (first, every, end)))
        })
        .collect();
    let mut took_ns = Vec::new();
    for client in clients {
        took_ns.extend(client.await.unwrap());
    }
    took_ns
}

/// Asks at fixed times. Where an answer came so late that the next request was
/// due before, that one's time begins when it was due.
async fn client(
    router: SocketAddr,
    hosts: Arc<Vec<String>>,
    number: usize,
    (first, every, end): (Instant, Duration, Instant),
) -> Vec<u64> {
    let mut stream = TcpStream::connect(router).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut due = tokio::time::interval_at(first.into(), every);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut took_ns, mut answer, mut last) = (Vec::new(), Vec::new(), first);
    for turn in 0.. {
        let due = due.tick().await.into_std();
        if due >= end {
            break;
        }
        let host = &hosts[(number + CONNECTIONS * turn) % hosts.len()];
        let begun = if last > due { due } else { Instant::now() };
        let head = format!("GET /index.html HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        answer.clear();
        while !is_whole(&answer) {
            let read = stream.read_buf(&mut answer).await.unwrap();
            assert!(read > 0, "the router closed a connection");
        }
        last = Instant::now();
        took_ns.push((last - begun).as_nanos() as u64);
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    }
    took_ns
}

fn is_whole(answer: &[u8]) -> bool {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
    head.is_some_and(|at| {
        // What is not the endpoint's is shorter or longer, and is looked at.
        answer.len() >= at + 104 || !answer.starts_with(b"HTTP/1.1 200 ")
    })
}
