//! Which endpoint a request is drawn to: by what it carries, and by where the
//! endpoint stands.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::harness::{Answer, Config, Connection, RefusingEndpoint, Router, ScriptedEndpoint};

/// Endpoints called after their number.
fn endpoints(count: usize) -> (Vec<ScriptedEndpoint>, Vec<SocketAddr>) {
    let endpoints: Vec<_> = (0..count).map(|n| ScriptedEndpoint::echo(&n.to_string())).collect();
    let addresses = endpoints.iter().map(ScriptedEndpoint::address).collect();
    (endpoints, addresses)
}

fn ask(client: &mut Connection, fields: &str) -> Answer {
    client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"));
    let answer = client.answer("GET");
    assert_eq!(answer.status, 200, "{}", answer.head);
    answer
}

/// Where each of these requests goes.
fn owners(router: &Router, fields: impl Fn(usize) -> String) -> BTreeMap<usize, String> {
    let mut client = Connection::open(router.address());
    (0..200).map(|n| (n, ask(&mut client, &fields(n)).field("x-endpoint").to_owned())).collect()
}

fn start(addresses: &[SocketAddr], more: &str) -> Router {
    Router::start(&Config::new().route_with("a.test", addresses, more))
}

#[test]
fn a_key_leads_to_the_same_endpoint_in_every_router_and_whatever_the_order_of_the_file() {
    let (_endpoints, mut addresses) = endpoints(4);
    for (balance, name) in
        [("hash:header:x-user", "x-user: "), ("hash:cookie:id", "cookie: a=1; id=")]
    {
        let line = |n| format!("{name}user-{n}\r\n");
        let balance = format!("balance = \"{balance}\"");
        let first = owners(&start(&addresses, &balance), line);
        addresses.reverse();
        let second = owners(&start(&addresses, &format!("{balance}\nslow_start = \"1h\"")), line);
        assert_eq!(first, second);
        let all: std::collections::BTreeSet<_> = first.values().collect();
        assert_eq!(all.len(), 4, "every endpoint has some");
    }
}

#[test]
fn an_endpoint_that_leaves_moves_only_its_own_keys() {
    let (endpoints, addresses) = endpoints(4);
    let config = |addresses: &[SocketAddr]| {
        Config::new().route_with("a.test", addresses, "balance = \"hash:header:x-user\"")
    };
    let line = |n| format!("x-user: {n}\r\n");
    let before = owners(&Router::start(&config(&addresses)), line);
    let after = owners(&Router::start(&config(&addresses[1..])), line);
    assert!(before.iter().all(|(n, owner)| *owner == "0" || after[n] == *owner));
    assert!(after.values().all(|owner| owner != "0"));
    // Nor does one that fails: its keys find another, the others stay.
    let refusing = RefusingEndpoint::start();
    let broken = [vec![refusing.address()], addresses[1..].to_vec()].concat();
    let failing = owners(&Router::start(&config(&broken)), line);
    let moved = failing.iter().filter(|(n, owner)| after[*n] != **owner).count();
    assert!(moved < 100, "{moved} of 200 keys moved because one endpoint of four came");
    drop(endpoints);
}

#[test]
fn a_request_without_the_key_goes_round() {
    let (endpoints, addresses) = endpoints(4);
    let router = start(&addresses, "balance = \"hash:header:x-user\"");
    owners(&router, |n| if n % 2 == 0 { String::new() } else { "x-user: \r\n".into() });
    assert_eq!(endpoints.iter().map(ScriptedEndpoint::count).collect::<Vec<_>>(), [50; 4]);
}

#[test]
fn the_source_address_is_the_client_of_a_trusted_proxy_and_nobody_elses_word() {
    let (_endpoints, addresses) = endpoints(4);
    let line = |n| format!("x-forwarded-for: 192.0.2.{n}\r\n");
    let config = |proxies: Vec<&str>| {
        Config::new().set("headers.trusted_proxies", proxies).route_with(
            "a.test",
            &addresses,
            "balance = \"hash:source-ip\"",
        )
    };
    let owners = |proxies| {
        let owners = owners(&Router::start(&config(proxies)), line);
        owners.into_values().collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(owners(vec!["127.0.0.0/8"]), 4);
    assert_eq!(owners(vec![]), 1);
}

#[test]
fn the_source_address_is_the_one_a_proxy_header_names() {
    let (_endpoints, addresses) = endpoints(4);
    let config = Config::new()
        .listener_with("proxy_protocol = { from = [\"127.0.0.0/8\"] }")
        .route_with("a.test", &addresses, "balance = \"hash:source-ip\"");
    let router = Router::start(&config);
    let owner = |n: usize, port: usize| {
        let mut client = Connection::open(router.address());
        client.send(format!("PROXY TCP4 192.0.2.{n} 198.51.100.1 {port} 80\r\n"));
        ask(&mut client, "").field("x-endpoint").to_owned()
    };
    let owners: BTreeMap<_, _> = (0..64).map(|n| (n, owner(n, 1_000))).collect();
    assert_eq!(owners.values().collect::<std::collections::BTreeSet<_>>().len(), 4);
    assert!(owners.iter().all(|(n, first)| owner(*n, 2_000) == *first), "whatever its port");
}

#[test]
fn traffic_stays_in_the_routers_own_zone_and_leaves_it_when_nothing_there_works() {
    let (endpoints, addresses) = endpoints(3);
    let refusing = RefusingEndpoint::start();
    let zone = |address: SocketAddr, zone: &str| {
        format!("{{ address = \"{address}\", zone = \"{zone}\" }}")
    };
    for balance in ["round-robin", "least-requests", "hash:header:x-user"] {
        let before: Vec<_> = endpoints.iter().map(ScriptedEndpoint::count).collect();
        let list = |near: SocketAddr| {
            [zone(addresses[0], "b"), zone(near, "a"), format!("\"{}\"", addresses[2])].join(", ")
        };
        let config = |near| {
            Config::new()
                .set("zone.name", "a")
                .route_with("a.test", &[], &format!("balance = \"{balance}\""))
                .replacing("endpoints = []", &format!("endpoints = [{}]", list(near)))
        };
        let owners = |config| owners(&Router::start(&config), |n| format!("x-user: {n}\r\n"));
        assert!(owners(config(addresses[1])).values().all(|owner| owner == "1"), "{balance}");
        let spilt = owners(config(refusing.address()));
        assert!(spilt.values().all(|owner| owner != "1"), "{balance}");
        assert!(endpoints[0].count() > before[0] && endpoints[2].count() > before[2]);
    }
}
