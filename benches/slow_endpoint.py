#!/usr/bin/env python3
"""Does one slow endpoint of ten show in the latency of the whole?

Ten endpoints answer after 40 ms on the average (between half and one and a half
of that); then one of them takes twenty times as long. Under `least-requests` the
99th percentile should stay within twice that of the healthy run, whether few
clients ask or many; `round-robin` is measured beside it, for comparison. All on
loopback, over real sockets; nothing here needs a fast machine, since what takes
time is waiting. `tests/slow_endpoint.rs` shows the same in virtual time.

    cargo build --release
    python3 benches/slow_endpoint.py            # about 3 minutes, mostly waiting

Exits with 1 if a percentile is out of bounds under least-requests.
"""

import argparse
import asyncio
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USUAL_S = 0.040
SLOWER = 20
ENDPOINTS = 10
# Clients that ask again when answered, or requests a second.
LOADS = [("clients", 1), ("clients", 4), ("clients", 16), ("clients", 50), ("rate", 50), ("rate", 300)]

CONFIG = """
[admin]
address = "127.0.0.1:0"
[workers]
threads = 2
[access_log]
path = ""
[[listener]]
address = "127.0.0.1:0"
[[route]]
host = "*"
balance = "{balance}"
endpoints = [{endpoints}]
"""


async def answer(reader, writer, mean_s):
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(mean_s * random.uniform(0.5, 1.5))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def endpoints(slow, ports):
    """Ten endpoints in a process of their own; says where they listen."""

    async def serve():
        servers = []
        for n in range(ENDPOINTS):
            mean_s = USUAL_S * (SLOWER if slow and n == 0 else 1)
            handler = lambda r, w, mean_s=mean_s: answer(r, w, mean_s)
            servers.append(await asyncio.start_server(handler, "127.0.0.1", 0))
        ports.put([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.gather(*(server.serve_forever() for server in servers))

    asyncio.run(serve())


async def exchange(connection):
    reader, writer = connection
    begun = time.monotonic()
    writer.write(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        sys.exit(f"a request failed: {head!r}")
    await reader.readexactly(2)
    return time.monotonic() - begun


async def load(address, kind, amount, seconds):
    """The latencies of all requests sent in so many seconds."""
    host, port = address
    latencies, end = [], time.monotonic() + seconds

    async def client():
        connection = await asyncio.open_connection(host, port)
        while time.monotonic() < end:
            latencies.append(await exchange(connection))
        connection[1].close()

    if kind == "clients":
        await asyncio.gather(*(client() for _ in range(amount)))
        return latencies
    idle, running = [], []

    async def one():
        connection = idle.pop() if idle else await asyncio.open_connection(host, port)
        latencies.append(await exchange(connection))
        idle.append(connection)

    while time.monotonic() < end:
        running.append(asyncio.create_task(one()))
        await asyncio.sleep(random.expovariate(amount))
    await asyncio.gather(*running)
    return latencies


def router(binary, balance, ports, directory):
    config = Path(directory) / "pointsman.toml"
    listed = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
    config.write_text(CONFIG.format(balance=balance, endpoints=listed))
    process = subprocess.Popen(
        [binary, "run", "-c", config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    for line in process.stdout:
        if line.startswith("listening http://"):
            host, port = line.split("//")[1].strip().rsplit(":", 1)
            return process, (host, int(port))
    sys.exit("the router did not start")


def measure(binary, balance, slow, kind, amount, seconds):
    ports = multiprocessing.Queue()
    apps = multiprocessing.Process(target=endpoints, args=(slow, ports), daemon=True)
    apps.start()
    with tempfile.TemporaryDirectory() as directory:
        process, address = router(binary, balance, ports.get(), directory)
        try:
            latencies = sorted(asyncio.run(load(address, kind, amount, seconds)))
        finally:
            process.kill()
            process.wait()
            apps.terminate()
            apps.join()
    p99_ms = 1000 * latencies[len(latencies) * 99 // 100]
    # Nobody else takes that long.
    slow_share = sum(1 for taken in latencies if taken > SLOWER * USUAL_S / 2) / len(latencies)
    return p99_ms, 100 * slow_share


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--router", default=ROOT / "target/release/pointsman")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    good = True
    print("| load | healthy p99 | one slow: p99 | ratio | its share | round-robin: p99 |")
    print("|---|---|---|---|---|---|")
    for kind, amount in LOADS:
        run = lambda balance, slow: measure(options.router, balance, slow, kind, amount, options.seconds)
        healthy, _ = run("least-requests", False)
        slow, share = run("least-requests", True)
        turns, _ = run("round-robin", True)
        name = f"{amount} client{'s' * (amount > 1)}" if kind == "clients" else f"{amount} requests/s"
        print(f"| {name} | {healthy:.0f} ms | {slow:.0f} ms | {slow / healthy:.2f} | {share:.2f} % | {turns:.0f} ms |", flush=True)
        good &= slow <= 2 * healthy
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
