//! Informational answers: a refusal instead of a 100 stops the upload, and no
//! hint ever shows in what comes after it.

use std::fs;

use crate::harness::held::{ask, sum};
use crate::harness::router::Process;
use crate::harness::servers::curl;
use crate::harness::wait::eventually;
use crate::harness::wire::Fault;
use crate::harness::{Config, Connection, Router, ScriptedEndpoint, Step, get, script};

const BIG: usize = 8 << 20;
const REFUSED: &str =
    "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 7\r\n\r\nno room";
const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// An app that refuses by the head alone, or asks for the content.
fn app() -> ScriptedEndpoint {
    ScriptedEndpoint::start(|_| {
        let by_target = |target: &str| match target {
            "/refused" => vec![Step::Send(REFUSED.into()), Step::UntilPeerLeaves],
            "/hinted" => vec![
                Step::Send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".into()),
                Step::Send(GO_ON.into()),
                Step::ReadBody,
                Step::Send(script::ok("taken").into()),
            ],
            _ => vec![
                Step::Send(GO_ON.into()),
                Step::ReadBody,
                Step::Send(script::ok("taken").into()),
            ],
        };
        vec![Step::ReadHead, Step::ByTarget(by_target)]
    })
}

#[test]
fn an_apps_refusal_before_its_hundred_keeps_curl_from_uploading() {
    let (endpoint, files) = (app(), tempfile::tempdir().expect("a directory can be made"));
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let file = files.path().join("big.bin");
    fs::write(&file, vec![b'x'; BIG]).expect("a temporary directory takes files");
    let upload = |host: &str, path: &str| {
        let file = file.display().to_string();
        let said = "\n%{http_code} %{size_upload}";
        let expect = ["-H", "Expect: 100-continue", "--expect100-timeout", "60", "-w", said];
        let out = curl(router.address(), host, &[&expect[..], &["-T", &file]].concat(), &[path]);
        String::from_utf8(out.stdout).expect("text")
    };
    assert_eq!(upload("a.test", "/refused"), "no room\n413 0");
    assert_eq!(endpoint.request_head(0).content_bytes, 0);
    assert_eq!(upload("a.test", "/taken"), format!("taken\n200 {BIG}"));
    assert_eq!(upload("a.test", "/hinted"), format!("taken\n200 {BIG}"));
    assert_eq!(endpoint.request(2).content_bytes, BIG as u64);
    let nowhere = upload("nowhere.test", "/");
    assert!(nowhere.ends_with("\n404 0"), "the router's own refusal: {nowhere}");
}

#[test]
fn pythons_client_waits_for_its_hundred_and_takes_a_refusal() {
    let endpoint = app();
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    // http.client sends content without waiting, as many scripts do; it has to
    // get the refusal all the same.
    let program = format!(
        "import http.client\n\
         for path in ('/taken', '/refused', '/taken'):\n\
         \x20   c = http.client.HTTPConnection('127.0.0.1', {}, timeout=60)\n\
         \x20   c.putrequest('PUT', path, skip_host=True)\n\
         \x20   c.putheader('Host', 'a.test')\n\
         \x20   c.putheader('Expect', '100-continue')\n\
         \x20   c.putheader('Content-Length', '100000')\n\
         \x20   c.endheaders(b'x' * 100000)\n\
         \x20   r = c.getresponse()\n\
         \x20   print(r.status, r.read().decode(), flush=True)\n",
        router.address().port()
    );
    let mut command = std::process::Command::new("python3");
    let mut python = Process::spawn(command.args(["-c", &program]));
    assert!(python.exit().success(), "{}", python.stderr());
    let lines = eventually("its lines", || Some(python.stdout()).filter(|lines| lines.len() >= 3));
    assert_eq!(lines, ["200 taken", "413 no room", "200 taken"]);
}

#[test]
fn a_refusal_says_that_the_connection_closes_since_content_may_follow_it() {
    let endpoint = app();
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(
        "POST /refused HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    );
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.interim.len()), (413, 0));
    assert_eq!(answer.field("connection"), "close");
    assert_eq!(client.ending(), (Vec::new(), Fault::Closed));
    // Without content there is nothing to wait for, and nothing to close for.
    let mut client = Connection::open(router.address());
    let get = "GET /taken HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n";
    for _ in 0..2 {
        client.send(get);
        let answer = client.answer("GET");
        assert_eq!((answer.status, answer.interim.len()), (200, 1));
    }
}

