//! The cookie that keeps a client with an endpoint.

use std::net::SocketAddr;

use crate::harness::{Answer, Config, Connection, RefusingEndpoint, Router, ScriptedEndpoint};
use crate::harness::{Script, Step};

const SECRET: &str = "secret = \"0123456789abcdef\"";

fn sticky(addresses: &[SocketAddr], more: &str) -> Config {
    let more = format!("sticky = {{ cookie = \"at\", {more} }}");
    Config::new().route_with("a.test", addresses, &more)
}

fn ask(router: &Router, cookie: &str) -> Answer {
    let mut client = Connection::open(router.address());
    client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: {cookie}\r\n\r\n"));
    client.answer("GET")
}

/// The `name=value` of the router's cookie, if the answer sets it.
fn new_cookie(answer: &Answer) -> Option<String> {
    let lines = answer.fields.all("set-cookie");
    let own = lines.into_iter().find(|line| line.starts_with("at="))?;
    own.split(';').next().map(str::to_owned)
}

#[test]
fn a_client_stays_where_it_was_and_is_told_once() {
    let endpoints: Vec<_> = (0..4).map(|n| ScriptedEndpoint::echo(&n.to_string())).collect();
    let addresses: Vec<_> = endpoints.iter().map(ScriptedEndpoint::address).collect();
    let router = Router::start(&sticky(&addresses, SECRET));
    let first = ask(&router, "other=1");
    let cookie = new_cookie(&first).expect("a new client is given a cookie");
    assert_eq!(first.field("set-cookie"), format!("{cookie}; Path=/; HttpOnly; SameSite=Lax"));
    for _ in 0..8 {
        let again = ask(&router, &format!("other=1; {cookie}"));
        assert_eq!(again.field("x-endpoint"), first.field("x-endpoint"));
        assert_eq!(new_cookie(&again), None);
    }
    // Another router with the same secret reads it; one with another does not.
    let twin = Router::start(&sticky(&addresses, SECRET));
    assert_eq!(ask(&twin, &cookie).field("x-endpoint"), first.field("x-endpoint"));
    let stranger = Router::start(&sticky(&addresses, "secret = \"another-secret-of-it\""));
    assert!(new_cookie(&ask(&stranger, &cookie)).is_some_and(|new| new != cookie));
}

#[test]
fn a_cookie_nobody_gave_leads_nowhere_in_particular_and_is_replaced() {
    let inside = ScriptedEndpoint::echo("inside");
    let outside = ScriptedEndpoint::echo("outside");
    let address = outside.address();
    let router = Router::start(&sticky(&[inside.address()], SECRET));
    let gone = Router::start(&sticky(&[address], SECRET));
    let of_outside = new_cookie(&ask(&gone, "")).expect("a cookie");
    let before = outside.count();
    // Not even the endpoint it may go to can be named but by its cookie.
    let addresses = [address, inside.address()].map(|address| format!("at={address}"));
    let others = [of_outside, "at=".into(), "at=0".into(), "at=%00".into()];
    for value in addresses.into_iter().chain(others) {
        let answer = ask(&router, &value);
        assert_eq!(answer.field("x-endpoint"), "inside", "{value}");
        assert!(new_cookie(&answer).is_some(), "{value}");
    }
    assert_eq!(outside.count(), before);
}

#[test]
fn a_client_whose_endpoint_fails_is_moved_and_stays_there() {
    let good = ScriptedEndpoint::echo("good");
    let broken = RefusingEndpoint::start();
    let alone = Router::start(&sticky(&[broken.address()], SECRET));
    assert_eq!(ask(&alone, "").status, 502, "there is nobody to stay with");
    let both = [broken.address(), good.address()];
    let router = Router::start(&sticky(&both, SECRET));
    let moved = ask(&router, "at=x");
    let cookie = new_cookie(&moved).expect("a cookie");
    assert_eq!((moved.status, moved.field("x-endpoint")), (200, "good"));
    for _ in 0..4 {
        assert_eq!(new_cookie(&ask(&router, &cookie)), None);
    }
}

#[test]
fn the_apps_own_cookies_stay_lines_of_their_own() {
    let app = ScriptedEndpoint::start(|_| -> Script {
        let lines = "set-cookie: a=1\r\nset-cookie: b=2; Path=/\r\n";
        let head = format!("HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n");
        vec![Step::ReadHead, Step::ReadBody, Step::Send(head.into())]
    });
    let more = "path = \"/shop\", domain = \"a.test\", max_age = \"1h\", secure = true, \
                http_only = false, same_site = \"none\"";
    let router = Router::start(&sticky(&[app.address()], more));
    let answer = ask(&router, "mine=1");
    let lines = answer.fields.all("set-cookie");
    assert_eq!(lines[..2], ["a=1", "b=2; Path=/"]);
    let own = "; Path=/shop; Domain=a.test; Max-Age=3600; Secure; SameSite=None";
    assert!(lines.len() == 3 && lines[2].ends_with(own), "{lines:?}");
}

