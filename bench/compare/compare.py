#!/usr/bin/env python3
"""Drives Postfix, ringmail and the floor in turn with the same smtp-source and smtp-sink calls, and prints one table.

Each contender runs alone, its spool on one journaled ext4 (a loop mount made for the run), fsync on. For every cell the
contenders take turns, --repeat times; the table shows medians, the range of the throughput, and the ratio to the first
contender. Server CPU is what all the server's processes used, user and system, from the scheduler's own accounting.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# What differs from Debian's defaults in both Postfix set-ups: where things lie, and nothing that costs or saves time.
POSTFIX_BASE = """
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.bench.invalid
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = {relayhost}
disable_dns_lookups = yes
alias_maps =
alias_database =
local_recipient_maps =
smtpd_recipient_limit = 1000
{extra}
"""
# Safe defaults: fsync as shipped. Receive-and-keep holds delivery back, so that receiving alone is measured.
POSTFIX_KEEP = "defer_transports = smtp\n"
# What a postmaster who wants throughput sets; safety is the same.
POSTFIX_TUNED = """
default_process_limit = 250
in_flow_delay = 0
qmgr_message_active_limit = 100000
qmgr_message_recipient_limit = 100000
default_destination_concurrency_limit = 100
initial_destination_concurrency = 50
smtp_connection_cache_destinations = static:all
smtpd_peername_lookup = no
"""

RINGMAIL_CONF = """
hostname = "ringmail.bench.invalid"
data_dir = "{dir}/data"
shards = {shards}
[[listener]]
address = "127.0.0.1:{port}"
protocol = "smtp"
[relay]
networks = ["127.0.0.0/8"]
next_hop = "127.0.0.1:{next_port}"
[limits]
connections_per_network = 100000
[log]
path = "{dir}/log"
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, seconds=20.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as s:
            s.settimeout(5)
            s.recv(512)
            s.sendall(b"QUIT\r\n")
            s.recv(512)
            return
        time.sleep(0.05)
    raise SystemExit(f"compare: nothing answers on 127.0.0.1:{port}")


def children_of(pid):
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{p}/task").iterdir():
                todo += [int(c) for c in (task / "children").read_text().split()]
    return found


def cpu_seconds(pid):
    """Of the process and all its descendants, the ended ones included (a parent's reaped time)."""
    total = 0.0
    tick = os.sysconf("SC_CLK_TCK")
    for p in children_of(pid):
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(") ", 1)[1].split()
            reaped = (int(fields[13]) + int(fields[14])) / tick
            own = 0
            for task in pathlib.Path(f"/proc/{p}/task").iterdir():
                own += int((task / "schedstat").read_text().split()[0])
            total += reaped + own / 1e9
    return total


def memory_bytes(pid):
    total = 0
    for p in children_of(pid):
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


class Server:
    name = ""
    durability = ""

    def __init__(self, spool, args):
        self.dir = pathlib.Path(spool) / self.name
        self.args = args
        self.port = 0
        self.process = None

    def pid(self):
        return self.process.pid

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        shutil.rmtree(self.dir, ignore_errors=True)


