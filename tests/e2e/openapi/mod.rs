//! The OpenAPI document says what the admin side does: no more, no less.

mod schema;

use serde_json::{Value, json};

use crate::admin::{ask, json as body};
use crate::admin_routes::send;
use crate::harness::wait::eventually;
use crate::harness::{
    Answer, Config, Connection, RefusingEndpoint, Router, ScriptedEndpoint, Step, get,
};

use schema::{faults, resolve};

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

fn document(router: &Router) -> Value {
    let answer = ask(router, "/openapi.json");
    assert_eq!((answer.status, answer.field("content-type")), (200, "application/json"));
    body(&answer)
}

/// Checks an answer against what the document says of the operation.
#[track_caller]
fn holds(document: &Value, path: &str, method: &str, answer: &Answer) {
    let operation = &document["paths"][path][method];
    assert!(operation.is_object(), "{method} {path} is not documented");
    let mut said = &operation["responses"][answer.status.to_string()];
    if let Some(reference) = said["$ref"].as_str() {
        said = resolve(document, reference);
    }
    assert!(
        said.is_object(),
        "{method} {path}: {} is not documented: {}",
        answer.status,
        answer.text()
    );
    let fields = said["headers"].as_object().into_iter().flatten();
    for (field, _) in fields.filter(|(_, field)| field["required"] == true) {
        assert!(answer.fields.one(field).is_some(), "{method} {path}: no {field}");
    }
    let Some(content) = said["content"].as_object() else {
        assert_eq!(answer.text(), "", "{method} {path}: content is not documented");
        return;
    };
    let media_type = answer.field("content-type");
    let plain = media_type.split(';').next().unwrap_or_default().trim();
    let described = content.get(plain);
    let described =
        described.unwrap_or_else(|| panic!("{method} {path}: {media_type} is not documented"));
    if plain.ends_with("json") {
        let found = faults(document, &described["schema"], &body(answer));
        assert!(
            found.is_empty(),
            "{method} {path} is not as src/admin/openapi.json has it: {found:#?}"
        );
    }
}

/// A router of which every list has something to show.
struct Busy {
    router: Router,
    app: ScriptedEndpoint,
    _parked: Connection,
    _snapshot: tempfile::TempDir,
}

impl Busy {
    fn start() -> Self {
        let app = ScriptedEndpoint::start(|_| vec![Step::ReadHead, Step::UntilPeerLeaves]);
        let refusing = RefusingEndpoint::start();
        let directory = tempfile::tempdir().expect("a directory can be made");
        let snapshot = directory.path().join("snapshot");
        let config = Config::new()
            .set("registry.snapshot", snapshot.to_str().expect("temporary paths are text"))
            .route("file.test", &[app.address()])
            .route("refused.test", &[refusing.address()]);
        let router = Router::start(&config);
        let mut parked = Connection::open(router.address());
        parked.send("GET / HTTP/1.1\r\nHost: file.test\r\n\r\n");
        app.request_head(0);
        get(router.address(), "refused.test", "/");
        get(router.address(), "nowhere.test", "/");
        eventually("two errors", || {
            let listed = body(&ask(&router, "/errors"));
            (listed["errors"].as_array()?.len() == 2).then_some(())
        });
        Self { router, app, _parked: parked, _snapshot: directory }
    }
}

