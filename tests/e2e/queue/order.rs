//! Who is next, and at which endpoint.

use super::{asking, held, limited, one_by_one, resetting_after_one, until_queued};
use crate::harness::Router;

#[test]
fn who_came_first_goes_first() {
    let (endpoint, gates) = one_by_one(6);
    let router = Router::start(&limited(1, &[&endpoint]).set("workers.threads", 2));
    let mut clients = Vec::new();
    for n in 0..6 {
        clients.push(asking(&router, &format!("/{n}")));
        if n == 0 {
            endpoint.request_head(0);
        }
        until_queued(&router, n);
    }
    for (n, gate) in gates.iter().enumerate() {
        let line = endpoint.request_head(n).line().to_owned();
        assert_eq!(line, format!("GET /{n} HTTP/1.1"));
        gate.open();
        assert_eq!(clients[n].answer("GET").status, 200);
    }
}

#[test]
fn whichever_endpoint_is_free_first_takes_the_next() {
    for freed in 0..2 {
        let endpoints = [held("one"), held("other")];
        let router = Router::start(&limited(1, &[&endpoints[0].0, &endpoints[1].0]));
        let _holding: Vec<_> = (0..2).map(|_| asking(&router, "/")).collect();
        for (endpoint, _) in &endpoints {
            endpoint.request_head(0);
        }
        let mut waiting = asking(&router, "/waiting");
        until_queued(&router, 1);
        endpoints[freed].1.open();
        assert_eq!(waiting.answer("GET").text(), ["one", "other"][freed]);
    }
}

#[test]
fn whose_attempt_fails_is_not_sent_to_the_end_of_the_line() {
    let (failing, first_is_told) = resetting_after_one();
    let (well, gates) = one_by_one(3);
    let router = Router::start(&limited(1, &[&failing, &well]));
    let _holding: Vec<_> = (0..2).map(|_| asking(&router, "/holding")).collect();
    failing.request_head(0);
    well.request_head(0);
    let mut earlier = asking(&router, "/earlier");
    until_queued(&router, 1);
    let mut later = asking(&router, "/later");
    until_queued(&router, 2);
    first_is_told.open();
    assert_eq!(failing.request_head(1).line(), "GET /earlier HTTP/1.1");
    until_queued(&router, 2);
    for (number, path) in ["/earlier", "/later"].into_iter().enumerate() {
        gates[number].open();
        let line = well.request_head(number + 1).line().to_owned();
        assert_eq!(line, format!("GET {path} HTTP/1.1"));
    }
    gates[2].open();
    assert_eq!((earlier.answer("GET").status, later.answer("GET").status), (200, 200));
}
