//! The PROXY protocol: believed from those who are listed, refused when it is
//! not one, and sent to endpoints that ask for it.

mod incoming;
mod outgoing;

use std::net::SocketAddr;

use crate::harness::{Answer, Config, Connection, Router, ScriptedEndpoint};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const FROM_HERE: &str = "proxy_protocol = { from = [\"127.0.0.0/8\"] }";
const V1: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A version 2 header of these parts.
fn header(command: u8, family: u8, parts: &[&[u8]]) -> Vec<u8> {
    let rest = parts.concat();
    let length = u16::try_from(rest.len()).expect("it is short").to_be_bytes();
    [SIGNATURE, &[command, family], &length, &rest].concat()
}

/// Version 2's addresses of 192.0.2.`last`:4711 and what it connected to.
fn addresses(last: u8) -> [u8; 12] {
    [192, 0, 2, last, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb]
}

/// A version 2 header that names 192.0.2.7:4711, with a TLV.
fn v2() -> Vec<u8> {
    header(0x21, 0x11, &[&addresses(7), &[0x04, 0, 2, 9, 9]])
}

fn v2_local() -> Vec<u8> {
    header(0x20, 0, &[])
}

fn site(listener: &str, config: Config) -> (ScriptedEndpoint, Router) {
    let endpoint = ScriptedEndpoint::echo("app");
    let config = config.listener_with(listener).route("a.test", &[endpoint.address()]);
    (endpoint, Router::start(&config))
}

fn ask_after(address: SocketAddr, header: &[u8]) -> Answer {
    let mut client = Connection::open(address);
    client.send([header, GET.as_bytes()].concat());
    client.answer("GET")
}
