//! A real `nats-server`, and an emitter that speaks its protocol by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use super::port::HeldPort;
use super::router::Process;
use super::wait::{PATIENCE, eventually};

/// A running `nats-server`; killed when dropped.
pub(crate) struct NatsServer {
    process: Process,
    /// Nobody else is given it while the server is away.
    port: HeldPort,
    arguments: Vec<String>,
}

impl NatsServer {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with these arguments too.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|&a| a.to_owned()).collect();
        let port = HeldPort::take();
        Self { process: spawn(port.address(), &arguments), port, arguments }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// Kills it; it can be started again at the same address.
    pub(crate) fn kill(&mut self) {
        drop(self.process.child.kill());
        drop(self.process.child.wait());
    }

    /// Holds it still: its connections stand, and nothing comes out of them.
    pub(crate) fn suspend(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Starts it again after a kill.
    #[track_caller]
    pub(crate) fn revive(&mut self) {
        self.process = spawn(self.address(), &self.arguments);
    }
}

#[track_caller]
fn spawn(address: SocketAddr, arguments: &[String]) -> Process {
    let mut command = Command::new("nats-server");
    command.args(["-a", "127.0.0.1", "-p", &address.port().to_string()]).args(arguments);
    let mut process = Process::spawn(&mut command);
    eventually("nats-server to listen", || {
        let ended = process.child.try_wait().expect("a child can be asked");
        assert_eq!(ended, None, "{}", process.stderr());
        process.stderr().contains("Server is ready").then_some(())
    });
    process
}

/// A message an emitter received.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) subject: String,
    pub(crate) payload: String,
}

/// One client of the bus.
pub(crate) struct Emitter {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
    heard: Vec<Heard>,
    subscriptions: usize,
}

impl Emitter {
    #[track_caller]
    pub(crate) fn connect(server: &NatsServer) -> Self {
        Self::connect_as(server, "{\"verbose\":false}")
    }

    /// Connects with these options.
    #[track_caller]
    pub(crate) fn connect_as(server: &NatsServer, options: &str) -> Self {
        let stream = TcpStream::connect(server.address()).expect("nats-server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let lines = BufReader::new(stream.try_clone().expect("a socket can be shared"));
        let mut emitter = Self { stream, lines, heard: Vec::new(), subscriptions: 0 };
        emitter.send(&format!("CONNECT {options}\r\n"));
        emitter.flush();
        emitter
    }

    /// Connects, if the server is there.
    pub(crate) fn try_connect(server: &NatsServer) -> Option<Self> {
        let mut stream = TcpStream::connect(server.address()).ok()?;
        stream.write_all(b"CONNECT {\"verbose\":false}\r\n").ok()?;
        let lines = BufReader::new(stream.try_clone().ok()?);
        Some(Self { stream, lines, heard: Vec::new(), subscriptions: 0 })
    }

    /// Publishes all, or as many as the server still takes.
    pub(crate) fn try_publish_all(&mut self, messages: &[(&str, String)]) {
        let messages = messages.iter().map(|(s, p)| format!("PUB {s} {}\r\n{p}\r\n", p.len()));
        let text = messages.collect::<String>() + "PING\r\n";
        let mut line = String::new();
        if self.stream.write_all(text.as_bytes()).is_ok() {
            while self.lines.read_line(&mut line).is_ok_and(|bytes| bytes > 0) && line != "PONG\r\n"
            {
                line.clear();
            }
        }
    }

    /// Publishes, and returns once the server has it.
    #[track_caller]
    pub(crate) fn publish(&mut self, subject: &str, payload: &str) {
        self.send(&format!("PUB {subject} {}\r\n{payload}\r\n", payload.len()));
        self.flush();
    }

    /// Publishes all in one piece.
    #[track_caller]
    pub(crate) fn publish_all(&mut self, messages: &[(&str, String)]) {
        let messages = messages.iter().map(|(s, p)| format!("PUB {s} {}\r\n{p}\r\n", p.len()));
        self.send(&messages.collect::<String>());
        self.flush();
    }

    /// Asks, and waits for the reply.
    #[track_caller]
    pub(crate) fn request(&mut self, subject: &str) -> String {
        self.subscribe("_INBOX.test");
        self.send(&format!("PUB {subject} _INBOX.test 0\r\n\r\n"));
        self.next("_INBOX.test")
    }

    /// Listens, from the return on.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, subject: &str) {
        self.subscriptions += 1;
        self.send(&format!("SUB {subject} {}\r\n", self.subscriptions));
        self.flush();
    }

    /// The next message of this subject.
    #[track_caller]
    pub(crate) fn next(&mut self, subject: &str) -> String {
        loop {
            if let Some(at) = self.heard.iter().position(|heard| heard.subject == subject) {
                return self.heard.remove(at).payload;
            }
            self.read();
        }
    }

    #[track_caller]
    fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("nats-server reads");
    }

    /// Waits until the server has read all that was sent.
    #[track_caller]
    fn flush(&mut self) {
        self.send("PING\r\n");
        while self.read() != "PONG" {}
    }

    /// Reads one line, and the message below it if it announces one.
    #[track_caller]
    fn read(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("nats-server answers");
        assert!(!line.is_empty(), "nats-server has closed the connection");
        let line = line.trim_end().to_owned();
        assert!(!line.starts_with("-ERR"), "{line}");
        if line == "PING" {
            self.send("PONG\r\n");
        }
        if let Some(message) = line.strip_prefix("MSG ") {
            let words: Vec<_> = message.split(' ').collect();
            let bytes: usize = words[words.len() - 1].parse().expect("a MSG line ends in a size");
            let mut payload = vec![0; bytes + 2];
            self.lines.read_exact(&mut payload).expect("a whole message");
            payload.truncate(bytes);
            let payload = String::from_utf8(payload).expect("messages here are texts");
            self.heard.push(Heard { subject: words[0].to_owned(), payload });
        }
        line
    }
}

/// A message for an endpoint and its URIs, with `more` fields.
pub(crate) fn message(endpoint: SocketAddr, uris: &[&str], more: &str) -> String {
    let uris = uris.iter().map(|uri| format!("\"{uri}\"")).collect::<Vec<_>>().join(",");
    let comma = if more.is_empty() { "" } else { "," };
    let (host, port) = (endpoint.ip(), endpoint.port());
    format!("{{\"host\":\"{host}\",\"port\":{port},\"uris\":[{uris}]{comma}{more}}}")
}
