#!/usr/bin/env python3
"""CPU time per request of Pointsman and HAProxy, side by side.

Each router runs alone on one core with one thread; the load (wrk) and the two
endpoints (one nginx process) share another. The routers take turns, round by
round, so that a change in the machine's speed meets all of them. What counts
is the CPU time a router spent (user and system, all its threads, from
/proc/PID/stat) divided by the requests it completed; the ratio is taken inside
each round, and its median is printed. Everything stays on loopback.

    cargo build --release
    python3 benches/side_by_side/run.py --mode small

With --perf the instructions and cycles of each router are counted too, by `perf
stat`: instructions hardly move on a machine that is busy with other things. To
compare two builds in one run, name them: --peers before=PATH,after=PATH.

With --tls clients speak TLS 1.3 to every router, with one and the same P-256
certificate; endpoints stay plain. Needs openssl too then.

Needs wrk, nginx and haproxy (Debian: apt-get install wrk nginx haproxy), Linux,
and two cores. Exits with 1 if any request of any router failed.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# Six fields with Host: what a browser sends for a page's second request.
BROWSER_FIELDS = {
    "Host": "shop.example.com",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    "Cookie": "session=0123456789abcdef0123456789abcdef; theme=dark",
}


@dataclass
class Mode:
    """One kind of work: what is asked for, and how."""

    path: str
    body_bytes: int
    connection_per_request: bool = False


MODES = {
    "small": Mode("/small", 100),
    "16k": Mode("/16k", 16 << 10),
    "1m": Mode("/1m", 1 << 20),
    "connect": Mode("/small", 100, connection_per_request=True),
}

NGINX = """
daemon off;
master_process off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/nginx.err warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path {dir}/client;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    default_type text/plain;
    sendfile on;
    open_file_cache max=8;
    server {{
        listen 127.0.0.1:{first};
        listen 127.0.0.1:{second};
        root {dir}/www;
        location = /small {{ return 200 "{small}"; }}
        location = /seen {{
            return 200 "for=$http_x_forwarded_for proto=$http_x_forwarded_proto \
host=$http_x_forwarded_host id=$http_x_request_id via=$http_via";
        }}
    }}
}}
"""

# One thread, nothing logged, connections kept and shared as freely as HAProxy
# allows: its cheapest way of doing this work.
HAPROXY = """
global
    nbthread 1
    maxconn 8192
defaults
    mode http
    option http-keep-alive
    option forwardfor
    http-reuse always
    timeout connect 3s
    timeout client 75s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 75s
frontend in
    bind 127.0.0.1:{port}{bind}
{edits}
    default_backend out
backend out
    balance roundrobin
    server first 127.0.0.1:{first}
    server second 127.0.0.1:{second}
"""

# What Pointsman does to every head, said in HAProxy's words.
HAPROXY_SAME_EDITS = """
    http-request set-header X-Forwarded-Proto {scheme}
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-var(txn.id) uuid()
    http-request set-header X-Request-Id %[var(txn.id)]
    http-request add-header Via "1.1 haproxy"
    http-response set-header X-Request-Id %[var(txn.id)]
