#!/usr/bin/env python3
"""Do ten thousand handshakes and five thousand tunnels leave anything behind?

Clients of a TLS listener come and go: whole handshakes with a request, resumed
ones, handshakes that are left half way, connections that are dropped with and
without `close_notify` or reset, plain HTTP, garbage, silence. Then tunnels
(`Upgrade`) through TLS: opened, used, and ended by either side, with and without
a word. Before, between and after, what the router holds is printed: its tasks,
its sockets, its connections and requests, its resident memory.

    cargo build --release
    python3 benches/handshakes_and_tunnels.py

Needs openssl and Linux. All on loopback, one thread of the router. Memory is
looked at with the allocator told to give back at once what it is given back.
Exits with 1 if tasks, sockets or connections are not what they were, or memory
is larger by more than 1 MiB: a hundred bytes for each handshake.
"""

import argparse
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
UPGRADE = b"GET /%s HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

ROUTER = """
[[listener]]
address = "127.0.0.1:0"
tls = {{ certificates = [{{ chain = "{dir}/cert.pem", key = "{dir}/key.pem" }}] }}
[admin]
address = "127.0.0.1:0"
[workers]
threads = 1
[access_log]
path = ""
[timeouts]
linger = "300ms"
upstream_keep_alive = "500ms"
[[route]]
host = "a.test"
endpoints = ["127.0.0.1:{app}"]
"""


def until(stream, end):
    """Reads until `end` has come; all that came."""
    came = b""
    while end not in came:
        piece = stream.recv(4096)
        if not piece:
            raise ConnectionError("it ended")
        came += piece
    return came


def app(stream):
    """One connection of the endpoint: answers, or echoes once switched."""
    with stream:
        try:
            while True:
                head = until(stream, b"\r\n\r\n")
                if b"upgrade: echo" not in head.lower():
                    stream.sendall(ANSWER)
                    continue
                stream.sendall(SWITCHED)
                if head.startswith(b"GET /closes"):
                    return
                if head.startswith(b"GET /resets"):
                    return reset(stream)
                while piece := stream.recv(4096):
                    stream.sendall(piece)
                return
        except OSError:
            return


