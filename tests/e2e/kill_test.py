#!/usr/bin/env python3
"""Kills the server again and again under load, and then counts: every message answered 250 arrives, byte for byte.

A loader with many connections keeps a ledger of what was answered 250. The server is killed (SIGKILL) at random moments,
restarted on the same store, and at the end drained to a sink that stores all it gets. Then:
  1. each message in the ledger has arrived, its content unchanged below the one Received field that we add;
  2. nothing has arrived that the loader did not send;
  3. a message arrived twice only where RFC 5321 allows it (§4.2.5, §4.5.4.1, RFC 1047): where the answer to the end of the
     mail data was lost, and never else. Each arrival names its queue id in our Received field, which tells the two sides
     apart:
       the sender's side: the same message under two queue ids, each an acceptance of its own. All ids but the one of the
         250 that the loader had must be covered by an answer that the loader lost (no 250 and no refusal came for the whole
         message), and each such loss by a kill while it waited.
       the next hop's side: one queue id twice. Between the two arrivals the server was killed, no later than DURABLE_SECONDS
         after the first: it takes the sink's 250 from its socket, waits for at most one batch of outcomes that is being
         written, and writes its own. And the log must not prove the outcome durable: a shard logs "delivered" when it begins
         to write a batch of outcomes, and begins none before the last is on disk, so a later "delivered" of that shard says
         that the earlier ones are.
The seed is printed; the same seed gives the same messages and the same waits (not the same kills: those meet a real machine).
"""

import argparse
import asyncio
import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from ports import free_port

CONFIG = """
hostname = "killed.test.invalid"
data_dir = "{dir}/data"
shards = {shards}
[[listener]]
address = "127.0.0.1:{port}"
protocol = "smtp"
[relay]
networks = ["127.0.0.0/8"]
next_hop = "127.0.0.1:{sink_port}"
[retry]
first_delay = "1s"
delay_max = "2s"
[store]
segment_size = "4MiB"
[log]
path = "{dir}/log"
"""


# From the sink's file to the outcome on our disk: two writes with their syncs, on a disk that others use too. What a run
# needed at most is printed: 28 ms in 1,000 kills on the machine it was written on.
DURABLE_SECONDS = 1
# What the server had sent when it was killed is read by the sink a little after, from its socket; and files carry a time
# that is some milliseconds coarse.
SINK_LAG_SECONDS = 0.5


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as s:
        s.settimeout(2)
        return s.recv(512).startswith(b"220")
    return False


class Lost(Exception):
    """The connection ended: nothing is known of the message."""


class Refused(Exception):
    """The server refused for now: it does not have the message."""


