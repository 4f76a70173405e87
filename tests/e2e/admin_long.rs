//! Long contents on the admin side, and what else a write may not be.

use serde_json::{Value, json};

use crate::admin::json as body;
use crate::admin_routes::{put, send, who};
use crate::harness::{Config, Connection, Router, ScriptedEndpoint};

/// Messages that name so many routes.
fn list(app: &ScriptedEndpoint, routes: usize) -> String {
    let (host, port) = (app.address().ip(), app.address().port());
    let uris = (0..routes).map(|at| format!("r{at}.test")).collect::<Vec<_>>();
    let message = |uris: &[String]| json!({ "host": host, "port": port, "uris": uris });
    Value::from(uris.chunks(1_000).map(message).collect::<Vec<_>>()).to_string()
}

#[test]
fn a_list_of_more_routes_than_may_be_changes_nothing_and_one_of_as_many_is_taken() {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&Config::new());
    let register = |content: &str| send(router.admin(), "POST /register", "", content);
    let refused = register(&list(&app, 50_001));
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert_eq!(who(&router, "r0.test", "/"), "no-route");
    let taken = register(&list(&app, 50_000));
    assert_eq!(taken.status, 200, "{:.300}", taken.text());
    let changes = body(&taken)["changes"].as_array().expect("a list").clone();
    assert_eq!(changes.len(), 50_000);
    let last = json!({
        "endpoint": app.address(), "host": "r49999.test", "path": "/",
        "outcome": "added", "in_force": "admin",
    });
    assert_eq!(changes[49_999], last);
    assert_eq!(who(&router, "r49999.test", "/"), "app");
}

#[test]
fn who_sends_far_too_much_is_still_told_so() {
    let router = Router::start(&Config::new());
    let admin = router.admin();
    let long = " ".repeat(24 << 20);
    for request in ["PUT /routes/a.test", "POST /register", "POST /unregister"] {
        let refused = send(admin, request, "", &long);
        assert_eq!(refused.status, 413, "{request}: {}", refused.text());
    }
}

#[test]
fn who_asks_before_sending_too_much_is_told_at_once() {
    let router = Router::start(&Config::new());
    let admin = router.admin();
    let mut client = Connection::open(admin);
    client.send(format!(
        "PUT /routes/a.test HTTP/1.1\r\nHost: {admin}\r\nExpect: 100-continue\r\n\
         Content-Length: 4194305\r\n\r\n"
    ));
    let refused = client.answer("PUT");
    assert_eq!(refused.status, 413, "{}", refused.text());
}

#[test]
fn a_write_with_a_query_is_refused_and_changes_nothing() {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&Config::new());
    let given = json!({ "endpoints": [app.address()] });
    assert_eq!(put(&router, "a.test?ttl=1s", &given).status, 400);
    assert_eq!(who(&router, "a.test", "/"), "no-route");
    let message = list(&app, 1);
    let post = |what: &str| send(router.admin(), &format!("POST /{what}"), "", &message).status;
    assert_eq!(post("register?ttl=1s"), 400);
    assert_eq!(who(&router, "r0.test", "/"), "no-route");
    assert_eq!(post("register"), 200);
    assert_eq!(post("unregister?instance=x"), 400);
    assert_eq!(who(&router, "r0.test", "/"), "app");
    assert_eq!(put(&router, "a.test", &given).status, 201);
    assert_eq!(send(router.admin(), "DELETE /routes/a.test?path=/x", "", "").status, 400);
    assert_eq!(who(&router, "a.test", "/"), "app");
}

#[test]
fn an_endpoint_known_by_a_name_is_refused_for_just_that() {
    let router = Router::start(&Config::new());
    for (name, help) in [("app.internal", "the IP address"), ("localhost", "\"127.0.0.1:80\"")] {
        let refused = put(&router, "a.test", &json!({ "endpoints": [format!("{name}:80")] }));
        let said = body(&refused);
        assert_eq!((refused.status, &said["errors"][0]["key"]), (400, &json!("endpoints[0]")));
        let error = said["errors"][0].to_string();
        assert!(error.contains("is a name"), "{error}");
        assert!(said["errors"][0]["help"].as_str().is_some_and(|said| said.contains(help)));
    }
}
