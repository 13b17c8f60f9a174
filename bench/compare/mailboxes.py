#!/usr/bin/env python3
"""Delivers by LMTP into mailboxes of ringmail and of Dovecot in turn, reads them by POP3, and prints what each cost.

  bench/compare/mailboxes.py --ringmail build/ringmail

Every contender starts with an empty store on one journaled ext4 (a loop mount made for the run), with fsync as shipped; they
take turns, --repeat times, and nobody else works meanwhile. Server CPU is user and system time of all the server's processes, those that ended
included. A message counts when it is in the mailbox: the clock stops when nothing waits in ringmail's queue any more, and
afterwards POP3's STAT of every account must add up to what was sent.

  lmtp    delivered messages per CPU second: --connections that pipeline, one recipient a message, 100 accounts in turn
  retr    RETR of 10,000 messages of 4 KiB, pipelined, in the clear and inside TLS; the maildrop was read once before
  login   connection, USER, PASS, STAT, QUIT, one after the other; passwords kept as {PLAIN} and as {SHA512-CRYPT}, which
          ringmail replaces by argon2id at the first; each has logged in twice before
  idle    process memory for each idle logged-in POP3S connection (Pss; the kernel's is apart)
  fanout  one message to 10,000 accounts: seconds until all have it

Dovecot runs as Debian ships it with sdbox and with mdbox; and, as dovecot-tuned, with what its manual advises for speed: login
processes that serve many connections, no \\Seen flags from POP3, caches of authentication. ringmail runs with its defaults on
--shards; and, as ringmail-tuned, with a cache of content that holds the maildrop, as the kernel's page cache does for Dovecot.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time

from compare import ROOT, Server, children_of, journaled
from mail_clients import Pop3, lmtp_deliver, lmtp_many, message, tls_context

PASSWORD = "a password"
# Who takes part in what: where the format or the cache makes no difference, one of them stands for the others.
CONTENDERS = {
    "LMTP": ("dovecot-sdbox", "dovecot-mdbox", "ringmail"),
    "RETR": ("dovecot-sdbox", "dovecot-mdbox", "dovecot-tuned", "ringmail", "ringmail-tuned"),
    "login": ("dovecot-sdbox", "dovecot-tuned", "ringmail"),
    "idle": ("dovecot-sdbox", "ringmail"),
    "fan-out": ("dovecot-sdbox", "ringmail"),
}
ALIAS_TARGETS = 5000  # an alias has no more
DOVECOT_CONF = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
listen = 127.0.0.1
protocols = lmtp pop3
first_valid_uid = 1
mail_location = {format}:{dir}/mail/%n
disable_plaintext_auth = no
mail_max_userip_connections = 100000
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
passdb {{
  driver = passwd-file
  args = username_format=%u {dir}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {dir}/users
  default_fields = uid=mail gid=mail home={dir}/mail/%n
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
  {login}
}}
{extra}
"""
# wiki: LoginProcess, "high-performance mode"; Authentication/Caching; pop3_no_flag_updates.
DOVECOT_LOGIN_TUNED = "service_count = 0\n  process_min_avail = 2\n  client_limit = 5000"
DOVECOT_TUNED = """
auth_cache_size = 10M
auth_cache_verify_password_with_worker = no
pop3_no_flag_updates = yes
service pop3 {
  service_count = 1000
  process_min_avail = 2
}
"""
RINGMAIL_CONF = """
hostname = "ringmail.bench.invalid"
data_dir = "{dir}/data"
shards = {shards}
{lmtp_listener}
[[listener]]
address = "127.0.0.1:{pop3}"
protocol = "pop3"
auth = "always"
[[listener]]
address = "127.0.0.1:{pop3s}"
protocol = "pop3"
tls = "implicit"
auth = "encrypted"
[[domain]]
name = "bench.invalid"
[tls]
certificate = "{certificate}"
private_key = "{key}"
[limits]
connections = {connections}
connections_per_network = 100000
[pop3]
autologout = "1h"
[store]
cache = "{cache}"
[authentication]
upgrade = {upgrade}
[log]
path = "{dir}/log"
"""


