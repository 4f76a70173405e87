//! An endpoint that takes requests and never answers: how many it costs.

use crate::harness::wait::eventually;
use crate::harness::{Config, Connection, Router, Script, ScriptedEndpoint, Step};
use crate::outliers::{get, seen};

/// Requests under way when the first of them runs out of time.
const AT_ONCE: usize = 6;

#[test]
fn after_its_first_timeouts_nothing_goes_there_until_its_pass_over_ends() {
    let hanging =
        ScriptedEndpoint::start(|_| -> Script { vec![Step::ReadHead, Step::UntilPeerLeaves] });
    let good = ScriptedEndpoint::echo("good");
    let more = "attempt_head = \"1s\"\noutlier = \"off\"";
    let addresses = [hanging.address(), good.address()];
    let config = Config::new().set("workers.threads", 1).route_with("a.test", &addresses, more);
    let router = Router::start(&config);
    // They take turns, so half of those at once go there.
    let mut clients: Vec<_> = (0..AT_ONCE).map(|_| Connection::open(router.address())).collect();
    clients.iter_mut().for_each(|client| client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    for client in &mut clients {
        assert_eq!(client.answer("GET").status, 200, "it is tried again elsewhere");
    }
    let first = hanging.count();
    assert!(first > 0 && first < AT_ONCE, "{first} of {AT_ONCE}");
    let mut client = Connection::open(router.address());
    for pass_over in 0..2 {
        let cost = first + pass_over;
        let now = || seen(&router, hanging.address());
        let began = now();
        assert_eq!(began["state"], "passed-over", "{began}");
        assert_eq!(began["reason"], "upstream-head-timeout", "{began}");
        let lasts = || {
            let now = now();
            now["state"] == "passed-over" && now["since_unix_ms"] == began["since_unix_ms"]
        };
        let mut spared = 0;
        loop {
            assert_eq!(get(&mut client), 200);
            let count = hanging.count();
            // If it has ended meanwhile, that may have been its turn.
            if !lasts() {
                break;
            }
            assert_eq!(count, cost, "another one went there during pass-over {pass_over}");
            spared += 1;
        }
        assert!(spared > 0, "pass-over {pass_over}");
        // It gets one request again, which is all that the next one costs.
        eventually("its turn", || {
            assert_eq!(get(&mut client), 200);
            (hanging.count() > cost).then_some(())
        });
        assert_eq!(hanging.count(), cost + 1);
    }
}