#[test]
fn hints_lose_what_is_of_the_hop_and_leave_the_final_head_alone() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\
                     Content-Length: 5\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\nX-Shared: hint\r\n\r\n\
                     HTTP/1.1 102 Processing\r\nX-Shared: more\r\n\r\n\
                     HTTP/1.1 199 Odd\r\nTransfer-Encoding: chunked\r\n\r\n";
        script::answering(hints.to_owned() + &script::ok("done"))
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let answer = client.answer("GET");
        let hints: Vec<_> = answer.interim.iter().map(|head| head.fields.0.clone()).collect();
        let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [
            vec![line("link", "</a>"), line("x-shared", "hint")],
            vec![line("x-shared", "more")],
            vec![],
        ];
        assert_eq!(hints, expected);
        assert_eq!((answer.status, answer.text().as_str()), (200, "done"));
        assert!(answer.fields.all("x-shared").is_empty(), "{}", answer.head);
    }
}

#[test]
fn what_is_dropped_on_the_way_is_counted() {
    const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let endpoint = ScriptedEndpoint::start(|_| {
        let by_target = |target: &str| match target {
            "/many" => vec![Step::Send(HINT.repeat(9).into()), Step::UntilPeerLeaves],
            _ => vec![Step::Send((HINT.repeat(2) + &script::ok("done")).into())],
        };
        vec![Step::ReadHead, Step::ByTarget(by_target)]
    });
    let config = Config::new().set("retry.attempts", 1).route("a.test", &[endpoint.address()]);
    let router = Router::start(&config);
    let mut old = Connection::open(router.address());
    old.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    assert_eq!(old.answer("GET").interim.len(), 0);
    let mut many = Connection::open(router.address());
    many.send("GET /many HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let answer = many.answer("GET");
    assert_eq!((answer.code(), answer.interim.len()), (Some("upstream-protocol-error"), 8));
    let metrics = ask(&router, "/metrics");
    let dropped = |reason: &str| {
        sum(&metrics, &format!("pointsman_informational_dropped_total{{reason=\"{reason}\""))
    };
    assert_eq!((dropped("version"), dropped("limit")), (2, 1), "{metrics}");
}

#[test]
fn an_expectation_in_http_1_0_is_ignored_and_its_content_is_not_waited_for() {
    let endpoint = app();
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut old = Connection::open(router.address());
    let head = "POST /taken HTTP/1.0\r\nHost: a.test\r\nExpect: 100-continue\r\n";
    old.send(format!("{head}Content-Length: 5\r\n\r\nhello"));
    let answer = old.answer("POST");
    assert_eq!((answer.status, answer.interim.len()), (200, 0));
    let received = endpoint.request(0);
    assert_eq!((received.fields.all("expect"), &received.content[..]), (vec![], &b"hello"[..]));
}

#[test]
fn content_sent_to_an_endpoint_that_never_says_go_on_arrives_all_the_same() {
    let endpoint = ScriptedEndpoint::echo("one");
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    // RFC 9110 section 10.1.1: a client need not wait for ever.
    endpoint.request_head(0);
    client.send("hello");
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.interim.len()), (200, 0));
    assert_eq!(endpoint.request(0).content, b"hello");
}

#[test]
fn a_hint_behind_a_final_answer_belongs_to_no_request() {
    const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </late>\r\n\r\n";
    let endpoint = ScriptedEndpoint::start(|_| script::answering(script::ok("done") + HINT));
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    for number in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let answer = client.answer("GET");
        assert_eq!((answer.text().as_str(), answer.interim.len()), ("done", 0), "{number}");
        assert_eq!(endpoint.request(number).connection, number, "it is not used again");
    }
}

#[test]
fn every_hint_up_to_the_limit_passes_and_the_answer_with_them() {
    const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let endpoint =
        ScriptedEndpoint::start(|_| script::answering(HINT.repeat(8) + &script::ok("done")));
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let answer = client.answer("GET");
        assert_eq!((answer.status, answer.interim.len()), (200, 8), "the limit is an exchange's");
    }
}

#[test]
fn what_passes_of_all_attempts_together_keeps_to_the_limit() {
    const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let dying = || {
        let steps = vec![Step::ReadHead, Step::Send(HINT.repeat(5).into()), Step::Close];
        ScriptedEndpoint::start(move |_| steps.clone())
    };
    let endpoints = [dying(), dying()];
    let addresses = endpoints.each_ref().map(ScriptedEndpoint::address);
    let router = Router::start(&Config::new().route("a.test", &addresses));
    let answer = get(router.address(), "a.test", "/");
    assert_eq!((answer.code(), answer.interim.len()), (Some("upstream-reset"), 8));
    assert_eq!(endpoints.iter().map(ScriptedEndpoint::count).sum::<usize>(), 2);
    let dropped = "pointsman_informational_dropped_total{reason=\"limit\"";
    assert_eq!(sum(&ask(&router, "/metrics"), dropped), 2);
}