class Loader:
    def __init__(self, port, seed, connections):
        self.port = port
        self.random = random.Random(seed)
        self.connections = connections
        self.sent = {}      # id -> digest of the content
        self.ledger = {}    # id -> queue id of the 250
        self.losses = {}    # id -> for each answer that was lost: when its transaction began, when the connection ended
        self.stopping = False
        self.count = 0

    def make(self):
        self.count += 1
        message_id = f"m{self.count:07d}"
        # Sizes from a few octets to some chunks of the log; lines that begin with dots; octets over 127.
        size = int(2 ** self.random.uniform(4, 13)) if self.random.random() < 0.97 else self.random.randrange(300_000, 900_000)
        line = bytes(self.random.choice(b".abcdefgh \xc3\xa9") for _ in range(60)) + b"\r\n"
        body = (b".." + line + b".\r\n" + line * (size // len(line) + 1))[:size] + b"\r\n"
        content = (f"From: a@test.invalid\r\nTo: b@test.invalid\r\nX-Kill-Id: {message_id}\r\nSubject: {message_id}\r\n\r\n").encode()
        content += body.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")
        self.sent[message_id] = hashlib.sha256(content).hexdigest()
        return message_id, content

    async def reply(self, reader, expect):
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), 60)
            except (OSError, asyncio.TimeoutError) as e:
                raise Lost(str(e)) from e
            if not line.endswith(b"\r\n"):
                raise Lost("closed")
            if line[3:4] != b"-":
                if line[:1] != expect:
                    if line[:1] == b"4":
                        raise Refused(line.decode())
                    raise SystemExit(f"kill_test: the server answered {line!r}")
                return line

    async def connection(self):
        message = None
        while not self.stopping:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 16)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            try:
                await self.reply(reader, b"2")
                writer.write(b"EHLO loader.test.invalid\r\n")
                await self.reply(reader, b"2")
                while not self.stopping:
                    message = message or self.make()
                    await self.send(reader, writer, *message)
                    message = None
            except (Lost, Refused, OSError):
                await asyncio.sleep(0.01)
            finally:
                writer.close()

    async def send(self, reader, writer, message_id, content):
        # A server that answers below was alive after this, however late we come to read it.
        began = time.time()
        bdat = self.random.random() < 0.3
        writer.write(b"MAIL FROM:<a@test.invalid> BODY=8BITMIME\r\nRCPT TO:<b@test.invalid>\r\n" + (b"" if bdat else b"DATA\r\n"))
        await self.reply(reader, b"2")
        await self.reply(reader, b"2")
        if bdat:
            writer.write(b"BDAT %d LAST\r\n" % len(content) + content)
        else:
            await self.reply(reader, b"3")
            stuffed = content.replace(b"\r\n.", b"\r\n..")
            writer.write((b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n")
        try:
            await writer.drain()
            line = await self.reply(reader, b"2")
        except (Lost, OSError):
            self.losses.setdefault(message_id, []).append((began, time.time()))
            raise
        self.ledger[message_id] = line.decode().split()[-1]

    async def run(self):
        await asyncio.gather(*(self.connection() for _ in range(self.connections)))


class Server:
    def __init__(self, args, directory, port, sink_port):
        self.args = args
        self.config = directory / "ringmail.toml"
        self.config.write_text(CONFIG.format(dir=directory, port=port, sink_port=sink_port, shards=args.shards))
        self.stderr = open(directory / "stderr", "ab")
        self.port = port
        self.process = None

    def start(self):
        self.process = subprocess.Popen([self.args.ringmail, "serve", "--config", str(self.config)], stdout=self.stderr,
                                        stderr=self.stderr)

    async def ready(self):
        while not await asyncio.to_thread(answers, self.port):
            if self.process.poll() is not None:
                raise SystemExit(f"kill_test: the server ended with {self.process.returncode}; see {self.stderr.name}")
            await asyncio.sleep(0.02)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        # It may have died before, of a fault of its own.
        if self.process.wait() != -signal.SIGKILL:
            raise SystemExit(f"kill_test: the server ended with {self.process.returncode}; see {self.stderr.name}")

    def queued(self):
        out = subprocess.run([self.args.ringmail, "queue", "list", "--config", str(self.config), "--json"],
                             capture_output=True, text=True)
        if out.returncode != 0:
            return None
        return len(json.loads(out.stdout)["messages"])


async def kills(args, server, loader, seed):
    chance = random.Random(seed + 1)
    times = []
    for n in range(args.kills):
        # From the middle of start-up and recovery to well into steady work.
        if chance.random() < 0.8:
            await server.ready()
        await asyncio.sleep(chance.choice([0.0, 0.01, 0.05, 0.2, 0.4]) * chance.random() * 2)
        before = time.time()
        server.kill()
        times.append((before, time.time()))
        server.start()
        if (n + 1) % 10 == 0:
            print(f"kill_test: {n + 1} kills, {len(loader.ledger)} messages answered 250", flush=True)
    return times


class Arrival:
    def __init__(self, path, loader):
        self.name, self.time, self.problem = path.name, path.stat().st_mtime, None
        content = path.read_bytes()
        at = content.find(b"X-Kill-Id: ")
        self.message_id = content[at + 11:at + 19].decode(errors="replace") if at >= 0 else "?"
        begin = content.find(b"From: a@test.invalid")
        received = re.match(rb"Received: .*?\sid ([0-9a-v]{12})\s", content[:max(begin, 0)], re.DOTALL)
        self.queue_id = received[1].decode() if received else "?"
        if self.message_id not in loader.sent:
            self.problem = f"arrived, but was never sent ({self.message_id})"
        elif not received or content[:begin].count(b"Received: ") != 1:
            self.problem = "not exactly one Received field on top"
        elif hashlib.sha256(content[begin:]).hexdigest() != loader.sent[self.message_id]:
            self.problem = f"content of {self.message_id} differs from what was sent"


def deliveries(log):
    """By shard (the first two digits of a queue id): (time, queue id) of each "delivered", in order."""
    logged = {}
    for line in open(log, encoding="utf-8", errors="replace"):
        found = re.match(r"time=(\S+)Z \S+ event=delivered id=(\w+) ", line)
        if found:
            at = datetime.datetime.fromisoformat(found[1] + "+00:00").timestamp()
            logged.setdefault(found[2][:2], []).append((at, found[2]))
    for one in logged.values():
        one.sort()
    return logged


def why_twice(first, second, kill_times, logged):
    """How long after the first arrival the kill came that allows the second; or a string: none does."""
    at, queue_id = first.time, first.queue_id
    shard = logged.get(queue_id[:2], [])
    # Where the server said that it was delivered, it was alive then.
    said = next((t for t, one in shard if one == queue_id and at <= t < second.time), None)
    since = said if said else at - SINK_LAG_SECONDS
    between = [k for k in kill_times if since <= k[1] and k[0] <= second.time]
    if not between:
        return "with no kill between"
    begin = between[0][0]
    if begin - at > DURABLE_SECONDS:
        return f"with no kill within {DURABLE_SECONDS} s of the first, but after {begin - at:.3f} s"
    if said and any(said < t <= begin for t, _ in shard):
        return "though its first delivery was on disk before the kill"
    return max(begin - at, 0)


def check(loader, store, kill_times, log):
    arrivals = [Arrival(path, loader) for path in store.glob("*.eml")]
    arrivals.sort(key=lambda one: one.time)
    problems = [f"{one.name}: {one.problem}" for one in arrivals if one.problem]
    arrived = {}  # message id -> queue id -> arrivals
    for one in arrivals:
        arrived.setdefault(one.message_id, {}).setdefault(one.queue_id, []).append(one)
    for message_id, queue_id in loader.ledger.items():
        if queue_id not in arrived.get(message_id, {}):
            problems.append(f"{message_id}: answered 250 as {queue_id}, which never arrived")
    for message_id, losses in loader.losses.items():
        for began, ended in losses:
            if not any(k[0] <= ended and began <= k[1] for k in kill_times):
                problems.append(f"{message_id}: the connection ended before its answer, with no kill")
    doubles = {"answer to the loader lost": 0, "answer of the sink lost in a kill": 0}
    logged, longest = deliveries(log), 0
    for message_id, by_queue_id in arrived.items():
        unanswered = [one for one in by_queue_id if one != loader.ledger.get(message_id)]
        if len(unanswered) > len(loader.losses.get(message_id, [])):
            problems.append(f"{message_id}: arrived as {unanswered}, more often than answers were lost")
        doubles["answer to the loader lost"] += len(by_queue_id) - 1
        for again in by_queue_id.values():
            for first, second in zip(again, again[1:]):
                why = why_twice(first, second, kill_times, logged)
                if isinstance(why, str):
                    problems.append(f"{message_id}: {first.queue_id} arrived twice ({first.name}, {second.name}) {why}")
                else:
                    doubles["answer of the sink lost in a kill"] += 1
                    longest = max(longest, why)
    return arrived, doubles, longest, problems


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringmail", required=True)
    parser.add_argument("--kills", type=int, default=1000 if os.environ.get("RINGMAIL_TEST_LONG") else 50,
                        help="default 50, or 1000 where RINGMAIL_TEST_LONG is set (tools/test --long)")
    parser.add_argument("--connections", type=int, default=24)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--keep", action="store_true", help="leave the directory behind")
    args = parser.parse_args()
    print(f"kill_test: seed {args.seed}", flush=True)

    directory = pathlib.Path(tempfile.mkdtemp(prefix="ringmail-kill-"))
    store = directory / "sink"
    store.mkdir()
    port, sink_port = free_port(), free_port()
    sink = subprocess.Popen([args.ringmail, "sink", "--listen", f"127.0.0.1:{sink_port}", "--store", str(store)],
                            stdout=subprocess.DEVNULL)
    server = Server(args, directory, port, sink_port)
    loader = Loader(port, args.seed, args.connections)
    problems = ["the test did not come to its end"]
    try:
        server.start()
        await server.ready()
        running = asyncio.create_task(loader.run())
        times = await kills(args, server, loader, args.seed)
        await server.ready()
        loader.stopping = True
        await running
        queued = server.queued()
        while queued != 0:
            await asyncio.sleep(0.2)
            queued = await asyncio.to_thread(server.queued)
            if server.process.poll() is not None:
                raise SystemExit("kill_test: the server ended while draining")
        server.process.send_signal(signal.SIGTERM)
        if server.process.wait() != 0:
            raise SystemExit(f"kill_test: SIGTERM ended with {server.process.returncode}, not 0")
        sink.send_signal(signal.SIGTERM)
        if sink.wait() != 0:
            raise SystemExit(f"kill_test: SIGTERM ended the sink with {sink.returncode}, not 0")
        arrived, doubles, longest, problems = check(loader, store, times, directory / "log")
        fsck = subprocess.run([args.ringmail, "fsck", str(directory / "data")], capture_output=True, text=True)
        if fsck.returncode != 0:
            problems.append(f"fsck: exit {fsck.returncode}: {fsck.stdout}{fsck.stderr}")
        print(f"kill_test: {args.kills} kills, {len(loader.sent)} sent, {len(loader.ledger)} answered 250, {len(arrived)} arrived, "
              f"doubles: {doubles}, at most {longest:.3f} s from the sink's answer to the kill")
    finally:
        # A task that has just heard an answer swallows its cancellation, and would try to connect for ever.
        loader.stopping = True
        for process in (server.process, sink):
            with contextlib.suppress(Exception):
                process.kill()
        if args.keep or problems:
            print(f"kill_test: left behind: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    for problem in problems[:20]:
        print("kill_test:", problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
