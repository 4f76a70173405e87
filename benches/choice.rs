//! What the choice of an endpoint costs: each balance, from a few endpoints to a
//! thousand, when all are well and when some are not.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may stop where it stands")]

use std::net::SocketAddr;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use pointsman::endpoint::{
    Asked, Balance, Choosing, EjectionTerms, EndpointSet, EndpointState, HashOn, Member,
    OutlierPolicy, Reason, Tried, key,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Equal,
    Weighted,
    /// Every fourth is passed over.
    Ailing,
    /// Half are in another zone.
    Zoned,
    /// One is ejected.
    OneOut,
    /// Every fourth came a moment ago and is given less.
    Growing,
}

const KINDS: [Kind; 6] =
    [Kind::Equal, Kind::Weighted, Kind::Ailing, Kind::Zoned, Kind::OneOut, Kind::Growing];

fn set(count: u16, kind: Kind, balance: Balance) -> EndpointSet {
    let member = |port: u16| {
        let address = SocketAddr::from(([192, 0, 2, 9], port));
        Member {
            endpoint: Arc::new(EndpointState::new(address, 2)),
            weight: if kind == Kind::Weighted { 1 + port % 7 } else { 1 },
            near: kind != Kind::Zoned || port.is_multiple_of(2),
            since_ms: if kind == Kind::Growing && port.is_multiple_of(4) { 900 } else { 0 },
        }
    };
    let outlier = OutlierPolicy {
        failures_in_a_row: 5,
        success_percent: 50,
        min_requests: 20,
        window_ms: 10_000,
        ejection: EjectionTerms { base_ms: 10_000, max_ms: 300_000 },
        silence_ms: 1_000,
    };
    let slow_start_ms = if kind == Kind::Growing { 1_000 } else { 0 };
    let choosing = Choosing { outlier: Some(outlier), slow_start_ms, ..Choosing::by(balance, 2) };
    let set = EndpointSet::new((0..count).map(member).collect(), choosing);
    if kind == Kind::Ailing {
        for endpoint in set.endpoints().iter().step_by(4) {
            endpoint.pass_over(900, Reason::RetryAfter);
        }
    }
    if kind == Kind::OneOut {
        let asked = Asked { now_ms: 900, ..Asked::default() };
        let ejected = (0..5).filter_map(|_| set.note(1, None, false, &asked)).count();
        assert_eq!(ejected, 1);
    }
    set
}

fn choice(c: &mut Criterion) {
    let balances = [Balance::RoundRobin, Balance::LeastRequests, Balance::Hash(HashOn::SourceIp)];
    for balance in balances {
        for kind in KINDS {
            for count in [10, 1_000] {
                let set = set(count, kind, balance.clone());
                let tried = Tried::new();
                let mut random = 1u64;
                // Keys come back: each slot has its owner after the first of them.
                let hashed = matches!(balance, Balance::Hash(_));
                let ask = |random: u64| Asked {
                    worker: 0,
                    now_ms: 1_000,
                    random,
                    key: hashed.then(|| key::of_bytes(&(random >> 40).to_le_bytes())),
                    stay_with: None,
                };
                for number in 0..1_000_000u64 {
                    set.choose(&ask(number << 40), &tried);
                }
                c.bench_function(&format!("{balance} among {count}, {kind:?}"), |b| {
                    b.iter(|| {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        set.choose(&ask(random), &tried).map(|choice| choice.index)
                    });
                });
            }
        }
    }
    let text = [b'u'; 36];
    c.bench_function("the number of a key of 36 bytes", |b| {
        b.iter(|| key::of_bytes(std::hint::black_box(&text)));
    });
}

criterion_group!(benches, choice);
criterion_main!(benches);