#[test]
fn a_hundred_continue_is_the_endpoints_own() {
    let endpoint = ScriptedEndpoint::start(|_| {
        vec![
            Step::ReadHead,
            Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
            Step::ReadBody,
            Step::Echo,
        ]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    let received = endpoint.request_head(0);
    assert_eq!(received.fields.one("expect"), Some("100-continue"));
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.answer("POST").status, 200);
    assert_eq!(endpoint.request(0).content, b"hello");
}

#[test]
fn after_its_hundred_a_client_is_waited_for_by_its_own_clock_and_not_the_endpoints() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let go_on = Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
        vec![Step::ReadHead, go_on, Step::ReadBody, Step::Echo]
    });
    let clocks = "attempt_head = \"2s\"\nrequest_body_idle = \"1m\"";
    let config = Config::new().route_with("a.test", &[endpoint.address()], clocks);
    let router = Router::start(&config);
    let mut client = Connection::open(router.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    // The slowness itself: longer than the endpoint would have had.
    std::thread::sleep(std::time::Duration::from_secs(3));
    client.send("hello");
    assert_eq!(client.answer("POST").status, 200);
}

#[test]
fn a_final_answer_instead_of_a_hundred_continue_is_passed_on() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno";
        vec![Step::ReadHead, Step::Send(answer.into()), Step::UntilPeerLeaves]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.interim.len()), (401, 0));
}

#[test]
fn informational_answers_pass_in_order_and_not_to_http_1_0() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
                      HTTP/1.1 103 Early Hints\r\nLink: </b>\r\nConnection: x\r\n\r\n";
        script::answering(answer.to_owned() + &script::ok("done"))
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let answer = get(router.address(), "a.test", "/");
    let links: Vec<_> = answer.interim.iter().map(|head| head.fields.one("link")).collect();
    assert_eq!((links, answer.text().as_str()), (vec![Some("</a>"), Some("</b>")], "done"));
    assert!(answer.interim.iter().all(|head| head.fields.all("connection").is_empty()));
    let mut client = Connection::open(router.address());
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    let answer = client.answer("GET");
    assert_eq!((answer.interim.len(), answer.text().as_str()), (0, "done"));
}

#[test]
fn a_storm_of_informational_answers_is_cut_off() {
    let endpoint = ScriptedEndpoint::start(|_| {
        let storm = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(10_000);
        vec![Step::ReadHead, Step::Send(storm.into()), Step::UntilPeerLeaves]
    });
    let router = Router::start(&Config::new().route("a.test", &[endpoint.address()]));
    let answer = get(router.address(), "a.test", "/");
    assert_eq!((answer.status, answer.code()), (502, Some("upstream-protocol-error")));
    assert!(answer.interim.len() <= 8, "{} were passed on", answer.interim.len());
}

#[test]
fn a_client_that_takes_nothing_loses_hints_and_never_its_hundred() {
    // More than sockets hold on the way to a client that does not read.
    const HINTS: u64 = 600;
    let endpoint = ScriptedEndpoint::start(|_| {
        let link = "a".repeat(60_000);
        let hint = format!("HTTP/1.1 103 Early Hints\r\nlink: <{link}>\r\n\r\n");
        let hints = Step::Send(hint.repeat(HINTS as usize).into());
        vec![Step::ReadHead, hints, Step::Send(GO_ON.into()), Step::ReadBody, Step::Echo]
    });
    let config = Config::new().set("limits.informational", 1000);
    let router = Router::start(&config.route("a.test", &[endpoint.address()]));
    let mut client = Connection::open(router.address());
    client.receive_little();
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\
         Expect: 100-continue\r\n\r\nhi",
    );
    // What lies on the way to the client may hold the answer too; then all is over.
    eventually("all of it to have come to the router", || {
        let responds = ask(&router, "/requests").contains("\"responding\"");
        let is_over = || ask(&router, "/metrics").contains("pointsman_requests_total{");
        (responds || is_over()).then_some(())
    });
    let answer = client.answer("POST");
    let last = answer.interim.last().expect("some passed");
    assert_eq!((answer.status, &*last.start), (200, "HTTP/1.1 100 Continue"));
    let passed = answer.interim.len() as u64 - 1;
    let metrics = ask(&router, "/metrics");
    let dropped = sum(&metrics, "pointsman_informational_dropped_total{reason=\"backlog\"");
    assert!(dropped > 0, "{metrics}");
    assert_eq!(passed + dropped, HINTS, "each is passed on or counted");
}
