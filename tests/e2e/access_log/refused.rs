//! What is told of the host of a head that was refused.

use serde_json::Value;

use crate::harness::wait::eventually;
use crate::harness::{Connection, Router};

use super::{lines, log_file, logging_to};

#[test]
fn a_refused_head_is_logged_with_the_one_host_it_names_and_without_passwords() {
    let (_directory, file) = log_file();
    let router = Router::start(&logging_to(&file));
    let bad = "Content-Length: x\r\n";
    let cases = [
        // As it would be looked up, before and behind the codec.
        (format!("GET /x HTTP/1.1\r\nHost: A.Test.:80\r\n{bad}"), Some("a.test"), Some("/x")),
        (
            "GET /%2e%2e/.. HTTP/1.1\r\nHost: A.Test.:80\r\n".into(),
            Some("a.test"),
            Some("/%2e%2e/.."),
        ),
        (
            "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n".into(),
            Some("a.test"),
            Some("a.test:80"),
        ),
        // Which of two is meant, nobody knows.
        ("GET /x HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n".into(), None, Some("/x")),
        (format!("GET /x HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n{bad}"), None, Some("/x")),
        ("GET http://b.test/x HTTP/1.1\r\nHost: a.test\r\n".into(), None, Some("/x")),
        ("GET /x HTTP/1.1\r\nHost: a test\r\n".into(), None, Some("/x")),
        ("GET http://me:secret@a.test/x HTTP/1.1\r\nHost: a.test\r\n".into(), None, Some("/x")),
        (format!("GET http://a.test/x HTTP/1.0\r\n{bad}"), Some("a.test"), Some("/x")),
    ];
    for (number, (head, host, path)) in cases.into_iter().enumerate() {
        let mut client = Connection::open(router.address());
        client.send(format!("{head}\r\n"));
        client.answer("GET");
        let line = eventually("its line", || lines(&file).into_iter().nth(number));
        let line: Value = serde_json::from_str(&line).expect("a line is JSON");
        assert_eq!((line["host"].as_str(), line["path"].as_str()), (host, path), "{head:?}");
    }
}