def serve():
    """The endpoint, in threads of this process; its port."""
    server = socket.create_server(("127.0.0.1", 0), backlog=1024)

    def accept():
        while True:
            stream, _ = server.accept()
            threading.Thread(target=app, args=(stream,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1]


def reset(stream):
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


class Clients:
    """What clients do; each way is one connection."""

    def __init__(self, port):
        self.port = port
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.session = threading.local()

    def tcp(self):
        stream = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    def tls(self, session=None):
        return self.context.wrap_socket(self.tcp(), server_hostname="a.test", session=session)

    def asks(self):
        with self.tls() as stream:
            stream.sendall(GET)
            until(stream, b"ok")
            self.session.ticket = stream.session
            stream.unwrap()

    def comes_back(self):
        with self.tls(getattr(self.session, "ticket", None)) as stream:
            stream.sendall(GET)
            until(stream, b"ok")

    def leaves(self):
        self.tls().close()

    def resets(self):
        stream = self.tls()
        reset(stream)

    def half_a_handshake(self, how=socket.socket.close):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        half = self.context.wrap_bio(incoming, outgoing, server_hostname="a.test")
        try:
            half.do_handshake()
        except ssl.SSLWantReadError:
            pass
        stream, hello = self.tcp(), outgoing.read()
        stream.sendall(hello[: len(hello) // 2])
        how(stream)

    def hello_alone(self):
        """The router has answered the hello, and waits for the rest."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        half = self.context.wrap_bio(incoming, outgoing, server_hostname="a.test")
        try:
            half.do_handshake()
        except ssl.SSLWantReadError:
            pass
        with self.tcp() as stream:
            stream.sendall(outgoing.read())
            stream.recv(1)

    def says(self, words):
        with self.tcp() as stream:
            stream.sendall(words)

    def tunnel(self, path, end):
        stream = self.tls()
        stream.sendall(UPGRADE % path)
        until(stream, b"\r\n\r\n")
        if path == b"echoes":
            stream.sendall(b"x" * 1000)
            came = 0
            while came < 1000:
                came += len(stream.recv(4096))
        else:
            while stream.recv(4096):
                pass
        end(stream)

    def handshakes(self):
        return [
            self.asks, self.comes_back, self.leaves, self.resets, self.half_a_handshake,
            lambda: self.half_a_handshake(reset), self.hello_alone, lambda: self.says(GET),
            lambda: self.says(b"\x16\x03\x01\x00\x05hello"), lambda: self.says(b""),
        ]

    def tunnels(self):
        def said(stream):
            stream.unwrap()
            stream.close()

        ends = [said, ssl.SSLSocket.close, reset]
        ways = [(b"echoes", end) for end in ends]
        ways += [(b"closes", ssl.SSLSocket.close), (b"resets", ssl.SSLSocket.close)]
        return [lambda path=path, end=end: self.tunnel(path, end) for path, end in ways]


def run(ways, count, threads):
    """`count` connections in turn of all ways; how many went wrong."""
    numbers, lock, wrong = iter(range(count)), threading.Lock(), [0]

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                ways[number % len(ways)]()
            except (OSError, ConnectionError):
                # A reset that is asked for reaches this side too.
                wrong[0] += 1

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return wrong[0]


class Router:
    def __init__(self, binary, directory, port):
        config = directory / "pointsman.toml"
        config.write_text(ROUTER.format(dir=directory, app=port))
        give_back = "dirty_decay_ms:0,muzzy_decay_ms:0,thp:never"
        self.process = subprocess.Popen(
            [binary, "run", "-c", config], stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL, env={**os.environ, "_RJEM_MALLOC_CONF": give_back})
        lines = [self.process.stdout.readline() for _ in range(2)]
        ports = [int(line.rsplit(":", 1)[1]) for line in lines]
        self.port, self.admin = ports

    def held(self):
        """Tasks by kind, sockets, connections, requests; KiB of memory."""
        page = urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10)
        figures = {}
        for line in page.read().decode().splitlines():
            match = re.match(r"pointsman_(tasks|connections|requests_in_flight)(\{.*?\})? (\d+)", line)
            if match:
                figures[match[1] + (match[2] or "")] = int(match[3])
        pid = self.process.pid
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        figures["sockets"] = sum(link.startswith("socket:") for link in links)
        status = Path(f"/proc/{pid}/status").read_text()
        return figures, int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def at_rest(self, like=None):
        """What it holds once that is no more than `like`, or does not change."""
        deadline, last = time.monotonic() + 60, None
        while True:
            time.sleep(0.5)
            now = self.held()
            fits = like is not None and all(now[0][k] <= like[0].get(k, 0) for k in now[0])
            if fits or (like is None and now[0] == last):
                return now, True
            if time.monotonic() > deadline:
                return now, False
            last = now[0]


def show(name, held):
    figures, memory_kib = held
    tasks = sum(n for k, n in figures.items() if k.startswith("tasks"))
    clients = sum(n for k, n in figures.items() if k.startswith("connections") and "client" in k)
    print(f"{name:28} {tasks:6} {figures['sockets']:8} {clients:8} "
          f"{figures['requests_in_flight']:9} {memory_kib:10}", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--handshakes", type=int, default=10_000)
    parser.add_argument("--tunnels", type=int, default=5_000)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--pointsman", type=Path, default=ROOT / "target/release/pointsman")
    args = parser.parse_args()
    if not args.pointsman.is_file():
        parser.error(f"{args.pointsman} is not there: cargo build --release, or --pointsman PATH")
    with tempfile.TemporaryDirectory(prefix="handshakes-") as temporary:
        directory = Path(temporary)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "30", "-subj", "/CN=a.test", "-addext", "subjectAltName=DNS:a.test",
             "-keyout", directory / "key.pem", "-out", directory / "cert.pem"],
            check=True, capture_output=True)
        router = Router(args.pointsman, directory, serve())
        good = True
        try:
            clients = Clients(router.port)
            print(f"{'':28} {'tasks':>6} {'sockets':>8} {'clients':>8} {'requests':>9} {'RSS KiB':>10}")
            # Once through, so that what is made at first use is there.
            run(clients.handshakes(), 1_000, args.threads)
            run(clients.tunnels(), 500, args.threads)
            before, _ = router.at_rest()
            show("at rest", before)
            for name, ways, count in [
                ("handshakes", clients.handshakes(), args.handshakes),
                ("tunnels", clients.tunnels(), args.tunnels),
            ]:
                wrong = run(ways, count, args.threads)
                after, rests = router.at_rest(before)
                show(f"after {count} {name}", after)
                print(f"  {wrong} of them ended in an error on the client's side")
                grown_kib = after[1] - before[1]
                if not rests or grown_kib > 1024:
                    print(f"  not at rest again: {after[0]}, {grown_kib} KiB more")
                    good = False
        finally:
            router.process.kill()
            router.process.wait()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
