#!/usr/bin/env python3
"""Does ordinary traffic notice ten thousand connections that do nothing?

The router holds 5,000 idle keep-alive connections and 5,000 slow ones (a third
trickles a head, a third a body, a third never reads its answer) while ordinary
requests come at a fixed, modest rate. Rounds without and with the held
connections alternate, so that a change in the machine's speed meets both; the
medians over the rounds of each latency percentile are printed, and what an
idle connection costs in the router's memory. All on loopback.

    cargo build --release
    python3 benches/held_connections.py

Needs nginx and h2load (Debian: apt-get install nginx nghttp2-client), Linux,
and 20,000 file descriptors a process. The clocks that would end the held
connections are set long here; what they do by default is for the tests.
Exits with 1 if a request failed or a held connection was lost.
"""

import argparse
import resource
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + b"x" * (1 << 20)
HEAD = b"GET / HTTP/1.1\r\nHost: slow.test\r\nX-A: "
BODY = b"POST / HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 1000000\r\n\r\n"
UNREAD = b"GET /large HTTP/1.1\r\nHost: slow.test\r\n\r\n"
IDLE = b"GET /small HTTP/1.1\r\nHost: app.test\r\n\r\n"

ROUTER = """
[admin]
address = "127.0.0.1:0"
[workers]
threads = 1
[access_log]
path = ""
[limits]
connections = 15000
[timeouts]
keep_alive = "1h"
request_head = "1h"
request_body_idle = "1h"
request_body_min_rate = "1B/s"
response_write_idle = "1h"
request_write_idle = "1h"
attempt_head = "1h"
response_body_idle = "1h"
request = "2h"
[[listener]]
address = "127.0.0.1:0"
[[route]]
host = "app.test"
endpoints = ["127.0.0.1:{app}"]
[[route]]
host = "slow.test"
endpoints = ["127.0.0.1:{slow}"]
"""

