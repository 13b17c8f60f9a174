#!/usr/bin/env python3
"""What a queued message costs the whole server, and how long it takes to start with a million of them.

  bench/memory/queued_messages.py --ringmail build/ringmail --startup build/bench/storage/storage_startup

bench/storage/startup fills the store; then `ringmail serve` starts on it, its next hop refusing connections. Printed are the
seconds to its "ready" line and to its greeting, and the growth of its memory over a start with an empty store, for each
message.

Exit status: 1 where a message costs more than --bytes-max, or the start takes longer than --seconds-max.
"""

import argparse
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "e2e"))
from ports import free_port  # noqa: E402

CONFIG = """
hostname = "many.test.invalid"
data_dir = "{data}"
shards = {shards}
[[listener]]
address = "127.0.0.1:{port}"
[relay]
networks = ["127.0.0.0/8"]
next_hop = "127.0.0.1:{closed}"
[log]
path = "{log}"
"""


def resident(pid):
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Rss:\s+(\d+) kB$", rollup, re.MULTILINE)[1]) * 1024


def greeted(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 120) as one:
            one.settimeout(120)
            return one.recv(512).startswith(b"220")
    except OSError:
        return False


def run(args, folder, data, name):
    """Starts and ends a server on `data`: (seconds to ready, seconds to the greeting, resident octets)."""
    log = folder / f"{name}.log"
    port = free_port()
    config = folder / f"{name}.toml"
    config.write_text(CONFIG.format(data=data, shards=args.shards, port=port, closed=free_port(), log=log))
    begin = time.monotonic()
    server = subprocess.Popen([args.ringmail, "serve", "--config", str(config)])
    try:
        ready = greeting = None
        while ready is None or greeting is None:
            if server.poll() is not None:
                sys.exit(f"the server ended with {server.returncode}")
            if ready is None and log.exists() and "event=ready" in log.read_text():
                ready = time.monotonic() - begin
            if greeting is None and greeted(port):
                greeting = time.monotonic() - begin
            time.sleep(0.01)
        time.sleep(2)  # what recovery needed for itself is given back
        octets = resident(server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    counted = re.search(r"event=ready.* messages=(\d+)", log.read_text())
    return ready, greeting, octets, int(counted[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringmail", required=True)
    parser.add_argument("--startup", required=True, help="the program of bench/storage that fills a store")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--content-bytes", type=int, default=4096)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--bytes-max", type=int, default=400)
    parser.add_argument("--seconds-max", type=float, default=5.0)
    parser.add_argument("--directory", default=None, help="where the store is made; a real disk")
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ringmail-many-", dir=args.directory))
    try:
        full, empty = folder / "full", folder / "empty"
        full.mkdir()
        subprocess.run([args.startup, "fill", str(full), str(args.messages), str(args.content_bytes)], check=True)
        _, _, before, none = run(args, folder, empty, "empty")
        ready, greeting, after, count = run(args, folder, full, "full")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if (none, count) != (0, args.messages):
        sys.exit(f"the servers found {none} and {count} messages")
    each = (after - before) / count
    print(f"{count} messages of {args.content_bytes} octets: ready in {ready:.2f} s, greeting in {greeting:.2f} s, "
          f"{each:.0f} octets of memory each ({after / 1e6:.0f} MB; {before / 1e6:.0f} MB with none)")
    if each > args.bytes_max or ready > args.seconds_max:
        print(f"over the target: {args.bytes_max} octets, {args.seconds_max} s", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
