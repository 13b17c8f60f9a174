#!/usr/bin/env python3
"""What an idle SMTP connection costs: the server's memory, divided by the connections it holds.

  bench/memory/idle_connections.py --ringmail build/ringmail

One shard, 10,000 plain connections from this process, measured three times: when all have heard the greeting and said EHLO;
when each has sent a message and is idle again; when all are gone. Process memory is the growth of Rss and Pss over the server
that has served and lost one small crowd already (so that code and pools that are there once are not counted). Kernel memory
is the growth of the machine's slabs and of what TCP says it buffers, for both ends of each connection, and is rough: the whole
machine is in it.

Exit status: 1 where an idle connection costs more process memory than --bytes-max.
"""

import argparse
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "e2e"))
from ports import free_port  # noqa: E402

CONFIG = """
hostname = "idle.test.invalid"
data_dir = "{dir}/data"
shards = 1
[[listener]]
address = "127.0.0.1:{port}"
[relay]
networks = ["127.0.0.0/8"]
next_hop = "127.0.0.1:{closed}"
[limits]
connections = {room}
command_timeout = "1h"
[log]
path = "{dir}/log"
level = "warning"
"""
EHLO = b"EHLO client.test.invalid\r\n"
MESSAGE = (b"MAIL FROM:<a@test.invalid>\r\nRCPT TO:<b@dest.invalid>\r\nDATA\r\n",
           b"Subject: idle\r\n\r\n" + 40 * (b"x" * 70 + b"\r\n") + b".\r\n")


def kib(text, name):
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


class Memory:
    def __init__(self, pid):
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        self.rss, self.pss = kib(rollup, "Rss"), kib(rollup, "Pss")
        self.anonymous = kib(rollup, "Anonymous")
        self.slab = kib(pathlib.Path("/proc/meminfo").read_text(), "Slab")
        pages = re.search(r"^TCP:.* mem (\d+)$", pathlib.Path("/proc/net/sockstat").read_text(), re.MULTILINE)
        self.tcp = int(pages[1]) * resource.getpagesize() if pages else 0


def replies(one, count):
    """Reads `count` replies; each ends in a line without a hyphen behind its code."""
    heard = b""
    while len(re.findall(rb"^\d{3} [^\r\n]*\r\n", heard, re.MULTILINE)) < count:
        piece = one.recv(4096)
        if not piece:
            raise SystemExit(f"the server closed after {heard!r}")
        heard += piece
    if re.search(rb"^[45]\d\d", heard, re.MULTILINE):
        raise SystemExit(f"the server said {heard!r}")


def crowd(port, count):
    connections = []
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", port), 30)
        connections.append(one)
        replies(one, 1)
        one.sendall(EHLO)
    for one in connections:
        replies(one, 1)
    return connections


def each_sends(connections):
    # A hundred at once, so that they share the disk's syncs.
    for at in range(0, len(connections), 100):
        some = connections[at:at + 100]
        for step, count in zip(MESSAGE, (3, 1)):
            for one in some:
                one.sendall(step)
            for one in some:
                replies(one, count)


def gone(connections):
    for one in connections:
        one.close()
    time.sleep(1)


def show(what, now, before, count):
    grown = {key: (getattr(now, key) - getattr(before, key)) / count for key in ("rss", "pss", "anonymous", "slab", "tcp")}
    print(f"{what:<34} {grown['rss']:8.0f} {grown['pss']:8.0f} {grown['anonymous']:10.0f}   {grown['slab']:8.0f} {grown['tcp']:8.0f}",
          flush=True)
    return grown["rss"]


def measure(server, port, args):
    gone(crowd(port, 200))
    before = Memory(server.pid)
    print(f"{args.connections} connections, one shard; bytes for each:\n"
          f"{'':<34} {'Rss':>8} {'Pss':>8} {'anonymous':>10}   {'slabs':>8} {'TCP':>8}", flush=True)
    connections = crowd(port, args.connections)
    time.sleep(1)
    idle = show("idle after EHLO", Memory(server.pid), before, args.connections)
    each_sends(connections)
    time.sleep(1)
    # The queue holds their messages now: by bench/storage, some 400 octets each and the content cache.
    show("idle after a message (queue too)", Memory(server.pid), before, args.connections)
    gone(connections)
    show("all gone (queue too)", Memory(server.pid), before, args.connections)
    return idle


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringmail", required=True)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--bytes-max", type=int, default=2048)
    args = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < args.connections + 1500:
        sys.exit(f"{args.connections} connections need RLIMIT_NOFILE of {args.connections + 1500}; here it is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="ringmail-idle-") as folder:
        port = free_port()
        config = pathlib.Path(folder) / "ringmail.toml"
        config.write_text(CONFIG.format(dir=folder, port=port, closed=free_port(), room=args.connections + 500))
        server = subprocess.Popen([args.ringmail, "serve", "--config", str(config)])
        try:
            for _ in range(500):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if server.poll() is not None:
                        sys.exit(f"the server ended with {server.returncode}")
                    time.sleep(0.02)
            idle = measure(server, port, args)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
    if idle > args.bytes_max:
        print(f"over the target: {idle:.0f} > {args.bytes_max} octets for an idle connection", file=sys.stderr)
    return 1 if idle > args.bytes_max else 0


if __name__ == "__main__":
    sys.exit(main())
