//! Routes given by hand: `PUT`, `GET` and `DELETE /routes/HOST/PATH`.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::admin::json as body;
use crate::harness::wait::eventually;
use crate::harness::{Answer, Config, Connection, Router, ScriptedEndpoint, get};

/// Asks the admin side, with field lines and a content.
pub(crate) fn send(admin: SocketAddr, request: &str, lines: &str, content: &str) -> Answer {
    let mut client = Connection::open(admin);
    let length = content.len();
    client.send(format!(
        "{request} HTTP/1.1\r\nHost: {admin}\r\n{lines}Content-Length: {length}\r\n\r\n{content}"
    ));
    client.answer(request.split(' ').next().unwrap_or_default())
}

pub(crate) fn put(router: &Router, place: &str, content: &Value) -> Answer {
    send(router.admin(), &format!("PUT /routes/{place}"), "", &content.to_string())
}

fn ask(router: &Router, method: &str, place: &str, lines: &str) -> Answer {
    send(router.admin(), &format!("{method} /routes/{place}"), lines, "")
}

/// Which endpoint answers, or the error's code.
pub(crate) fn who(router: &Router, host: &str, path: &str) -> String {
    let answer = get(router.address(), host, path);
    let name = answer.fields.one("x-endpoint").map(str::to_owned);
    name.or_else(|| answer.code().map(str::to_owned)).expect("an endpoint or a code")
}

#[test]
fn a_route_serves_once_its_put_is_answered_and_is_gone_once_its_delete_is() {
    let (one, two) = (ScriptedEndpoint::echo("one"), ScriptedEndpoint::echo("two"));
    let router = Router::start(&Config::new().set("workers.threads", 2));
    for round in 0..20 {
        let endpoint = if round % 2 == 0 { &one } else { &two };
        let name = if round % 2 == 0 { "one" } else { "two" };
        let given = put(&router, "a.test", &json!({ "endpoints": [endpoint.address()] }));
        assert_eq!(given.status, 201, "{}", given.text());
        for _ in 0..4 {
            assert_eq!(who(&router, "a.test", "/x"), name);
        }
        assert_eq!(ask(&router, "DELETE", "a.test", "").status, 204);
        for _ in 0..4 {
            assert_eq!(who(&router, "a.test", "/x"), "no-route");
        }
    }
    assert_eq!(ask(&router, "DELETE", "a.test", "").status, 404);
    assert_eq!(ask(&router, "GET", "a.test", "").status, 404);
}

#[test]
fn a_put_gives_the_whole_route_and_what_is_read_can_be_put_back() {
    let (one, two) = (ScriptedEndpoint::echo("one"), ScriptedEndpoint::echo("two"));
    let router = Router::start(&Config::new());
    let mut in_order = [one.address(), two.address()];
    in_order.sort_unstable();
    let first = json!({
        "balance": "least-requests",
        "endpoints": [in_order[1], { "address": in_order[0], "weight": 3, "ttl": "1h" }],
    });
    let given = put(&router, "a.test/api", &first);
    assert_eq!(given.status, 201);
    assert_eq!(given.fields.one("etag"), None, "what is shown is not what was sent");
    let read = ask(&router, "GET", "a.test/api", "");
    let shown = body(&read);
    assert_eq!((read.status, &shown["source"]), (200, &json!("admin")));
    assert_eq!(shown["balance"], "least-requests");
    let addresses = shown["endpoints"].as_array().expect("a list").iter();
    let addresses: Vec<_> = addresses.map(|endpoint| endpoint["address"].clone()).collect();
    assert_eq!(addresses, in_order.map(|address| json!(address)), "{shown}");
    let again = put(&router, "a.test/api", &shown);
    assert_eq!((again.status, again.field("etag")), (200, read.field("etag")));
    let second = put(&router, "a.test/api/", &json!({ "endpoints": [two.address()] }));
    assert_eq!(second.status, 200, "a slash at the end is the same route");
    assert_eq!(body(&second)["balance"], "round-robin", "nothing stays of what was there");
    for _ in 0..4 {
        assert_eq!(who(&router, "a.test", "/api/x"), "two");
    }
    assert_eq!(who(&router, "a.test", "/apix"), "no-route");
}

