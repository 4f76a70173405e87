//! A tunnel has its place until it has ended, on both sides.

use super::until_queued;
use crate::harness::{Config, Connection, Gate, Held, Router, Script, ScriptedEndpoint, Step};

const UPGRADE: &str =
    "GET /live HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";

fn open(router: &Router) -> Connection {
    let mut client = Connection::open(router.address());
    client.send(UPGRADE);
    client
}

#[track_caller]
fn is_switched(client: &mut Connection) {
    assert_eq!(client.answer_head().expect("an answer").status, 101);
}

#[test]
fn the_next_is_let_in_when_a_tunnel_has_ended() {
    let gate = Gate::default();
    let shut = gate.clone();
    let endpoint = ScriptedEndpoint::start(move |visit| -> Script {
        let end = match visit.connection {
            2 => vec![Step::WaitFor(shut.clone()), Step::Close],
            _ => vec![Step::EchoBytes, Step::Close],
        };
        [vec![Step::ReadHead, Step::Send(SWITCHED.into())], end].concat()
    });
    let config = Config::new().set("timeouts.queue", "1m").route_with(
        "a.test",
        &[endpoint.address()],
        "max_requests = 1",
    );
    let router = Router::start(&config);
    let rest = Held::at_rest(&router);
    let ends: [fn(Connection, &Gate); 3] = [
        |client, _| drop(client),
        |client, _| client.reset(),
        |mut client, gate| {
            gate.open();
            client.ending();
        },
    ];
    let mut inside = open(&router);
    is_switched(&mut inside);
    for (number, end) in ends.into_iter().enumerate() {
        let mut next = open(&router);
        until_queued(&router, 1);
        assert_eq!(endpoint.count(), number + 1, "it lasts");
        end(inside, &gate);
        is_switched(&mut next);
        until_queued(&router, 0);
        inside = next;
    }
    drop(inside);
    rest.again(&router);
}
