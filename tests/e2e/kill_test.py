#!/usr/bin/env python3
"""Kills the server again and again under load, and then counts: every message answered 250 arrives, byte for byte.

A loader with many connections keeps a ledger of what was answered 250. The server is killed (SIGKILL) at random moments,
restarted on the same store, and at the end drained to a sink that stores all it gets. Then:
  1. each message in the ledger has arrived, its content unchanged below the one Received field that we add;
  2. nothing has arrived that the loader did not send;
  3. a message arrived twice only where RFC 5321 allows it: the loader sent it again because an answer was lost, or a kill
     lies between the two arrivals (the sink's answer was not yet on our disk).
The seed is printed; the same seed gives the same messages and the same waits (not the same kills: those meet a real machine).
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import pathlib
import random
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


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as s:
        s.settimeout(2)
        return s.recv(512).startswith(b"220")
    return False


class Lost(Exception):
    """The connection ended or the server refused for now: nothing is known of the message."""


class Loader:
    def __init__(self, port, seed, connections):
        self.port = port
        self.random = random.Random(seed)
        self.connections = connections
        self.sent = {}      # id -> digest of the content
        self.ledger = {}    # id -> queue id, answered 250
        self.again = set()  # ids sent more than once because an answer was lost
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
                        raise Lost(line.decode())
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
            except (Lost, OSError):
                await asyncio.sleep(0.01)
            finally:
                writer.close()

    async def send(self, reader, writer, message_id, content):
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
            self.again.add(message_id)
            raise
        self.ledger[message_id] = line.decode().strip()

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
        self.process.wait()

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
        server.kill()
        times.append(time.time())
        server.start()
        if (n + 1) % 10 == 0:
            print(f"kill_test: {n + 1} kills, {len(loader.ledger)} messages answered 250", flush=True)
    return times


def check(loader, store, kill_times):
    arrived = {}
    problems = []
    for path in sorted(store.glob("*.eml")):
        content = path.read_bytes()
        at = content.find(b"X-Kill-Id: ")
        message_id = content[at + 11:at + 19].decode(errors="replace") if at >= 0 else "?"
        if message_id not in loader.sent:
            problems.append(f"{path.name}: arrived, but was never sent ({message_id})")
            continue
        begin = content.find(b"From: a@test.invalid")
        if not content.startswith(b"Received: ") or content[:begin].count(b"Received: ") != 1:
            problems.append(f"{path.name}: not exactly one Received field on top")
        if hashlib.sha256(content[begin:]).hexdigest() != loader.sent[message_id]:
            problems.append(f"{path.name}: content of {message_id} differs from what was sent")
        arrived.setdefault(message_id, []).append(path.stat().st_mtime)
    for message_id, answer in loader.ledger.items():
        if message_id not in arrived:
            problems.append(f"{message_id}: answered '{answer}', and never arrived")
    doubles = {"answer to the loader lost": 0, "answer of the sink lost in a kill": 0}
    for message_id, times in arrived.items():
        for first, second in zip(times, times[1:]):
            if message_id in loader.again:
                doubles["answer to the loader lost"] += 1
            elif any(min(first, second) - 2 <= k <= max(first, second) + 2 for k in kill_times):
                doubles["answer of the sink lost in a kill"] += 1
            else:
                problems.append(f"{message_id}: arrived twice with no kill between")
    return arrived, doubles, problems


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
        sink.wait()
        arrived, doubles, problems = check(loader, store, times)
        fsck = subprocess.run([args.ringmail, "fsck", str(directory / "data")], capture_output=True, text=True)
        if fsck.returncode != 0:
            problems.append(f"fsck: exit {fsck.returncode}: {fsck.stdout}{fsck.stderr}")
        print(f"kill_test: {args.kills} kills, {len(loader.sent)} sent, {len(loader.ledger)} answered 250, {len(arrived)} arrived, "
              f"doubles: {doubles}")
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
