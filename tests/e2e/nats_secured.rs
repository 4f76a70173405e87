//! A bus that wants to know who is there, and proves who it is.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::admin::{ask, json as body};
use crate::harness::nats::{Emitter, NatsServer, message};
use crate::harness::tls::{Authority, Pair};
use crate::harness::wait::eventually;
use crate::harness::{Config, Router, ScriptedEndpoint, get};
use crate::nats::{config, metric, until, until_connected};

/// Files that a server or a router reads.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory can be made"))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("the directory takes files");
        path
    }

    /// Starts a server with this configuration.
    fn server(&self, text: &str) -> NatsServer {
        let path = self.write("nats.conf", text);
        NatsServer::start_with(&["-c", path.to_str().expect("temporary paths are text")])
    }
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

/// What `/health/ready` says of the bus.
fn bus(router: &Router) -> Value {
    let ready = body(&ask(router, "/health/ready"));
    let sources = ready["sources"].as_array().expect("sources are listed").clone();
    sources.into_iter().find(|source| source["name"] == "nats").expect("nats is listed")
}

/// A router that is kept out of its bus serves, and says why it hears nothing,
/// in its health and once in its log.
#[track_caller]
fn is_kept_out(config: &Config, why: &str) {
    let app = ScriptedEndpoint::echo("app");
    let router = Router::start(&config.clone().route("file.test", &[app.address()]));
    let seen = eventually(&format!("{why} to be told"), || {
        let seen = bus(&router);
        let error = seen["error"].as_str().unwrap_or_default().to_lowercase();
        error.contains(why).then_some(seen)
    });
    assert_eq!(seen["state"], "pending", "{seen}");
    assert_eq!(metric(&router, "pointsman_nats_connected"), Some(0.0));
    assert_eq!(ask(&router, "/health/ready").status, 200, "it decides no verdict");
    assert_eq!(get(router.address(), "file.test", "/").status, 200, "it serves all the same");
    eventually("it to be logged", || router.stderr().to_lowercase().contains(why).then_some(()));
}

/// A router that is let in hears what is said.
#[track_caller]
fn hears(router: &Router, emitter: &mut Emitter) {
    let app = ScriptedEndpoint::echo("app");
    until_connected(router);
    emitter.publish("router.register", &message(app.address(), &["a.test"], ""));
    until(router, "a.test", "/", 200);
    let seen = bus(router);
    assert_eq!((&seen["state"], &seen["error"]), (&json!("current"), &Value::Null));
}

/// Emitters may come without TLS, since the one here has none.
fn tls(pair: &Pair, clients: Option<&Authority>) -> String {
    let clients = clients.map(|authority| format!("ca_file: {:?}, verify: true", authority.ca()));
    format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, {} }}\nallow_non_tls: true\n",
        pair.chain,
        pair.key,
        clients.unwrap_or_default()
    )
}

#[test]
fn with_tls_the_server_must_be_who_it_says() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = Files::new();
    let server = server.server(&tls(&authority.issue(&["127.0.0.1"]), None));
    let trusting =
        |authority: &Authority| config(&server).set("registry.nats.tls.ca", text(&authority.ca()));
    let router = Router::start(&trusting(&authority));
    hears(&router, &mut Emitter::connect(&server));
    is_kept_out(&trusting(&stranger), "the server's certificate is not accepted");
    let url = format!("tls://{}", server.address());
    let by_scheme = trusting(&authority).set("registry.nats.urls", vec![url]);
    hears(&Router::start(&by_scheme), &mut Emitter::connect(&server));
    let elsewhere = Files::new();
    let elsewhere = elsewhere.server(&tls(&authority.issue(&["bus.test"]), None));
    let ca = authority.ca();
    is_kept_out(&config(&elsewhere).set("registry.nats.tls.ca", text(&ca)), "not valid for name");
    let none = config(&server).set("registry.nats.tls.ca", "/nonexistent/ca.pem");
    is_kept_out(&none, "no such file");
}

#[test]
fn where_tls_is_asked_for_a_server_without_it_is_not_spoken_to() {
    let authority = Authority::new();
    let server = NatsServer::start();
    is_kept_out(
        &config(&server).set("registry.nats.tls.ca", text(&authority.ca())),
        "speaks no tls",
    );
}

#[test]
fn a_router_shows_its_own_certificate_to_a_server_that_asks() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = Files::new();
    let server = files.server(&tls(&authority.issue(&["127.0.0.1"]), Some(&authority)));
    let as_ = |own: Option<Pair>| {
        let config = config(&server).set("registry.nats.tls.ca", text(&authority.ca()));
        let Some(own) = own else { return config };
        let config = config.set("registry.nats.tls.cert", text(&own.chain));
        config.set("registry.nats.tls.key", text(&own.key))
    };
    let own = authority.issue(&["router.test"]);
    hears(&Router::start(&as_(Some(own))), &mut Emitter::connect(&server));
    is_kept_out(&as_(None), "the server refused the handshake");
    is_kept_out(&as_(Some(stranger.issue(&["router.test"]))), "the server refused the handshake");
}