#[test]
fn a_cookie_of_another_route_leads_to_no_endpoint_that_is_not_of_this_one() {
    let (ours, theirs) = (ScriptedEndpoint::echo("ours"), ScriptedEndpoint::echo("theirs"));
    let other = format!("sticky = {{ cookie = \"at\", {SECRET} }}");
    let config =
        sticky(&[ours.address()], SECRET).route_with("b.test", &[theirs.address()], &other);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
    let of_theirs = new_cookie(&client.answer("GET")).expect("a cookie");
    let before = theirs.count();
    let answer = ask(&router, &of_theirs);
    assert_eq!(answer.field("x-endpoint"), "ours");
    assert!(new_cookie(&answer).is_some_and(|new| new != of_theirs));
    assert_eq!(theirs.count(), before);
}

#[test]
fn an_altered_cookie_leads_nowhere_in_particular() {
    let endpoints: Vec<_> = (0..4).map(|n| ScriptedEndpoint::echo(&n.to_string())).collect();
    let addresses: Vec<_> = endpoints.iter().map(ScriptedEndpoint::address).collect();
    let router = Router::start(&sticky(&addresses, SECRET));
    let cookie = new_cookie(&ask(&router, "")).expect("a cookie");
    for at in 3..cookie.len() {
        let mut altered = cookie.clone().into_bytes();
        altered[at] = if altered[at] == b'0' { b'1' } else { b'0' };
        let altered = String::from_utf8(altered).expect("it is hexadecimal");
        assert!(new_cookie(&ask(&router, &altered)).is_some(), "{altered}");
    }
    // One that is longer, shorter, in capitals, or quoted is none of ours either.
    let value = &cookie[3..];
    for altered in [&value[1..], &format!("{value}0"), &format!("\"{value}\"")] {
        assert!(new_cookie(&ask(&router, &format!("at={altered}"))).is_some(), "{altered}");
    }
}

#[test]
fn a_secret_is_changed_without_moving_a_client() {
    let endpoints: Vec<_> = (0..4).map(|n| ScriptedEndpoint::echo(&n.to_string())).collect();
    let addresses: Vec<_> = endpoints.iter().map(ScriptedEndpoint::address).collect();
    let with = |secrets: &str| sticky(&addresses, &format!("secret = {secrets}"));
    let (old, new) = ("\"the-old-secret-of-it\"", "\"the-new-secret-of-it\"");
    let router = Router::start(&with(old));
    let first = ask(&router, "");
    let cookie = new_cookie(&first).expect("a cookie");
    router.reload(&with(&format!("[{new}, {old}]")));
    let (again, replaced) = crate::harness::wait::eventually("a new cookie", || {
        let again = ask(&router, &cookie);
        let replaced = new_cookie(&again)?;
        Some((again, replaced))
    });
    assert_eq!(again.field("x-endpoint"), first.field("x-endpoint"));
    assert_ne!(replaced, cookie);
    let kept = ask(&router, &replaced);
    assert_eq!((kept.field("x-endpoint"), new_cookie(&kept)), (first.field("x-endpoint"), None));
    router.reload(&with(new));
    crate::harness::wait::eventually("the old one to count for nothing", || {
        let cookie = new_cookie(&ask(&router, &cookie))?;
        let owner = ask(&router, &cookie).field("x-endpoint").to_owned();
        (cookie != replaced || owner != first.field("x-endpoint")).then_some(())
    });
    let kept = ask(&router, &replaced);
    assert_eq!((kept.field("x-endpoint"), new_cookie(&kept)), (first.field("x-endpoint"), None));
}

#[test]
fn routes_of_one_host_do_not_replace_each_others_cookie() {
    let (shop, rest) = (ScriptedEndpoint::echo("shop"), ScriptedEndpoint::echo("rest"));
    let at_shop = format!("path = \"/shop\"\nsticky = {{ cookie = \"at\", {SECRET} }}");
    let config =
        sticky(&[rest.address()], SECRET).route_with("a.test", &[shop.address()], &at_shop);
    let router = Router::start(&config);
    let ask = |target: &str, cookies: &str| {
        let mut client = Connection::open(router.address());
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\nCookie: {cookies}\r\n\r\n"));
        client.answer("GET")
    };
    let of_rest = new_cookie(&ask("/", "")).expect("a cookie");
    let answer = ask("/shop/cart", &of_rest);
    let of_shop = new_cookie(&answer).expect("a cookie of its own");
    assert!(answer.field("set-cookie").contains("; Path=/shop;"), "so that the other one stays");
    // A browser has both now, and sends the one with the longer path first
    // (RFC 6265 section 5.4).
    for (target, cookies) in [("/", of_rest.clone()), ("/shop", format!("{of_shop}; {of_rest}"))] {
        assert_eq!(new_cookie(&ask(target, &cookies)), None, "{target}");
    }
}
