//! Ten thousand tables a second, while requests flow.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use pointsman::registry::{Change, LiveRoutes};
use pointsman::{config, fuzzing::Process};

use crate::Plan;
use crate::load::Load;
use crate::machine::{median, memory_bytes, mib, quantile, wait_until};
use crate::platform::{apply, changes, host, message_of, register_all};

/// Apps that requests are for.
const SERVED: usize = 1_000;
/// Tables a second.
const SWAPS_PER_SECOND: u32 = 10_000;
/// Changes that are one table in the rounds of few but large ones.
const LARGE: usize = 500;

/// How tables change in a round.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    Quiet,
    /// 10,000 tables a second, one change each.
    Single,
    /// 20 tables a second, 500 changes each.
    Large,
}

impl Pace {
    const ALL: [Self; 3] = [Self::Quiet, Self::Single, Self::Large];

    const fn named(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Single => "10,000 swaps/s",
            Self::Large => "20 swaps/s of 500 changes",
        }
    }
}

/// The router serves on one worker of its own listeners; clients and endpoints
/// share another thread, and a third swaps. Rounds take turns.
pub(crate) fn measure(plan: &Plan) {
    let text = "[workers]\nthreads = 1\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
                [admin]\naddress = \"127.0.0.1:0\"\n[access_log]\npath = \"\"\n";
    let process = Process::start(config::parse(text, "bench").unwrap()).unwrap();
    let (router, admin) = process.addresses();
    let live = process.live_routes();
    let load = Load::start(SERVED);
    register_all(&live, plan.routes, SERVED, load.endpoints);
    let running = std::thread::spawn(move || process.run().unwrap());
    let rounds = Rounds { plan, live, load, router };
    for pace in Pace::ALL {
        rounds.round(pace, 0);
    }
    let before = (tasks(admin), memory_bytes("VmRSS"));
    let mut p99: [Vec<f64>; 3] = Default::default();
    for turn in 1..=plan.rounds {
        for pace in Pace::ALL {
            let took_ns = rounds.round(pace, turn);
            p99[pace as usize].push(quantile(&took_ns, 0.99) / 1e3);
            println!(
                "  {:26} {:>6} requests: {:.0} µs median, {:.0} µs p99, {:.0} µs p99.9",
                pace.named(),
                took_ns.len(),
                quantile(&took_ns, 0.5) / 1e3,
                quantile(&took_ns, 0.99) / 1e3,
                quantile(&took_ns, 0.999) / 1e3
            );
        }
    }
    let after = (tasks(admin), memory_bytes("VmRSS"));
    let quiet = median(p99[0].clone());
    for pace in [Pace::Single, Pace::Large] {
        let own = p99[pace as usize].clone();
        let ratios = own.iter().zip(&p99[0]).map(|(own, quiet)| own / quiet).collect();
        println!(
            "{}: p99 {:.0} µs, {quiet:.0} µs quiet, ratio within a pair {:.2}; no request failed",
            pace.named(),
            median(own),
            median(ratios),
        );
    }
    println!(
        "{} tasks before and {} after, {:.0} MiB and {:.0} MiB resident",
        before.0,
        after.0,
        mib(before.1),
        mib(after.1)
    );
    drain(admin);
    running.join().unwrap();
}

struct Rounds<'a> {
    plan: &'a Plan,
    live: LiveRoutes,
    load: Load,
    router: SocketAddr,
}

impl Rounds<'_> {
    fn round(&self, pace: Pace, turn: usize) -> Vec<u64> {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.swap(pace, turn, &done));
            let took_ns = self.load.ask(self.router, self.plan.rate, self.plan.time);
            done.store(true, Relaxed);
            took_ns
        })
    }

    /// Three changes of four are apps that come and go, the fourth is an
    /// instance of an app under load that changes.
    fn swap(&self, pace: Pace, turn: usize, done: &AtomicBool) {
        let (each, every) = match pace {
            Pace::Quiet => return,
            Pace::Single => (1, Duration::from_secs(1) / SWAPS_PER_SECOND),
            Pace::Large => (LARGE, Duration::from_millis(50)),
        };
        let (version, start) = (self.live.version(), Instant::now());
        let mut number = 0;
        let mut swaps = 0;
        while !done.load(Relaxed) {
            let changes = (number..number + each).flat_map(|n| self.change(n, turn)).collect();
            apply(&self.live, changes);
            (number, swaps) = (number + each, swaps + 1);
            wait_until(start + every * swaps);
        }
        assert_eq!(self.live.version() - version, u64::from(swaps), "not every change is a table");
        let per_second = f64::from(swaps) / start.elapsed().as_secs_f64();
        let wanted = 1.0 / every.as_secs_f64();
        if per_second < 0.98 * wanted {
            println!("  only {per_second:.0} of {wanted:.0} swaps/s");
        }
    }

    fn change(&self, number: usize, turn: usize) -> Vec<Change> {
        let (app, kind) = (number / 4, number % 4);
        let new = self.plan.routes + app % 10_000;
        let of = |number, instance, turn| {
            changes(&message_of(number, instance, self.load.endpoints[instance], turn))
        };
        match kind {
            0 => of(new, 0, 0),
            1 => of(new, 1, 0),
            2 => {
                let (host, path) = (host(new).parse().unwrap(), "/".parse().unwrap());
                vec![Change::RemoveRoute { host, path }]
            }
            _ => {
                let mut said = of(app % SERVED, 0, 0);
                if let Some(Change::Register(one)) = said.first_mut() {
                    one.tags.insert("turn".into(), format!("{turn}-{}", app / SERVED).into());
                }
                said
            }
        }
    }
}

fn http(admin: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    let head = format!("{head} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn tasks(admin: SocketAddr) -> u64 {
    let metrics = http(admin, "GET /metrics");
    let lines = metrics.lines().filter(|line| line.starts_with("pointsman_tasks{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Has it end.
pub(crate) fn drain(admin: SocketAddr) {
    let mut stream = TcpStream::connect(admin).unwrap();
    let head = format!("POST /drain HTTP/1.1\r\nhost: {admin}\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.read(&mut [0; 1_024]);
}