RINGMAIL_LMTP = """
[[listener]]
address = "127.0.0.1:{lmtp}"
protocol = "lmtp"
"""


def address(number):
    return f"user{number}@bench.invalid"


def hashed(scheme):
    if scheme == "plain":
        return "{PLAIN}" + PASSWORD
    made = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, check=True, capture_output=True, text=True)
    return "{SHA512-CRYPT}" + made.stdout.strip()


def cpu_seconds(pid):
    """Of the process and all its descendants; threads and children that ended are in it."""
    total = 0
    for p in children_of(pid):
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(") ", 1)[1].split()
            total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def pss_bytes(pid):
    total = 0
    for p in children_of(pid):
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def wait_ports(server):
    end = time.monotonic() + 30
    for port in (server.lmtp, server.pop3, server.pop3s):
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if server.process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"mailboxes: {server.name} does not start: see {server.dir}") from None
                time.sleep(0.05)


def port_below_clients():
    """Free, and none that the kernel gives to the thousands of clients before the server has it."""
    while True:
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("127.0.0.1", random.randrange(20000, 32000)))
            return s.getsockname()[1]


class MailServer(Server):
    process_each = False  # for each connection

    def prepare(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        for path in (self.dir.parent, self.dir):
            path.chmod(0o755)
        self.lmtp, self.pop3, self.pop3s = (port_below_clients() for _ in range(3))
        self.certificate, self.key = self.dir.parent / "certificate.pem", self.dir.parent / "key.pem"
        if not self.key.exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                            self.key, "-out", self.certificate, "-days", "30", "-subj", "/CN=localhost"],
                           check=True, capture_output=True)

    def settled(self):
        """Waits until what was acknowledged is in the mailboxes."""


class Dovecot(MailServer):
    format, extra = "sdbox", ""
    login = "process_limit = 1000"  # as shipped there are 100 connections inside TLS at most
    process_each = True

    def start(self, accounts, scheme="plain"):
        self.prepare()
        secret = hashed(scheme)
        (self.dir / "users").write_text("".join(f"{address(i)}:{secret}::::::\n" for i in range(accounts)))
        (self.dir / "mail").mkdir()
        shutil.chown(self.dir / "mail", "mail", "mail")
        conf = self.dir / "dovecot.conf"
        conf.write_text(DOVECOT_CONF.format(dir=self.dir, format=self.format, lmtp=self.lmtp, pop3=self.pop3, pop3s=self.pop3s,
                                            certificate=self.certificate, key=self.key, login=self.login, extra=self.extra))
        self.process = subprocess.Popen(["dovecot", "-F", "-c", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_ports(self)


class DovecotSdbox(Dovecot):
    name = "dovecot-sdbox"


class DovecotMdbox(Dovecot):
    name, format = "dovecot-mdbox", "mdbox"


class DovecotTuned(Dovecot):
    name, login, extra = "dovecot-tuned", DOVECOT_LOGIN_TUNED, DOVECOT_TUNED
    process_each = False


class Ringmail(MailServer):
    name = "ringmail"
    cache = "64MiB"  # as shipped
    upgrade = "true"  # as shipped

    def start(self, accounts, scheme="plain"):
        self.prepare()
        self.serve(500, RINGMAIL_LMTP.format(lmtp=self.lmtp))
        secret = hashed(scheme).replace('"', '\\"')
        lines = [f'account {address(i)} password="{secret}"\n' for i in range(accounts)]
        for part in range(0, accounts, ALIAS_TARGETS):
            to = " ".join(f"to={address(i)}" for i in range(part, min(accounts, part + ALIAS_TARGETS)))
            lines.append(f"alias part{part}@bench.invalid {to}\n")
        directory = self.dir / "directory.txt"
        directory.write_text("".join(lines))
        subprocess.run([self.args.ringmail, "directory", "--config", str(self.dir / "ringmail.toml"), "import", str(directory)],
                       check=True, capture_output=True)

    def serve(self, connections, lmtp_listener):
        conf = self.dir / "ringmail.toml"
        conf.write_text(RINGMAIL_CONF.format(dir=self.dir, shards=self.args.shards, pop3=self.pop3, pop3s=self.pop3s,
                                             certificate=self.certificate, key=self.key, connections=connections, cache=self.cache,
                                             upgrade=self.upgrade,
                                             lmtp_listener=lmtp_listener))
        self.process = subprocess.Popen([self.args.ringmail, "serve", "--config", str(conf)], stdout=subprocess.DEVNULL,
                                        stderr=open(self.dir / "stderr", "w"))
        wait_ports(self)

    def serve_pop3_alone(self, connections):
        """Starts again without LMTP, so that the descriptors that a process may have go to POP3."""
        self.process.terminate()
        self.process.wait()
        self.lmtp = self.pop3
        self.serve(connections, "")

    def metric(self, name):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.dir / "data/control.sock"))
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.startswith((name + " ", name + "{")))

    def settled(self):
        end = time.monotonic() + 120
        while self.metric("ringmail_storage_messages") > 0:
            if time.monotonic() > end:
                raise SystemExit("mailboxes: ringmail's queue does not become empty")
            time.sleep(0.01)