"""

POINTSMAN = """
[[listener]]
address = "127.0.0.1:{port}"
{tls}
[admin]
address = "127.0.0.1:{admin}"
[workers]
threads = 1
[access_log]
path = ""
[[route]]
host = "*"
endpoints = ["127.0.0.1:{first}", "127.0.0.1:{second}"]
"""


@dataclass
class Round:
    """One router under load once."""

    requests: int
    cpu_us: float
    busy: float
    per_second: float
    p50_us: int
    p99_us: int
    errors: int
    # By event and request, with --perf.
    events: dict[str, float]


@dataclass
class Peer:
    """A router that takes part, started and listening."""

    name: str
    scheme: str
    port: int
    process: subprocess.Popen
    rounds: list[Round] = field(default_factory=list)

    def url(self, path):
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def program(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if path is None:
        sys.exit(f"{name} is missing (on Debian: apt-get install {name})")
    return path


def start(name, core, command, port, logs):
    """Starts a server on one core and waits until it accepts."""
    log = open(logs / f"{name}.log", "wb")
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *map(str, command)],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            time.sleep(0.02)
    process.kill()
    process.wait()
    sys.exit(f"{name} did not start:\n{(logs / f'{name}.log').read_text()}")


def stop(process):
    if process.poll() is None:
        # An idle connection held by the load must not make a drain wait.
        process.kill()
    process.wait()


def start_endpoints(core, directory):
    """Two ports of one nginx, with the answers of every mode behind them."""
    www = directory / "www"
    www.mkdir()
    for mode in MODES.values():
        if mode.path != "/small":
            (www / mode.path[1:]).write_bytes(b"x" * mode.body_bytes)
    # nginx drops to an unprivileged user when started as root.
    directory.chmod(0o755)
    first, second = free_port(), free_port()
    conf = directory / "nginx.conf"
    conf.write_text(NGINX.format(dir=directory, first=first, second=second, small="x" * 100))
    command = [program("nginx"), "-c", conf, "-e", directory / "nginx.err"]
    return start("nginx", core, command, first, directory), first, second


def start_peer(name, number, args, endpoints, directory):
    name, _, other_build = name.partition("=")
    port = free_port()
    first, second = endpoints
    cert, key, both = (directory / name for name in ("cert.pem", "key.pem", "both.pem"))
    conf = directory / f"{number}-{name}.conf"
    if other_build or name == "pointsman":
        tls = (f'tls = {{ certificates = [{{ chain = "{cert}", key = "{key}" }}], min_version = "1.3" }}'
               if args.tls else "")
        conf.write_text(POINTSMAN.format(
            port=port, admin=free_port(), first=first, second=second, tls=tls))
        command = [other_build or args.pointsman, "run", "-c", conf]
    else:
        edits = HAPROXY_SAME_EDITS if name == "haproxy" else ""
        edits = edits.replace("{scheme}", args.scheme)
        bind = f" ssl crt {both} ssl-min-ver TLSv1.3 alpn http/1.1" if args.tls else ""
        conf.write_text(HAPROXY.format(
            port=port, first=first, second=second, edits=edits, bind=bind))
        command = [program("haproxy"), "-db", "-f", conf]
    process = start(f"{number}-{name}", args.router_core, command, port, directory)
    return Peer(name, args.scheme, port, process)


def make_certificate(directory):
    """A P-256 key and a certificate for it, apart and (for HAProxy) together."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        [program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=shop.example.com",
         "-addext", "subjectAltName=DNS:shop.example.com", "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    (directory / "both.pem").write_bytes(cert.read_bytes() + key.read_bytes())


def trusting():
    """Who answers is not in doubt here, only what."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def agreed(peer):
    """Version and cipher that a client with OpenSSL's defaults (wrk) gets."""
    with socket.create_connection(("127.0.0.1", peer.port), timeout=5) as tcp:
        with trusting().wrap_socket(tcp) as tls:
            return f"{tls.version()} {tls.cipher()[0]}"


def ask(peer, path):
    request = urllib.request.Request(peer.url(path), headers=BROWSER_FIELDS)
    handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting())
    with urllib.request.build_opener(*handlers).open(request, timeout=5) as r:
        return r.status, r.read()


def check_answers(peer, mode):
    """A router that answers something else would be measured doing other work."""
    status, body = ask(peer, mode.path)
    if status != 200 or len(body) != mode.body_bytes:
        sys.exit(f"{peer.name} answered {status} with {len(body)} bytes")
    print(f"  {peer.name:14} endpoint sees {ask(peer, '/seen')[1].decode()}")


def cpu_seconds(pid):
    """User and system time of all threads, ended ones included."""
    # The second field is the program's name and may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


EVENTS = ("instructions:u", "cycles:u", "instructions:k", "cycles:k")


def events_counted(text):
    """The counts of `perf stat -x,` by event; what was not counted is missing."""
    lines = (line.split(",") for line in text.splitlines())
    return {parts[2]: int(parts[0]) for parts in lines if len(parts) > 2 and parts[0].isdigit()}


def load(peer, mode, args, seconds):
    counting = [] if not args.perf else [
        program("perf"), "stat", "-x", ",", "-e", ",".join(EVENTS), "-p", str(peer.process.pid),
        "--"]
    command = counting + [
        "taskset", "-c", str(args.load_core), program("wrk"),
        "-t", "1", "-c", str(args.connections), "-d", f"{seconds}s", "--timeout", "10s",
        "-s", str(HERE / "report.lua"),
    ]
    fields = dict(BROWSER_FIELDS)
    if mode.connection_per_request:
        fields["Connection"] = "close"
    for name, value in fields.items():
        command += ["-H", f"{name}: {value}"]
    command.append(peer.url(mode.path))
    before, began = cpu_seconds(peer.process.pid), time.monotonic()
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    elapsed = time.monotonic() - began
    spent = cpu_seconds(peer.process.pid) - before
    line = next(l for l in ended.stdout.splitlines() if l.startswith("RESULT "))
    result = json.loads(line.removeprefix("RESULT "))
    if result["requests"] == 0:
        sys.exit(f"{peer.name} completed no request")
    return Round(
        requests=result["requests"],
        cpu_us=spent / result["requests"] * 1e6,
        busy=spent / elapsed,
        per_second=result["requests"] / result["duration_us"] * 1e6,
        p50_us=result["p50_us"],
        p99_us=result["p99_us"],
        errors=sum(result[k] for k in ("connect", "read", "write", "status", "timeout")),
        events={event: count / result["requests"]
                for event, count in events_counted(ended.stderr).items()})


