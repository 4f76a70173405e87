//! What a lookup costs, from a table of one route to one of a million.
//!
//! Hosts are asked for in an order the table does not know, so that a large
//! table is read from memory as it is in a router, not from the cache.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

use pointsman::request::{MatchPath, RequestHost};
use pointsman::route::{HostPattern, PathPrefix, RouteTable};

const SIZES: [usize; 4] = [1, 1_000, 100_000, 1_000_000];

fn host(number: usize) -> String {
    format!("app-{number:07}.apps.example.com")
}

/// One route a host, and a wildcard if asked for.
fn table(size: usize, wildcard: bool) -> RouteTable<Arc<usize>> {
    let pattern = |text: &str| text.parse::<HostPattern>().expect("a pattern");
    let exact = (0..size).map(|n| (pattern(&host(n)), PathPrefix::ROOT, Arc::new(n)));
    let below = wildcard.then(|| (pattern("*.example.com"), PathPrefix::ROOT, Arc::new(size)));
    RouteTable::build(exact.chain(below)).expect("no duplicates")
}

/// Every number below `size` in a scattered order: the step is a prime beyond it.
fn scattered(size: usize) -> impl Iterator<Item = usize> {
    (0..size).map(move |n| n.wrapping_mul(7_368_787) % size)
}

fn hosts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup");
    for size in SIZES {
        let plain = table(size, false);
        let questions: Vec<String> = scattered(size).map(host).collect();
        let mut next = questions.iter().cycle();
        group.bench_function(BenchmarkId::new("exact host", size), |bench| {
            bench.iter(|| {
                let host = next.next().map_or("", String::as_str);
                plain.lookup(black_box(host), black_box(b"/index.html")).map(|route| **route)
            });
        });
        let below = table(size, true);
        group.bench_function(BenchmarkId::new("wildcard below a miss", size), |bench| {
            bench.iter(|| below.lookup(black_box("new.deep.example.com"), black_box(b"/")));
        });
    }
    group.finish();
}

fn paths(criterion: &mut Criterion) {
    let prefixes = (0..1_000).map(|n| format!("/service-{n}/v1"));
    let routes =
        prefixes.map(|p| (HostPattern::ANY, p.parse::<PathPrefix>().expect("a prefix"), ()));
    let table = RouteTable::build(routes).expect("no duplicates");
    criterion.bench_function("lookup/1,000 prefixes of one host", |bench| {
        bench.iter(|| table.lookup(black_box("a.example"), black_box(b"/service-512/v1/items/7")));
    });
}

fn reading(criterion: &mut Criterion) {
    criterion.bench_function("read/host", |bench| {
        bench.iter(|| RequestHost::from_authority(black_box(b"app-0001234.apps.example.com:8080")));
    });
    criterion.bench_function("read/path", |bench| {
        bench.iter(|| {
            MatchPath::parse(black_box(b"/assets/js/app.min.js")).map(|p| p.matching().len())
        });
    });
    criterion.bench_function("read/path with escapes and dots", |bench| {
        bench.iter(|| {
            MatchPath::parse(black_box(b"/a/../%41ssets/a%20b")).map(|p| p.matching().len())
        });
    });
}

criterion_group!(benches, hosts, paths, reading);
criterion_main!(benches);