#[test]
fn hosts_and_paths_in_the_url_may_be_wildcards_and_percent_encoded() {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&Config::new());
    let route = json!({ "endpoints": [app.address()] });
    for (place, host, path) in [
        ("*.wild.test", "*.wild.test", "/"),
        ("%2A.star.test/", "*.star.test", "/"),
        ("UPPER.test./%61pi/b%20c", "upper.test", "/api/b%20c"),
        ("slash.test/a%2Fb", "slash.test", "/a%2Fb"),
        ("%5B::1%5D/v6", "[::1]", "/v6"),
        ("*/any", "*", "/any"),
    ] {
        let given = put(&router, place, &route);
        assert_eq!(given.status, 201, "{place}: {}", given.text());
        let shown = body(&given);
        assert_eq!((&shown["host"], &shown["path"]), (&json!(host), &json!(path)), "{place}");
    }
    assert_eq!(who(&router, "deep.below.wild.test", "/"), "app");
    assert_eq!(who(&router, "slash.test", "/a%2Fb/c"), "app");
    assert_eq!(who(&router, "slash.test", "/a/b"), "no-route");
    assert_eq!(who(&router, "nobody.test", "/any"), "app");
    for (place, key) in [
        ("a.test:80", "host"),
        ("a..test", "host"),
        ("", "host"),
        ("a.test/x/../y", "path"),
        ("a%zz", "host"),
        ("%FF", "host"),
    ] {
        let refused = put(&router, place, &route);
        assert_eq!(refused.status, 400, "{place}: {}", refused.text());
        assert_eq!(refused.field("content-type"), "application/problem+json");
        assert_eq!(body(&refused)["errors"][0]["key"], key, "{place}");
    }
}

#[test]
fn a_wrong_content_changes_nothing_and_says_by_key_what_is_wrong() {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&Config::new());
    assert_eq!(put(&router, "a.test", &json!({ "endpoints": [app.address()] })).status, 201);
    let wrong = put(
        &router,
        "a.test",
        &json!({ "balance": "least-request", "endpoints": [{ "adress": "127.0.0.1:1" }] }),
    );
    assert_eq!(wrong.status, 400);
    let said = body(&wrong);
    let of = |key: &str| {
        let mut errors = said["errors"].as_array().expect("a list").iter();
        errors
            .find(|error| error["key"] == key)
            .unwrap_or_else(|| panic!("{key} in {said}"))
            .clone()
    };
    assert!(of("balance")["help"].as_str().is_some_and(|help| help.contains("least-requests")));
    assert!(
        of("endpoints[0].adress")["help"].as_str().is_some_and(|help| help.contains("address"))
    );
    let admin = router.admin();
    let raw = |content: &str| send(admin, "PUT /routes/a.test", "", content);
    let address = app.address();
    for content in [
        "",
        "{",
        "[]",
        "null",
        &format!("{{\"endpoints\": [\"{address}\"], \"endpoints\": []}}"),
        &format!("{{\"endpoints\": [\"{address}\"]}} x"),
        &"[".repeat(10_000),
    ] {
        let refused = raw(content);
        assert_eq!(refused.status, 400, "{content:.60}");
        assert_eq!(refused.field("content-type"), "application/problem+json");
    }
    let coded = send(admin, "PUT /routes/a.test", "Content-Encoding: gzip\r\n", "x");
    assert_eq!(coded.status, 415);
    let whole = json!({ "endpoints": ["127.0.0.1:1"] }).to_string();
    let ranged = "Content-Range: bytes 0-9/99\r\n";
    assert_eq!(send(admin, "PUT /routes/a.test", ranged, &whole).status, 400, "a part of it");
    let long = format!("{{\"endpoints\": [\"{address}\"{}]}}", " ".repeat(4 << 20));
    let refused = raw(&long);
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert_eq!(who(&router, "a.test", "/"), "app");
}

#[test]
fn conditions_keep_two_writers_from_undoing_each_other() {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&Config::new());
    let admin = router.admin();
    let write = |lines: &str, weight: u64| {
        let endpoint = json!({ "address": app.address(), "weight": weight });
        let route = json!({ "endpoints": [endpoint] }).to_string();
        send(admin, "PUT /routes/a.test", lines, &route)
    };
    assert_eq!(write("If-Match: *\r\n", 1).status, 412, "there is nothing to match");
    assert_eq!(write("If-None-Match: *\r\n", 1).status, 201);
    assert_eq!(write("If-None-Match: *\r\n", 2).status, 412);
    let seen = ask(&router, "GET", "a.test", "").field("etag").to_owned();
    let unread = ask(&router, "GET", "a.test", &format!("If-None-Match: {seen}\r\n"));
    assert_eq!((unread.status, unread.text().as_str()), (304, ""));
    let matching = format!("If-Match: \"other\", {seen}\r\n");
    assert_eq!(write(&matching, 2).status, 200);
    let now = ask(&router, "GET", "a.test", "").field("etag").to_owned();
    assert_ne!(now, seen);
    let second = write(&matching, 3);
    assert_eq!(second.status, 412);
    assert!(second.text().contains(now.trim_matches('"')), "{}", second.text());
    let delete = |lines: &str| ask(&router, "DELETE", "a.test", lines).status;
    assert_eq!(delete(&matching), 412);
    assert_eq!(body(&ask(&router, "GET", "a.test", ""))["endpoints"][0]["weight"], 2);
    assert_eq!(delete(&format!("If-Match: {now}\r\n")), 204);
}