def print_table(peers):
    baseline = peers[0]
    print(f"\n{'router':14} {'requests':>9} {'CPU µs/request':>15} {'(min-max)':>13} "
          f"{'ratio':>6} {'(min-max)':>11} {'core':>5} {'req/s':>8} {'p50 µs':>8} "
          f"{'p99 µs':>8} {'errors':>6}")
    for peer in peers:
        cost = [r.cpu_us for r in peer.rounds]
        ratios = [r.cpu_us / b.cpu_us for r, b in zip(peer.rounds, baseline.rounds)]

        def median(name):
            return statistics.median(getattr(r, name) for r in peer.rounds)

        print(f"{peer.name:14} {sum(r.requests for r in peer.rounds):9} "
              f"{statistics.median(cost):15.2f} {f'{min(cost):.1f}-{max(cost):.1f}':>13} "
              f"{statistics.median(ratios):6.3f} {f'{min(ratios):.2f}-{max(ratios):.2f}':>11} "
              f"{median('busy'):5.0%} {median('per_second'):8.0f} {median('p50_us'):8.0f} "
              f"{median('p99_us'):8.0f} {sum(r.errors for r in peer.rounds):6}")
    print(f"ratio: CPU time per request over that of {baseline.name} in the same round, median")


def print_events(peers):
    print(f"\n{'per request':14} " + " ".join(f"{event:>15}" for event in EVENTS))
    for peer in peers:
        medians = (statistics.median(r.events.get(event, float("nan")) for r in peer.rounds)
                   for event in EVENTS)
        print(f"{peer.name:14} " + " ".join(f"{median:15,.0f}" for median in medians))


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=MODES, default="small")
    parser.add_argument("--tls", action="store_true", help="clients speak TLS 1.3")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of load in a round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--pointsman", type=Path, default=ROOT / "target/release/pointsman")
    parser.add_argument(
        "--peers", default="haproxy-plain,haproxy,pointsman",
        help="in order, the first is the baseline: pointsman; haproxy, which makes the same "
             "header edits as Pointsman; haproxy-plain, which adds X-Forwarded-For only; "
             "NAME=PATH, another build of Pointsman")
    parser.add_argument("--perf", action="store_true", help="count instructions and cycles")
    parser.add_argument("--router-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write every round there")
    args = parser.parse_args()
    args.peers = args.peers.split(",")
    args.scheme = "https" if args.tls else "http"
    named = {peer for peer in args.peers if "=" in peer}
    unknown = set(args.peers) - named - {"pointsman", "haproxy", "haproxy-plain"}
    if unknown:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    if "pointsman" in args.peers and not args.pointsman.is_file():
        parser.error(f"{args.pointsman} is not there: cargo build --release, or --pointsman PATH")
    if args.rounds < 1 or not 1 <= args.seconds <= 60 or not 1 <= args.connections <= 4096:
        parser.error("at least one round, 1 to 60 seconds, 1 to 4096 connections")
    if not {args.router_core, args.load_core} <= os.sched_getaffinity(0):
        parser.error("the router core and the load core must both be there")
    return args


def main():
    args = arguments()
    mode = MODES[args.mode]
    # An interrupted run ends its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    processes = []
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as temporary:
        try:
            directory = Path(temporary)
            nginx, *endpoints = start_endpoints(args.load_core, directory)
            processes.append(nginx)
            if args.tls:
                make_certificate(directory)
            peers = []
            for number, name in enumerate(args.peers):
                peers.append(start_peer(name, number, args, endpoints, directory))
                processes.append(peers[-1].process)
            print(f"mode {args.mode}{' over TLS' if args.tls else ''}: {args.rounds} rounds of {args.seconds} s, "
                  f"{args.connections} connections")
            if args.tls:
                ciphers = {agreed(peer) for peer in peers}
                if len(ciphers) > 1:
                    sys.exit(f"they do not do the same work: {', '.join(ciphers)}")
                print(f"  all agree on {ciphers.pop()}")
            for peer in peers:
                check_answers(peer, mode)
                load(peer, mode, args, 1)
            for number in range(args.rounds):
                for peer in peers:
                    peer.rounds.append(load(peer, mode, args, args.seconds))
                print(f"  round {number + 1}: " + ", ".join(
                    f"{p.name} {p.rounds[-1].cpu_us:.2f} µs" for p in peers), flush=True)
            print_table(peers)
            if args.perf:
                print_events(peers)
        finally:
            for process in processes:
                stop(process)
    if args.json:
        args.json.write_text(json.dumps(
            {"mode": args.mode, "tls": args.tls, "seconds": args.seconds, "connections": args.connections,
             "peers": [{"name": p.name, "rounds": [vars(r) for r in p.rounds]} for p in peers]},
            indent=1))
    if any(r.errors for p in peers for r in p.rounds):
        sys.exit("some requests failed: the figures above do not count")


if __name__ == "__main__":
    main()