class RingmailTuned(Ringmail):
    name, cache = "ringmail-tuned", "512MiB"


@contextlib.contextmanager
def running(server, accounts, scheme="plain"):
    try:
        server.start(accounts, scheme)
        yield server
    finally:
        server.stop()


def names(count):
    return [address(i).encode() for i in range(count)]


def stat_of(server, name):
    client = Pop3(server.pop3)
    client.log_in(name, PASSWORD.encode())
    found = client.stat()
    client.quit()
    return found


def deliver(server, recipients, kib, count, connections):
    """Messages per second and per CPU second."""
    contents = [message(kib, i) for i in range(64)]
    before, began = cpu_seconds(server.pid()), time.monotonic()
    lmtp_deliver(server.lmtp, recipients, contents, count, connections)
    server.settled()
    seconds, cpu = time.monotonic() - began, cpu_seconds(server.pid()) - before
    return {"per second": count / seconds, "per CPU second": count / max(cpu, 0.01)}


def run_lmtp(server, args, kib):
    fast = isinstance(server, Ringmail)
    count = (args.messages if fast else args.messages // 10) // (1 if kib <= 4 else 4)
    with running(server, 100):
        deliver(server, names(100), kib, 200, args.connections)  # opens accounts, starts processes
        result = deliver(server, names(100), kib, count, args.connections)
        held = sum(stat_of(server, name)[0] for name in names(100))
        if held != count + 200:
            raise SystemExit(f"mailboxes: {server.name} took {count + 200} messages and has {held}")
    return result


def read_all(server, args, port, context):
    client = Pop3(port, context)
    client.log_in(names(1)[0], PASSWORD.encode())
    count, _ = client.stat()
    if count != args.retrieved:
        raise SystemExit(f"mailboxes: {server.name} has {count} messages of {args.retrieved}")
    octets = client.retrieve_all(count)
    client.quit()
    return octets


def fill_retr(server, args):
    """The first session, which fills Dovecot's caches, is not counted. One mailbox is locked by one delivery at a time."""
    deliver(server, names(1), 4, args.retrieved, 4)
    read_all(server, args, server.pop3, None)


def run_retr(server, args):
    result = {}
    for wire, port, context in (("plain", server.pop3, None), ("TLS", server.pop3s, tls_context())):
        before = cpu_seconds(server.pid())
        octets = sum(read_all(server, args, port, context) for _ in range(args.rounds))
        cpu = max(cpu_seconds(server.pid()) - before, 0.01)
        result[f"{wire}, messages per CPU second"] = args.retrieved * args.rounds / cpu
        result[f"{wire}, MB per CPU second"] = octets / cpu / 1e6
    return result


def run_login(server, args, scheme):
    # A login process for each connection, as shipped, is so slow that a tenth tells enough.
    count = args.logins // (10 if server.process_each else 1) // (5 if scheme != "plain" else 1)
    with running(server, 20, scheme):
        # By one: Dovecot refuses one of two that make a mailbox at the same moment.
        deliver(server, names(20), 4, 200, 1)
        # The first brings ringmail's better hash, the second fills everybody's caches.
        for _ in range(2):
            for name in names(20):
                stat_of(server, name)
            time.sleep(1)
        result = {}
        for wire, port, context in (("plain", server.pop3, None), ("TLS", server.pop3s, tls_context())):
            before, began = cpu_seconds(server.pid()), time.monotonic()
            for i in range(count):
                client = Pop3(port, context)
                client.log_in(names(20)[i % 20], PASSWORD.encode())
                client.stat()
                client.quit()
            result[f"{wire}, per CPU second"] = count / max(cpu_seconds(server.pid()) - before, 0.01)
            result[f"{wire}, per second"] = count / (time.monotonic() - began)
    return result


def crowd(server, first, count):
    context = tls_context()
    clients = []
    for i in range(first, first + count):
        client = Pop3(server.pop3s, context)
        client.log_in(address(i).encode(), PASSWORD.encode())
        client.stat()
        clients.append(client)
    return clients


@contextlib.contextmanager
def without_upgrade(server):
    """A better hash of a password takes memory of the directory, which stays when the session is gone."""
    server.upgrade = "false"
    yield
    server.upgrade = "true"


def run_idle(server, args):
    fast = isinstance(server, Ringmail)
    count = args.idle if fast else args.idle_dovecot
    with without_upgrade(server), running(server, count):
        deliver(server, names(count), 4, count, args.connections)
        if fast:
            server.serve_pop3_alone(count + 300)
        for client in crowd(server, 0, min(200, count)):
            client.sock.close()
        time.sleep(2)
        before = pss_bytes(server.pid())
        clients = crowd(server, 0, count)
        time.sleep(2)
        grown = pss_bytes(server.pid()) - before
        for client in clients:
            client.sock.close()
    return {"octets a connection": grown / count}


def contents_of(server):
    """The store counts what it holds now and then."""
    end = time.monotonic() + 20
    while (found := server.metric("ringmail_storage_contents")) == 0 and time.monotonic() < end:
        time.sleep(0.1)
    return found


def run_fanout(server, args):
    fast = isinstance(server, Ringmail)
    count = args.fanout if fast else args.fanout // 10
    content = message(4, 0)
    with running(server, count):
        result = {}
        for turn in ("new accounts", "again"):
            before, began = cpu_seconds(server.pid()), time.monotonic()
            if fast:
                aliases = [f"part{part}@bench.invalid".encode() for part in range(0, count, ALIAS_TARGETS)]
                lmtp_many(server.lmtp, aliases, content)
                server.settled()
            else:
                lmtp_many(server.lmtp, names(count), content)
            result[f"{turn}, seconds for each 10,000"] = (time.monotonic() - began) * 10000 / count
            result[f"{turn}, CPU seconds for each 10,000"] = (cpu_seconds(server.pid()) - before) * 10000 / count
            if fast and turn == "new accounts":
                result["contents in the store"] = contents_of(server)
        for i in range(0, count, max(1, count // 50)):
            if stat_of(server, address(i).encode())[0] != 2:
                raise SystemExit(f"mailboxes: {address(i)} has not both messages")
    return result


def cells(args):
    for what in args.what.split(","):
        if what == "lmtp":
            for kib in map(int, args.sizes.split(",")):
                yield f"LMTP {kib} KiB", lambda server, kib=kib: run_lmtp(server, args, kib)
        elif what == "retr":
            yield "RETR", lambda server: run_retr(server, args)
        elif what == "login":
            for scheme in args.schemes.split(","):
                yield f"login {scheme}", lambda server, scheme=scheme: run_login(server, args, scheme)
        elif what == "idle":
            yield "idle POP3S", lambda server: run_idle(server, args)
        elif what == "fanout":
            yield "fan-out", lambda server: run_fanout(server, args)
        else:
            raise SystemExit(f"mailboxes: --what {what} is none of lmtp, retr, login, idle, fanout")


def shown(values):
    digits = 0 if max(values) >= 100 else 2
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def main():
    parser = argparse.ArgumentParser(prog="bench/compare/mailboxes.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringmail", default=str(ROOT / "build/ringmail"))
    parser.add_argument("--contenders", default="dovecot-sdbox,dovecot-mdbox,dovecot-tuned,ringmail,ringmail-tuned")
    parser.add_argument("--what", default="lmtp,retr,login,idle,fanout")
    parser.add_argument("--sizes", default="4,64", help="of lmtp, KiB")
    parser.add_argument("--schemes", default="plain,sha512-crypt", help="of login")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--shards", type=int, default=1, help="of ringmail")
    parser.add_argument("--connections", type=int, default=32, help="of lmtp")
    parser.add_argument("--messages", type=int, default=20000, help="of lmtp, for ringmail; Dovecot gets a tenth")
    parser.add_argument("--retrieved", type=int, default=10000, help="messages of the maildrop")
    parser.add_argument("--rounds", type=int, default=5, help="of retr: sessions counted together")
    parser.add_argument("--logins", type=int, default=2000)
    parser.add_argument("--idle", type=int, default=10000, help="connections to ringmail")
    parser.add_argument("--idle-dovecot", type=int, default=200, help="connections to Dovecot")
    parser.add_argument("--fanout", type=int, default=10000, help="accounts of ringmail; Dovecot gets a tenth")
    parser.add_argument("--scratch", default=str(ROOT / "build"))
    parser.add_argument("--spool-gib", type=int, default=8)
    parser.add_argument("--json", help="write every run to this file")
    args = parser.parse_args()
    kinds = {k.name: k for k in (DovecotSdbox, DovecotMdbox, DovecotTuned, Ringmail, RingmailTuned)}
    if not shutil.which("dovecot"):
        raise SystemExit("mailboxes: dovecot is missing: apt-get install dovecot-core dovecot-pop3d dovecot-lmtpd")
    if os.geteuid() != 0:
        raise SystemExit("mailboxes: Dovecot's processes run as users of their own, so this needs root")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    runs = []
    with journaled(args.scratch, args.spool_gib) as (spool, where):
        servers = [kinds[name](spool, args) for name in args.contenders.split(",")]
        print(f"stores: {where}; {os.cpu_count()} cores; ringmail with {args.shards} shard(s); medians (range) of {args.repeat}\n")
        print("| what | " + " | ".join(s.name for s in servers) + " |\n|---|" + "---|" * len(servers), flush=True)
        for what, measure in cells(args):
            results = [[] for _ in servers]
            chosen = CONTENDERS[what.split()[0]]
            with contextlib.ExitStack() as filled:
                for server in servers:
                    if what == "RETR" and server.name in chosen:
                        filled.enter_context(running(server, 1))
                        fill_retr(server, args)
                for _ in range(args.repeat):
                    for server, values in zip(servers, results):
                        if server.name in chosen:
                            values.append(measure(server))
            for key in dict.fromkeys(key for values in results if values for key in values[0]):
                row = [shown([v[key] for v in values]) if values and key in values[0] else "" for values in results]
                print(f"| {what}: {key} | " + " | ".join(row) + " |", flush=True)
            runs.append({"what": what, "runs": {s.name: v for s, v in zip(servers, results)}})
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    sys.exit(main())