NGINX = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/nginx.err warn;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
    client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
    uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{small}"; }} }}
}}
"""


def serve_slow():
    """The endpoint of the slow clients: answers /large, reads all else."""
    server = socket.create_server(("127.0.0.1", 0), backlog=4096)
    # Small, or the system would buffer gigabytes for those that never read.
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 << 10)
    server.setblocking(False)
    print(server.getsockname()[1], flush=True)
    poll, open_, left = select.epoll(), {}, {}
    poll.register(server, select.EPOLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == server.fileno():
                client, _ = server.accept()
                client.setblocking(False)
                open_[client.fileno()] = client
                poll.register(client, select.EPOLLIN)
                continue
            client = open_[fd]
            try:
                if fd not in left:
                    data = client.recv(65536)
                    if not data:
                        raise ConnectionError
                    if data.startswith(b"GET /large"):
                        left[fd] = memoryview(LARGE)
                        poll.modify(fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP)
                if fd in left and left[fd]:
                    left[fd] = left[fd][client.send(left[fd]) :]
            except BlockingIOError:
                pass
            except ConnectionError:
                poll.unregister(fd)
                left.pop(fd, None)
                open_.pop(fd).close()


def hold(kind, count, port):
    """Opens connections, says so, and holds them until stdin ends."""
    firsts = [IDLE] if kind == "idle" else [HEAD, BODY, UNREAD]
    held = []
    for index in range(count):
        first = firsts[index % len(firsts)]
        client = socket.socket()
        if first is UNREAD:
            # As from far away: on loopback each would get megabytes of buffer.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(first)
        if kind == "idle":
            assert client.recv(65536).startswith(b"HTTP/1.1 200"), "an idle one was refused"
        held.append((client, first))
    print("held", flush=True)
    trickling = [client for client, first in held if first in (HEAD, BODY)]
    stdin, lost, step = select.poll(), 0, 50
    stdin.register(sys.stdin, select.POLLIN | select.POLLHUP)
    turn = 0
    # A byte a second from each, spread over the second.
    while not stdin.poll(1000 / step):
        for client in trickling[turn % step :: step]:
            client.sendall(b"a")
        turn += 1
    for client, first in held:
        client.setblocking(False)
        try:
            answered = client.recv(1, socket.MSG_PEEK)
            lost += first is not UNREAD or not answered
        except BlockingIOError:
            pass
        except ConnectionError:
            lost += 1
    print(lost, flush=True)


def start(*arguments, **options):
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, **options)


def start_holder(kind, count, port):
    holder = start(sys.executable, __file__, "--hold", kind, str(count), str(port),
                   stdin=subprocess.PIPE)
    if holder.stdout.readline().strip() != "held":
        sys.exit(f"the {kind} connections could not be opened")
    return holder


def release(holder):
    holder.stdin.close()
    lost = holder.stdout.readline().strip()
    holder.wait()
    if lost != "0":
        sys.exit(f"{lost} of the held connections were lost")


def rss_kib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def measure(port, options, directory):
    """Latency percentiles of ordinary requests, in ms."""
    log = Path(directory, "requests.log")
    log.unlink(missing_ok=True)
    run = ["h2load", "--h1", "-t", "1", "-c", str(options.clients),
           "--rps", str(options.rate // options.clients),
           "-n", str(options.rate * options.seconds),
           f"--connect-to=127.0.0.1:{port}", f"--log-file={log}", f"http://app.test:{port}/small"]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    rows = [line.split() for line in log.read_text().splitlines()]
    failed = sum(status != "200" for _, status, _ in rows)
    if failed or not rows:
        sys.exit(f"{failed} of {len(rows)} ordinary requests failed")
    times = sorted(int(time_us) / 1000 for _, _, time_us in rows)
    return [times[min(len(times) - 1, int(len(times) * p / 100))] for p in options.percentiles]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def run(options, directory):
    app = free_port()
    config = Path(directory, "nginx.conf")
    config.write_text(NGINX.format(dir=directory, port=app, small="x" * 100))
    nginx = start("nginx", "-p", directory, "-c", str(config), "-e", "stderr")
    slow = start(sys.executable, __file__, "--endpoint")
    config = Path(directory, "pointsman.toml")
    config.write_text(ROUTER.format(app=app, slow=slow.stdout.readline().strip()))
    router = start(str(options.binary), "run", "-c", str(config))
    try:
        port = int(router.stdout.readline().rsplit(":", 1)[1])
        measure(port, options, directory)
        rounds = {"alone": [], "held": []}
        idle_kib, slow_kib = [], []
        for number in range(options.rounds):
            rounds["alone"].append(measure(port, options, directory))
            before = rss_kib(router.pid)
            idle = start_holder("idle", options.idle, port)
            with_idle = rss_kib(router.pid)
            trickle = start_holder("slow", options.slow, port)
            time.sleep(2)
            with_slow = rss_kib(router.pid)
            rounds["held"].append(measure(port, options, directory))
            release(trickle)
            release(idle)
            time.sleep(2)
            after = rss_kib(router.pid)
            if number == 0:
                # Later rounds find memory that the allocator kept.
                idle_kib.append((with_idle - before) / max(options.idle, 1))
                slow_kib.append((with_slow - with_idle) / max(options.slow, 1))
            print(f"round {number + 1}: {before} KiB, {with_idle} with the idle ones, "
                  f"{with_slow} with the slow ones too, {after} after", flush=True)
    finally:
        for process in (router, slow, nginx):
            process.kill()
            process.wait()
    print(f"memory: {idle_kib[0]:.2f} KiB per idle connection, {slow_kib[0]:.2f} per slow one")
    for name, measured in rounds.items():
        medians = [statistics.median(column) for column in zip(*measured)]
        shown = ", ".join(f"p{p} {ms:.2f}" for p, ms in zip(options.percentiles, medians))
        print(f"{name:6}: {shown} ms (medians of {options.rounds} rounds)")


def main():
    if sys.argv[1:2] == ["--endpoint"]:
        return serve_slow()
    if sys.argv[1:2] == ["--hold"]:
        return hold(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/pointsman")
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--slow", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="per measurement")
    parser.add_argument("--rate", type=int, default=500, help="ordinary requests per second")
    parser.add_argument("--clients", type=int, default=10, help="connections they come on")
    options = parser.parse_args()
    options.percentiles = [50, 90, 99]
    with tempfile.TemporaryDirectory() as directory:
        run(options, directory)


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    main()