#[test]
fn a_password_or_a_token_is_right_or_the_router_is_kept_out() {
    let server = NatsServer::start_with(&["--user", "router", "--pass", "s3cret"]);
    let url = |user: &str| {
        let urls = vec![format!("nats://{user}{}", server.address())];
        config(&server).set("registry.nats.urls", urls)
    };
    let mut emitter = Emitter::connect_as(&server, "{\"user\":\"router\",\"pass\":\"s3cret\"}");
    hears(&Router::start(&url("router:s3cret@")), &mut emitter);
    is_kept_out(&url("router:wrong@"), "authorization violation");
    is_kept_out(&url("token@"), "authorization violation");
    is_kept_out(&url(""), "authorization violation");
    let server = NatsServer::start_with(&["--auth", "t0ken"]);
    let url = |token: &str| {
        let urls = vec![format!("nats://{token}@{}", server.address())];
        config(&server).set("registry.nats.urls", urls)
    };
    let mut emitter = Emitter::connect_as(&server, "{\"auth_token\":\"t0ken\"}");
    hears(&Router::start(&url("t0ken")), &mut emitter);
    is_kept_out(&url("wrong"), "authorization violation");
}

#[test]
fn a_key_is_proved_and_one_that_is_put_right_is_taken_up() {
    let (own, other) = (KeyPair::new_user(), KeyPair::new_user());
    let files = Files::new();
    let users = format!("{{ nkey: {} }}, {{ user: emitter, password: pw }}", own.public_key());
    let server = files.server(&format!("authorization {{ users = [ {users} ] }}"));
    let seed = |of: &KeyPair| of.seed().expect("a new pair has a seed");
    let with = |file: &PathBuf| config(&server).set("registry.nats.credentials", text(file));
    let mut emitter = Emitter::connect_as(&server, "{\"user\":\"emitter\",\"pass\":\"pw\"}");
    hears(&Router::start(&with(&files.write("own.nk", &seed(&own)))), &mut emitter);
    is_kept_out(&with(&files.write("other.nk", &seed(&other))), "authorization violation");
    is_kept_out(&with(&files.write("empty.nk", "")), "neither a user's jwt nor the seed");
    is_kept_out(&with(&files.0.path().join("absent.nk")), "no such file");
    // Put right, it needs neither a reload nor a restart.
    let file = files.write("changing.nk", &seed(&other));
    let router = Router::start(&with(&file));
    eventually("it to be kept out", || bus(&router)["error"].is_string().then_some(()));
    files.write("changing.nk", &seed(&own));
    hears(&router, &mut emitter);
    for page in ["/config", "/debug/tasks", "/health/ready"] {
        assert!(!ask(&router, page).text().contains(&seed(&own)), "{page}");
    }
    assert!(!router.stderr().contains(&seed(&own)));
}

/// A claim of `subject`, as `issuer` signs it.
fn claim(issuer: &KeyPair, subject: &str, nats: &Value) -> String {
    let part = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let head = part(json!({ "typ": "JWT", "alg": "ed25519-nkey" }));
    let claims = json!({ "jti": subject, "iat": 1_700_000_000, "iss": issuer.public_key(),
        "name": "of the tests", "sub": subject, "nats": nats });
    let signed = format!("{head}.{}", part(claims));
    let signature = issuer.sign(signed.as_bytes()).expect("a new pair can sign");
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn a_users_jwt_and_seed_are_taken_from_one_file() {
    let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
    let limits = json!({ "subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1,
        "imports": -1, "exports": -1, "wildcards": true });
    let of_operator =
        claim(&operator, &operator.public_key(), &json!({ "type": "operator", "version": 2 }));
    let of_account = claim(
        &operator,
        &account.public_key(),
        &json!({ "type": "account", "version": 2, "limits": limits }),
    );
    let files = Files::new();
    let server = files.server(&format!(
        "operator: {of_operator}\nresolver: MEMORY\nresolver_preload: {{ {}: {of_account} }}\n",
        account.public_key()
    ));
    let user = |account: &KeyPair| {
        let user = KeyPair::new_user();
        let may = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
        let jwt = claim(account, &user.public_key(), &may);
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed().expect("a new pair has a seed")
        )
    };
    let with = |file: PathBuf| config(&server).set("registry.nats.credentials", text(&file));
    let router = Router::start(&with(files.write("router.creds", &user(&account))));
    until_connected(&router);
    assert_eq!(bus(&router)["error"], Value::Null);
    is_kept_out(
        &with(files.write("other.creds", &user(&KeyPair::new_account()))),
        "authorization violation",
    );
    is_kept_out(
        &with(files.write("half.creds", "-----BEGIN NATS USER JWT-----\n")),
        "cannot be used",
    );
}

#[test]
fn a_router_that_may_not_listen_says_so_and_expires_nothing() {
    let files = Files::new();
    let emitter = "{ user: emitter, password: pw }";
    let server = |may: &str| {
        files.server(&format!(
            "authorization {{ users = [ {emitter}, {{ user: router, password: pw, \
             permissions: {{ subscribe: {may} }} }} ] }}"
        ))
    };
    let as_router = |server: &NatsServer| {
        let urls = vec![format!("nats://router:pw@{}", server.address())];
        config(server).set("registry.nats.urls", urls)
    };
    let denied = server("{ deny: \"router.*\" }");
    is_kept_out(&as_router(&denied), "permissions violation for subscription");
    let allowed = server("\"router.*\"");
    let mut emitter = Emitter::connect_as(&allowed, "{\"user\":\"emitter\",\"pass\":\"pw\"}");
    hears(&Router::start(&as_router(&allowed)), &mut emitter);
}