#[test]
fn a_route_of_the_file_is_read_and_not_overwritten() {
    let (file, mine) = (ScriptedEndpoint::echo("file"), ScriptedEndpoint::echo("mine"));
    let config = Config::new().route("a.test", &[file.address()]);
    let router = Router::start(&config);
    let read = ask(&router, "GET", "a.test", "");
    assert_eq!((read.status, &body(&read)["source"]), (200, &json!("file")));
    assert_eq!(body(&read)["endpoints"][0]["address"], file.address().to_string());
    let refused = put(&router, "a.test", &json!({ "endpoints": [mine.address()] }));
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("configuration file"), "{}", refused.text());
    assert_eq!(ask(&router, "DELETE", "a.test", "").status, 409);
    assert_eq!(who(&router, "a.test", "/"), "file");
    let below = put(&router, "a.test/below", &json!({ "endpoints": [mine.address()] }));
    assert_eq!(below.status, 201, "{}", below.text());
    assert_eq!(who(&router, "a.test", "/below"), "mine");
    router.reload(&Config::new());
    eventually("the file's route to be gone", || {
        (who(&router, "a.test", "/") == "no-route").then_some(())
    });
    assert_eq!(who(&router, "a.test", "/below"), "mine", "a reload leaves others' routes alone");
    assert_eq!(put(&router, "a.test", &json!({ "endpoints": [mine.address()] })).status, 201);
}

#[test]
fn a_route_with_a_ttl_goes_unless_it_is_given_again() {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&Config::new().set("registry.grace", "1ms"));
    let route = json!({ "ttl": "300ms", "endpoints": [app.address()] });
    assert_eq!(put(&router, "a.test", &route).status, 201);
    eventually("it to be gone", || (who(&router, "a.test", "/") == "no-route").then_some(()));
    assert_eq!(put(&router, "a.test", &route).status, 201, "it is new again");
}

#[test]
fn a_write_from_a_page_or_without_the_token_is_refused() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("token");
    std::fs::write(&file, "s3cret\n").expect("a temporary directory takes files");
    let token_file = file.to_str().expect("temporary paths are text");
    let router = Router::start(&Config::new().set("admin.token_file", token_file));
    let admin = router.admin();
    let route = json!({ "endpoints": ["127.0.0.1:1"] }).to_string();
    let token = "Authorization: Bearer s3cret\r\n";
    for request in
        ["PUT /routes/a.test", "POST /register", "POST /unregister", "DELETE /routes/a.test"]
    {
        assert_eq!(send(admin, request, "", &route).status, 401, "{request}");
        let page = format!("{token}Origin: http://evil.test\r\n");
        assert_eq!(send(admin, request, &page, &route).status, 403, "{request}");
        let mut client = Connection::open(admin);
        client.send(format!(
            "{request} HTTP/1.1\r\nHost: evil.test\r\n{token}Content-Length: 0\r\n\r\n"
        ));
        assert_eq!(client.answer("PUT").status, 403, "{request}");
    }
    assert_eq!(send(admin, "GET /routes/a.test", "", "").status, 401);
    assert_eq!(send(admin, "GET /openapi.json", "", "").status, 401);
    assert_eq!(send(admin, "PUT /routes/a.test", token, &route).status, 201);
}

/// What `/routes` shows of the only route of this host.
fn listed(router: &Router, host: &str) -> Value {
    let page = body(&send(router.admin(), &format!("GET /routes?host={host}"), "", ""));
    page["routes"][0].clone()
}

#[test]
fn ages_run_from_when_an_endpoint_came_and_when_the_last_went() {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&Config::new());
    let stays = json!({ "endpoints": [app.address()] });
    assert_eq!(put(&router, "old.test", &stays).status, 201);
    let age_ms = |host: &str| {
        let age = &listed(&router, host)["endpoints"][0]["age_ms"];
        age.as_u64().expect("a number")
    };
    eventually("it to be of some age", || (age_ms("old.test") >= 50).then_some(()));
    assert_eq!(put(&router, "new.test", &stays).status, 201);
    let (new, old) = (age_ms("new.test"), age_ms("old.test"));
    assert!(new + 50 <= old, "{new} ms and {old} ms");

    let goes = json!({ "endpoints": [{ "address": app.address(), "ttl": "200ms" }] });
    assert_eq!(put(&router, "gone.test", &goes).status, 201);
    let empty_ms = || listed(&router, "gone.test")["without_endpoints_for_ms"].as_u64();
    let first = eventually("its endpoint to expire", empty_ms);
    eventually("more time to pass", || empty_ms().filter(|now| *now > first));
    assert_eq!(listed(&router, "old.test")["without_endpoints_for_ms"], Value::Null);
}