class Postfix(Server):
    name = "postfix"
    durability = "fsync per message"
    tuned = False

    def start(self, mode, next_port):
        self.port = free_port()
        shutil.rmtree(self.dir, ignore_errors=True)
        conf = self.dir / "conf"
        for d in (conf, self.dir / "data", self.dir / "spool"):
            d.mkdir(parents=True)
        for path in (self.dir.parent, self.dir):
            path.chmod(0o755)
        shutil.chown(self.dir / "data", "postfix")
        extra = (POSTFIX_KEEP if mode == "keep" else "") + (POSTFIX_TUNED if self.tuned else "")
        (conf / "main.cf").write_text(
            POSTFIX_BASE.format(dir=self.dir, relayhost=f"[127.0.0.1]:{next_port}", extra=extra))
        master = pathlib.Path("/usr/share/postfix/master.cf.dist").read_text()
        lines = []
        for line in master.splitlines():
            fields = line.split()
            if line[:1].isspace() and lines and lines[-1] == "":
                continue
            if fields[:2] == ["smtp", "inet"]:
                line = f"127.0.0.1:{self.port} inet n - n - - smtpd"
            elif len(fields) >= 8 and fields[4] in ("y", "-") and not line.startswith("#"):
                fields[4] = "n"  # no chroot: the same work without copies of /etc
                line = " ".join(fields)
            if fields[:1] in (["postlog"], ["uucp"], ["ifmail"], ["bsmtp"], ["maildrop"], ["scalemail-backend"], ["mailman"]):
                line = ""
            lines.append(line)
        (conf / "master.cf").write_text("\n".join(lines) + "\n")
        subprocess.run(["postfix", "-c", conf, "check"], check=True, capture_output=True)
        self.process = subprocess.Popen(["/usr/lib/postfix/sbin/master", "-c", str(conf), "-d"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_port(self.port)


class PostfixTuned(Postfix):
    name = "postfix-tuned"
    tuned = True


class Ringmail(Server):
    name = "ringmail"
    durability = "direct write + sync per batch"

    def start(self, mode, next_port):
        self.port = free_port()
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        conf = self.dir / "ringmail.toml"
        # Kept: the next hop refuses connections, so that one probe is all that delivery does.
        conf.write_text(RINGMAIL_CONF.format(dir=self.dir, port=self.port, shards=self.args.shards,
                                             next_port=next_port if mode == "relay" else 1))
        self.process = subprocess.Popen([self.args.ringmail, "serve", "--config", str(conf)],
                                        stdout=subprocess.DEVNULL, stderr=open(self.dir / "stderr", "w"))
        wait_port(self.port)


class Floor(Server):
    name = "floor"
    durability = "direct write + sync per batch"

    def start(self, mode, next_port):
        self.port = free_port()
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        self.process = subprocess.Popen([self.args.floor, "--listen", f"127.0.0.1:{self.port}", "--file", str(self.dir / "log")],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_port(self.port)


class Sink:
    """Postfix's smtp-sink; its running counter tells when everything has arrived."""

    def __init__(self):
        self.port = free_port()
        self.process = subprocess.Popen(["smtp-sink", "-c", "-u", "nobody", f"127.0.0.1:{self.port}", "1000"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = b""
        time.sleep(0.2)

    def messages(self):
        with contextlib.suppress(BlockingIOError, TypeError):
            self.text = (self.text + (self.process.stdout.read() or b""))[-400:]
        for part in reversed(self.text.split(b"\r")):
            for word in part.split():
                if word.startswith(b"mesg="):
                    with contextlib.suppress(ValueError):
                        return int(word[5:])
        return 0

    def stop(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def journaled(directory, gib):
    """A journaled ext4 of its own, as a loop mount: where every contender's spool lies."""
    if os.geteuid() != 0:
        print("compare: not root, so no loop mount: spools lie on the file system of", directory, file=sys.stderr)
        yield tempfile.mkdtemp(dir=directory), "the scratch directory's own file system"
        return
    image = pathlib.Path(tempfile.mkdtemp(dir=directory)) / "spool.img"
    mount = image.with_name("mnt")
    image.parent.chmod(0o755)  # Postfix runs as its own user
    mount.mkdir()
    with open(image, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, gib << 30)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
    loop = subprocess.run(["losetup", "--direct-io=on", "--find", "--show", image], check=True, capture_output=True,
                          text=True).stdout.strip()
    subprocess.run(["mount", loop, mount], check=True)
    try:
        yield str(mount), "journaled ext4 on a loop mount"
    finally:
        subprocess.run(["umount", "-l", mount])
        subprocess.run(["losetup", "-d", loop])
        shutil.rmtree(image.parent, ignore_errors=True)


def measure(server, mode, kib, connections, kept, count):
    """One run; returns messages per second, CPU microseconds per message, peak memory bytes."""
    sink = Sink() if mode == "relay" else None
    peak = 0
    try:
        server.start(mode, sink.port if sink else 1)
        command = ["smtp-source", "-s", str(connections), "-m", str(count), "-l", str(kib * 1024),
                   "-f", "sender@bench.invalid", "-t", "recipient@bench.invalid"]
        if kept:
            command.append("-d")
        command.append(f"127.0.0.1:{server.port}")
        cpu_before = cpu_seconds(server.pid())
        began = time.monotonic()
        source = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        memory_at = 0.0
        while True:
            now = time.monotonic()
            if now > memory_at:
                peak = max(peak, memory_bytes(server.pid()))
                memory_at = now + 0.25
            sent = source.poll() is not None
            if sent and (not sink or sink.messages() >= count):
                break
            if now - began > 300:
                source.kill()
                raise SystemExit(f"compare: {server.name} {mode} did not finish in 300 s")
            time.sleep(0.002)
        seconds = time.monotonic() - began
        if source.returncode != 0:
            raise SystemExit(f"compare: smtp-source: {source.stderr.read().decode()[:500]}")
        cpu = cpu_seconds(server.pid()) - cpu_before
        peak = max(peak, memory_bytes(server.pid()))
        return count / seconds, cpu * 1e6 / count, peak
    finally:
        server.stop()
        if sink:
            sink.stop()


def message_count(server, mode, kib, connections, args):
    """Enough for a second or two of the fast ones; the slow ones get fewer, never under ten for each connection."""
    base = args.messages if isinstance(server, (Ringmail, Floor)) else args.messages // 10
    if connections == 1:
        base //= 5
    if kib == 32:
        base //= 2
    return max(base, connections * 10, 200)


def main():
    parser = argparse.ArgumentParser(prog="bench/compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringmail", default=str(ROOT / "build/ringmail"))
    parser.add_argument("--floor", default=str(ROOT / "build/bench/floor/smtp_floor"))
    parser.add_argument("--contenders", default="postfix,postfix-tuned,ringmail,floor")
    parser.add_argument("--modes", default="keep,relay")
    parser.add_argument("--sizes", default="1,4,32", help="KiB")
    parser.add_argument("--connections", default="1,20,200")
    parser.add_argument("--per-connection", default="many,one", help="messages per connection")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--messages", type=int, default=40000, help="per run for the fast contenders")
    parser.add_argument("--shards", type=int, default=1, help="of ringmail; the floor has one")
    parser.add_argument("--scratch", default=str(ROOT / "build"))
    parser.add_argument("--spool-gib", type=int, default=12)
    parser.add_argument("--json", help="write every run to this file")
    args = parser.parse_args()

    kinds = {k.name: k for k in (Postfix, PostfixTuned, Ringmail, Floor)}
    for tool in ("smtp-source", "smtp-sink"):
        if not shutil.which(tool):
            raise SystemExit(f"compare: {tool} is missing: tools/deps --tests installs it (package postfix)")
    runs = []
    with journaled(args.scratch, args.spool_gib) as (spool, where):
        servers = [kinds[name](spool, args) for name in args.contenders.split(",")]
        print(f"spools: {where}; {os.cpu_count()} cores; medians of {args.repeat}; smtp-source and smtp-sink share the cores\n")
        print("| mode | KiB | conns | msgs/conn | contender | msg/s (range) | ratio | CPU µs/msg | peak MiB | durability |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for mode in args.modes.split(","):
            for kib in map(int, args.sizes.split(",")):
                for connections in map(int, args.connections.split(",")):
                    for kept in args.per_connection.split(","):
                        cell(servers, mode, kib, connections, kept, args, runs)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(runs, indent=1))


def cell(servers, mode, kib, connections, kept, args, runs):
    results = {s.name: [] for s in servers}
    for _ in range(args.repeat):
        for server in servers:
            if mode == "relay" and isinstance(server, Floor):
                continue
            count = message_count(server, mode, kib, connections, args)
            results[server.name].append(measure(server, mode, kib, connections, kept == "many", count))
    first = None
    for server in servers:
        values = results[server.name]
        if not values:
            continue
        rates = [v[0] for v in values]
        rate, cpu = statistics.median(rates), statistics.median(v[1] for v in values)
        peak = max(v[2] for v in values)
        first = first or rate
        print(f"| {mode} | {kib} | {connections} | {kept} | {server.name} | {rate:,.0f} ({min(rates):,.0f}–{max(rates):,.0f}) "
              f"| {rate / first:.1f} | {cpu:.1f} | {peak / 2**20:.1f} | {server.durability} |", flush=True)
        runs.append({"mode": mode, "kib": kib, "connections": connections, "kept": kept, "contender": server.name,
                     "runs": values})


if __name__ == "__main__":
    main()