#[test]
fn every_documented_operation_answers_as_documented() {
    let busy = Busy::start();
    let document = document(&busy.router);
    let admin = busy.router.admin();
    let route = json!({ "ttl": "1h", "endpoints": [busy.app.address()] }).to_string();
    let address = busy.app.address();
    let message = json!({
        "host": address.ip(), "port": address.port(), "uris": ["said.test/x", "file.test"],
        "stale_threshold_in_seconds": 3600, "private_instance_id": "i",
    })
    .to_string();
    let mut asked = std::collections::BTreeSet::new();
    // Operation, target, field lines, content, expected status.
    let steps: &[(&str, &str, &str, &str, &str, u16)] = &[
        ("get", "/health", "/health", "", "", 200),
        ("get", "/health/live", "/health/live", "", "", 200),
        ("get", "/health/ready", "/health/ready", "", "", 200),
        ("get", "/metrics", "/metrics", "", "", 200),
        ("put", "/routes/{host}", "/routes/a.test", "", &route, 201),
        ("put", "/routes/{host}", "/routes/a.test", "", &route, 200),
        ("put", "/routes/{host}", "/routes/a.test", "", "{}", 400),
        ("put", "/routes/{host}", "/routes/a.test", "If-None-Match: *\r\n", &route, 412),
        ("put", "/routes/{host}", "/routes/file.test", "", &route, 409),
        ("put", "/routes/{host}", "/routes/a.test", "Origin: http://x.test\r\n", &route, 403),
        ("get", "/routes/{host}", "/routes/a.test", "", "", 200),
        ("get", "/routes/{host}", "/routes/a.test", "If-None-Match: *\r\n", "", 304),
        ("get", "/routes/{host}", "/routes/b.test", "", "", 404),
        ("put", "/routes/{host}/{path}", "/routes/a.test/api/v1", "", &route, 201),
        ("get", "/routes/{host}/{path}", "/routes/a.test/api/v1", "", "", 200),
        ("post", "/register", "/register", "", &message, 200),
        ("post", "/register", "/register", "", "{\"host\":\"x\"}", 400),
        ("get", "/routes", "/routes", "", "", 200),
        ("get", "/routes", "/routes?limit=0", "", "", 400),
        ("post", "/unregister", "/unregister", "", &message, 200),
        ("post", "/unregister", "/unregister", "", "[]x", 400),
        ("delete", "/routes/{host}/{path}", "/routes/a.test/api/v1", "", "", 204),
        ("delete", "/routes/{host}", "/routes/a.test", "If-Match: \"x\"\r\n", "", 412),
        ("delete", "/routes/{host}", "/routes/a.test", "", "", 204),
        ("delete", "/routes/{host}", "/routes/a.test", "", "", 404),
        ("get", "/requests", "/requests", "", "", 200),
        ("get", "/errors", "/errors", "", "", 200),
        ("get", "/config", "/config", "", "", 200),
        ("get", "/debug/tasks", "/debug/tasks", "", "", 200),
        ("get", "/debug/tasks", "/debug/tasks?kind=x", "", "", 400),
        ("get", "/debug/pprof/profile", "/debug/pprof/profile?seconds=1", "", "", 200),
        ("get", "/openapi.json", "/openapi.json", "", "", 200),
        ("post", "/drain", "/drain", "Origin: http://x.test\r\n", "", 403),
        ("post", "/drain", "/drain", "", "", 202),
    ];
    for (method, path, target, lines, content, status) in steps {
        let request = format!("{} {target}", method.to_uppercase());
        let answer = send(admin, &request, lines, content);
        assert_eq!(answer.status, *status, "{request}: {}", answer.text());
        holds(&document, path, method, &answer);
        asked.insert(((*path).to_owned(), (*method).to_owned()));
    }
    let heap = send(admin, "GET /debug/pprof/heap", "", "");
    holds(&document, "/debug/pprof/heap", "get", &heap);
    asked.insert(("/debug/pprof/heap".into(), "get".into()));
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for method in METHODS.into_iter().filter(|method| operations[*method].is_object()) {
            assert!(
                asked.contains(&(path.clone(), method.to_owned())),
                "{method} {path} is documented and not asked here"
            );
        }
    }
}

#[test]
fn every_served_page_is_documented_and_no_other_method_answers() {
    let router = Router::start(&Config::new());
    let document = document(&router);
    // Whoever asks for nothing is told what there is.
    let served = body(&ask(&router, "/no-such-page"))["endpoints"].clone();
    let served: Vec<(String, String)> = served
        .as_array()
        .expect("a list of pages")
        .iter()
        .map(|page| {
            let page = page.as_str().expect("a page");
            let (method, target) = page.split_once(' ').expect("a method and a target");
            let path = target.split('?').next().unwrap_or_default();
            let path = path.replace("HOST", "{host}").replace("PATH", "{path}");
            (method.to_lowercase(), path)
        })
        .collect();
    for (method, path) in &served {
        assert!(document["paths"][path][method].is_object(), "{method} {path} is not documented");
    }
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let target = path.replace("{host}", "a.test").replace("{path}", "x");
        for method in METHODS {
            let documented = operations[method].is_object();
            let listed = served.contains(&(method.to_owned(), path.clone()))
                || path == "/routes/{host}" && documented;
            assert_eq!(listed, documented, "{method} {path} among the pages");
            if !documented {
                let answer =
                    send(router.admin(), &format!("{} {target}", method.to_uppercase()), "", "");
                assert_eq!(answer.status, 405, "{method} {path}");
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let document = document(&Router::start(&Config::new()));
    assert_eq!(document["openapi"], "3.1.0");
    let (mut names, mut todo) = (Vec::new(), vec![&document]);
    while let Some(value) = todo.pop() {
        if let Some(reference) = value["$ref"].as_str() {
            resolve(&document, reference);
        }
        names.extend(value["operationId"].as_str());
        match value {
            Value::Object(fields) => todo.extend(fields.values()),
            Value::Array(items) => todo.extend(items),
            _ => {}
        }
    }
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), all > 15), (all, true));
}

#[test]
fn a_message_is_taken_if_it_is_as_documented() {
    let router = Router::start(&Config::new());
    let document = document(&router);
    let schema = &document["components"]["schemas"]["Message"];
    for (message, status) in [
        (json!({ "host": "127.0.0.1", "port": 1, "uris": ["a.test"] }), 200),
        (json!({ "host": "127.0.0.1", "tls_port": 1, "uris": ["a.test"] }), 200),
        (json!({ "host": "127.0.0.1", "port": 1, "tls_port": 2, "uris": ["a.test"] }), 200),
        (json!({ "host": "127.0.0.1", "uris": ["a.test"] }), 400),
        (json!({ "port": 1, "uris": ["a.test"] }), 400),
        (json!({ "host": "127.0.0.1", "port": 1 }), 400),
    ] {
        let answer = send(router.admin(), "POST /register", "", &message.to_string());
        assert_eq!(answer.status, status, "{message}: {}", answer.text());
        let found = faults(&document, schema, &message);
        assert_eq!(found.is_empty(), status == 200, "{message}: {found:?}");
    }
}
