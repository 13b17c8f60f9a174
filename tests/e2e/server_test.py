#!/usr/bin/env python3
"""The program as an operator meets it: commands, exit codes, signals, and every way in which a start can fail.

Each test has a directory and ports of its own. RINGMAIL names the program.
"""

import base64
import ctypes
import email
import email.message
import email.policy
import json
import os
import re
import resource
import shutil
import signal
import smtplib
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from ports import free_port

PROGRAM = os.environ.get("RINGMAIL", "build/ringmail")
# Mail of others, which is not part of the project: beside it, or nowhere.
SHARED_MAIL = Path(__file__).resolve().parents[3] / "shared/mail"
WAIT_SECONDS = 120  # For what hangs. A sanitizer on a loaded machine is slow.
FAULT = re.compile(rb"Sanitizer|runtime error: |CHECK failed: ")

OK, FAILED, USAGE, CONFIGURATION, STORE, ADDRESS, SYSTEM, UNREACHABLE, REFUSED = range(9)


def eventually(true, what):
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        result = true()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"not within {WAIT_SECONDS} s: {what}")


def forbid_io_uring():
    """In the child: a seccomp filter that answers io_uring_setup with EPERM, as container runtimes do."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = 425  # io_uring_setup, on every architecture

    def instruction(code, jt, jf, k):
        return struct.pack("HBBI", code, jt, jf, k)

    program = b"".join([
        instruction(0x20, 0, 0, 0),  # load the call's number
        instruction(0x15, 0, 1, number),
        instruction(0x06, 0, 0, 0x00050000 | 1),  # SECCOMP_RET_ERRNO, EPERM
        instruction(0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
    ])
    buffer = ctypes.create_string_buffer(program)
    filter_ = struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer))
    argument = ctypes.create_string_buffer(filter_)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, argument, 0, 0) != 0:  # NO_NEW_PRIVS, SECCOMP
        os._exit(77)


class ServerCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ringmail-e2e-")
        self.addCleanup(self.folder.cleanup)
        self.dir = Path(self.folder.name)
        self.config = self.dir / "ringmail.toml"
        self.log = self.dir / "log"
        self.port, self.next_port = free_port(), free_port()
        self.write_config()

    def write_config(self, port=None, extra="", shards=2):
        self.config.write_text(f"""hostname = "relay.test.invalid"
data_dir = "{self.dir}/data"
shards = {shards}
[[listener]]
address = "127.0.0.1:{port or self.port}"
[relay]
networks = ["127.0.0.0/8"]
next_hop = "127.0.0.1:{self.next_port}"
[log]
path = "{self.log}"
{extra if "[store]" in extra else '[store]' + chr(10) + 'segment_size = "2MiB"' + chr(10) + extra}
""")

    def run_program(self, *arguments, stdin=b"", **more):
        return subprocess.run([PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, timeout=WAIT_SECONDS, **more)

    def start(self, *arguments, ready, **more):
        child = subprocess.Popen([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, **more)
        self.addCleanup(self.end, child)
        eventually(lambda: ready() or child.poll() is not None, f"{arguments[0]} is ready")
        if child.poll() is not None:
            raise AssertionError(f"{arguments[0]} ended with {child.returncode}: {child.stderr.read().decode()}")
        return child

    @staticmethod
    def end(child):
        if child.poll() is None:
            child.kill()
        child.wait()
        said = b"" if child.stderr.closed else child.stderr.read()
        for pipe in (child.stdout, child.stderr):
            pipe.close()
        # A client may be content although the server died behind it.
        if FAULT.search(said):
            raise AssertionError(said.decode(errors="replace"))

    def serve(self):
        events = self.count("event=ready")
        return self.start("serve", "--config", self.config, ready=lambda: self.count("event=ready") > events)

    def reload(self, server):
        events = self.count("event=reloaded")
        server.send_signal(signal.SIGHUP)
        eventually(lambda: self.count("event=reloaded") > events, "reloaded")

    def sink(self, store=None):
        arguments = ["sink", "--listen", f"127.0.0.1:{self.next_port}", "--json"]
        if store:
            arguments += ["--store", store]
        return self.start(*arguments, ready=lambda: reachable(self.next_port))

    def client(self):
        client = smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        self.addCleanup(client.close)
        return client

    def stop(self, child, code=OK):
        child.send_signal(signal.SIGTERM)
        out, errors = child.communicate(timeout=WAIT_SECONDS)
        self.assertEqual(child.returncode, code, errors)
        return out.decode()

    def count(self, text):
        return self.log.read_text().count(text) if self.log.exists() else 0

    def send(self, *more, message=b"Subject: s\n\n.dot\nbody\n", to=("b@dest.invalid",), server=True):
        arguments = ["send", "--from", "a@test.invalid", *more]
        for one in to:
            arguments += ["--to", one]
        arguments += ["--server", f"127.0.0.1:{self.port}"] if server else ["--config", self.config]
        return self.run_program(*arguments, stdin=message)

    def queue(self, *arguments):
        return self.run_program("queue", *arguments, "--config", self.config)

    def queued(self):
        done = self.queue("list", "--json")
        self.assertEqual(done.returncode, OK, done.stderr)
        return json.loads(done.stdout)["messages"]


def reachable(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Mail(ServerCase):
    def test_a_message_goes_in_and_arrives_unchanged(self):
        store = self.dir / "sink"
        sink, server = self.sink(store), self.serve()
        done = self.send(to=("b@dest.invalid", "c@dest.invalid"))
        self.assertEqual(done.returncode, OK, done.stdout + done.stderr)
        self.assertIn(b"b@dest.invalid: accepted: 250 2.0.0", done.stdout)
        eventually(lambda: not self.queued(), "the queue is empty")
        [content] = [one.read_bytes() for one in store.glob("*.eml")]
        self.assertTrue(content.endswith(b"\r\nSubject: s\r\n\r\n.dot\r\nbody\r\n"), content)
        self.stop(server)
        counts = json.loads(self.stop(sink).splitlines()[-1])
        self.assertEqual((counts["messages"], counts["recipients"], counts["failures"]), (1, 2, 0))

    def test_send_finds_the_first_listener_of_the_configuration(self):
        self.serve()
        self.assertEqual(self.send(server=False).returncode, OK)

    def test_send_tells_refusal_from_absence(self):
        done = self.send()
        self.assertEqual(done.returncode, UNREACHABLE, done.stdout)
        self.config.write_text(self.config.read_text().replace('["127.0.0.0/8"]', "[]"))
        self.serve()
        done = self.send("--json")
        self.assertEqual(done.returncode, REFUSED, done.stdout)
        [recipient] = json.loads(done.stdout)["recipients"]
        self.assertEqual(recipient["outcome"], "refused")
        self.assertTrue(recipient["reply"].startswith("550 5.7.1"), recipient)

    def test_the_queue_survives_a_kill_and_fsck_finds_it_clean(self):
        server = self.serve()
        for _ in range(20):
            self.assertEqual(self.send().returncode, OK)
        server.kill()
        server.wait()
        done = self.run_program("fsck", self.dir / "data", "--json")
        self.assertEqual(done.returncode, OK, done.stdout + done.stderr)
        self.assertEqual(json.loads(done.stdout)["messages"], 20)
        server = self.serve()
        self.assertEqual(len(self.queued()), 20)
        self.stop(server)


class Queue(ServerCase):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        for to in (("x@one.invalid",), ("x@one.invalid", "y@two.invalid"), ("y@two.invalid",)):
            self.assertEqual(self.send(to=to).returncode, OK)

    def deferred(self):
        """Those that were tried: a destination that fails is not tried for every message in turn."""
        return eventually(lambda: [one for one in self.queued() if one["attempts"] > 0], "a message was tried")

    def test_list_and_show_say_who_is_waited_for_and_why(self):
        first = self.deferred()[0]
        self.assertEqual([len(one["recipients"]) for one in self.queued()].count(2), 1)
        table = self.queue("list").stdout.decode()
        self.assertIn(first["id"], table)
        self.assertIn("to x@one.invalid", table)
        self.assertTrue(table.endswith("3 messages\n"), table)
        shown = self.queue("show", first["id"]).stdout.decode()
        self.assertIn("451 4.4.1", shown)
        one = json.loads(self.queue("show", first["id"], "--json").stdout)
        self.assertEqual(one["id"], first["id"])

    def test_a_list_is_in_pages_without_gap_or_repetition(self):
        whole = [one["id"] for one in self.queued()]
        page = self.curl("/v1/queue?limit=2")
        self.assertEqual([one["id"] for one in page["messages"]], whole[:2])
        rest = self.curl(f"/v1/queue?limit=2&after={page['next']}")
        self.assertEqual([one["id"] for one in rest["messages"]], whole[2:])
        self.assertIsNone(rest["next"])

    def test_domain_and_sender_choose(self):
        done = json.loads(self.queue("list", "--json", "--domain", "two.invalid").stdout)
        self.assertEqual(len(done["messages"]), 2)
        done = json.loads(self.queue("list", "--json", "--sender", "nobody@test.invalid").stdout)
        self.assertEqual(done["messages"], [])

    def test_hold_release_and_drop_last_beyond_a_restart(self):
        self.deferred()
        self.assertEqual(self.queue("hold", "--domain", "one.invalid").stdout, b"hold all: 2 messages\n")
        self.server.kill()
        self.server.wait()
        self.serve()
        states = sorted(one["state"] for one in self.queued())
        self.assertEqual(states.count("held"), 2, states)
        held = [one["id"] for one in self.queued() if one["state"] == "held"]
        self.assertEqual(self.queue("drop", held[0]).returncode, OK)
        self.assertEqual(self.queue("release", held[1]).returncode, OK)
        states = [one["state"] for one in self.queued()]
        self.assertEqual((len(states), states.count("held")), (2, 0))
        self.assertEqual(self.queue("drop", "--all").stdout, b"drop all: 2 messages\n")
        self.assertEqual(self.queued(), [])

    def test_retry_tries_at_once(self):
        one = self.deferred()[0]
        sink = self.sink()
        self.assertEqual(self.queue("retry", "--all").returncode, OK)
        eventually(lambda: one["id"] not in [m["id"] for m in self.queued()], "it was delivered")
        self.stop(sink)

    def test_wrong_use_and_unknown_ids_are_told_apart(self):
        self.assertEqual(self.queue("drop").returncode, USAGE)
        self.assertEqual(self.queue("drop", "what").returncode, USAGE)
        self.assertEqual(self.queue("lits").returncode, USAGE)
        done = self.queue("show", "0vvvvvvvvvvv")
        self.assertEqual((done.returncode, done.stderr), (FAILED, b"ringmail queue: no message 0vvvvvvvvvvv in the queue\n"))
        self.stop(self.server)
        done = self.queue("list")
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertIn(b"is `ringmail serve` running?", done.stderr)

    def curl(self, target, method="GET"):
        import http.client

        class Unix(http.client.HTTPConnection):
            def connect(connection):
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.connect(str(self.dir / "data/control.sock"))

        connection = Unix("localhost")
        connection.request(method, target)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        self.status = response.status
        return json.loads(body) if response.headers["Content-Type"] == "application/json" else body.decode()

    def test_the_control_interface_answers_wrong_requests(self):
        for target, method, status in (("/", "GET", 404), ("/v1/queue?limit=0", "GET", 400), ("/v1/queue?x=1", "GET", 400),
                                       ("/v1/queue/what", "GET", 404), ("/v1/queue", "POST", 405),
                                       ("/v1/queue/all/drop", "GET", 405), ("/v1/queue?after=%zz", "GET", 400),
                                       ("/v1/status", "DELETE", 405)):
            self.curl(target, method)
            self.assertEqual(self.status, status, target)
        self.assertEqual(os.stat(self.dir / "data/control.sock").st_mode & 0o777, 0o600)

    def test_metrics_count_and_name_the_destination(self):
        self.deferred()
        text = self.curl("/metrics")
        self.assertIn(f'ringmail_destination_deferred_total{{destination="127.0.0.1:{self.next_port}"}}', text)
        for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "ringmail_shards 2"):
            self.assertIn(name, text)
        status = self.curl("/v1/status")
        self.assertEqual((status["messages"], status["shards"]), (3, 2))


class Signals(ServerCase):
    def test_sigterm_answers_421_and_ends_with_0(self):
        server = self.serve()
        client = self.client()
        client.ehlo()
        server.send_signal(signal.SIGTERM)
        self.assertEqual(client.getreply()[0], 421)
        server.wait(WAIT_SECONDS)
        self.assertEqual(server.returncode, OK)
        self.assertIn("event=stopped exit_code=0", self.log.read_text())

    def test_a_second_sigterm_ends_at_once_and_loses_nothing(self):
        self.write_config(extra="")
        self.config.write_text('shutdown_timeout = "10m"\n' + self.config.read_text())
        server = self.serve()
        self.send()
        client = self.client()
        client.ehlo()
        client.mail("a@test.invalid")
        client.rcpt("b@dest.invalid")
        client.docmd("DATA")  # content under way: the first signal waits for it
        client.send(b"Subject: half\r\n")
        server.send_signal(signal.SIGTERM)
        eventually(lambda: self.count("event=stopping"), "it stops")
        self.assertIsNone(server.poll())
        server.send_signal(signal.SIGTERM)
        server.wait(WAIT_SECONDS)
        self.assertEqual(server.returncode, 130)
        self.serve()
        self.assertEqual(len(self.queued()), 1)

    def test_sighup_moves_listeners_and_drops_no_connection(self):
        server = self.serve()
        old = self.port
        client = self.client()
        client.ehlo()
        self.port = free_port()
        self.write_config(extra="[limits]\nmessage_size = \"1MiB\"\n")
        server.send_signal(signal.SIGHUP)
        eventually(lambda: self.count("event=reloaded"), "it reloaded")
        eventually(lambda: not reachable(old), "nobody listens at the old port")
        self.assertEqual(self.send().returncode, OK)
        self.assertEqual(client.sendmail("a@test.invalid", "b@dest.invalid", "Subject: old\r\n\r\nx\r\n"), {})
        fresh = self.client()
        fresh.ehlo()
        self.assertEqual(fresh.esmtp_features["size"], str(1 << 20))
        fresh.quit()
        client.quit()
        self.stop(server)

    def test_sighup_with_a_wrong_configuration_changes_nothing_and_says_why(self):
        server = self.serve()
        good = self.config.read_text()
        self.config.write_text(good + "[limts]\n")
        server.send_signal(signal.SIGHUP)
        eventually(lambda: self.count("event=reload_failed"), "it refused")
        self.assertIn("did you mean", self.log.read_text())
        self.assertEqual(self.send().returncode, OK)
        self.config.write_text(good)
        server.send_signal(signal.SIGHUP)
        eventually(lambda: self.count("event=reloaded"), "it reloaded")
        self.stop(server)

    def test_sighup_with_a_port_in_use_keeps_the_listeners_it_has(self):
        server = self.serve()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.write_config(port=taken.getsockname()[1])
            server.send_signal(signal.SIGHUP)
            eventually(lambda: self.count("event=reload_failed"), "it refused")
        self.assertEqual(self.send().returncode, OK)
        self.stop(server)

    def test_sighup_opens_the_log_again(self):
        server = self.serve()
        self.log.rename(self.dir / "log.1")
        server.send_signal(signal.SIGHUP)
        eventually(lambda: self.count("event=reloaded"), "the new log says so")
        self.stop(server)


class BadStarts(ServerCase):
    def refused(self, code, *words, command=("serve",), **more):
        done = self.run_program(*command, "--config", self.config, **more)
        self.assertEqual(done.returncode, code, done.stderr)
        for word in words:
            self.assertIn(str(word), done.stderr.decode())

    def test_a_wrong_configuration_is_3_and_names_every_place(self):
        self.config.write_text("hostnam = \"x\"\n[limits]\nrecipients = 1\n")
        self.refused(CONFIGURATION, f"{self.config}:1:1: error:", f"{self.config}:3:14: error:", 'did you mean "hostname"?')

    def test_no_configuration_is_3(self):
        self.config.unlink()
        self.refused(CONFIGURATION, self.config, "No such file")

    def test_a_store_in_use_is_4_and_names_the_process(self):
        server = self.serve()
        self.write_config(port=free_port())
        self.refused(STORE, self.dir / "data", server.pid)
        done = self.run_program("fsck", self.dir / "data")
        self.assertEqual(done.returncode, STORE)
        self.stop(server)

    def test_a_port_in_use_is_5_and_names_it(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", self.port))
            taken.listen()
            self.refused(ADDRESS, f"127.0.0.1:{self.port}")

    def test_an_address_of_another_machine_is_5(self):
        self.config.write_text(self.config.read_text().replace(f"127.0.0.1:{self.port}", f"192.0.2.1:{self.port}"))
        self.refused(ADDRESS, "192.0.2.1")

    def test_a_container_that_forbids_io_uring_is_6_and_says_what_to_do(self):
        done = self.run_program("serve", "--config", self.config, preexec_fn=forbid_io_uring)
        if done.returncode == 77:
            self.skipTest("seccomp filters cannot be installed here")
        self.assertEqual(done.returncode, SYSTEM, done.stderr)
        self.assertIn("io_uring", done.stderr.decode())
        checked = self.run_program("check", "--config", self.config, preexec_fn=forbid_io_uring)
        self.assertEqual(checked.returncode, FAILED)
        self.assertIn("NOT usable", checked.stdout.decode())

    def test_too_few_descriptors_for_what_is_configured_is_6_and_says_how_many(self):
        self.write_config(extra="[limits]\nconnections = 5000\n")

        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))

        self.refused(SYSTEM, "connections = 5000", "LimitNOFILE", preexec_fn=few)

    def test_an_unknown_user_is_6(self):
        if os.geteuid() != 0:
            self.skipTest("only root changes who it is")
        self.config.write_text('user = "nobody-of-this-name"\n' + self.config.read_text())
        done = self.run_program("serve", "--config", self.config)
        self.assertIn(done.returncode, (STORE, SYSTEM))
        self.assertIn(b"nobody-of-this-name", done.stderr)

    def test_it_becomes_the_configured_user(self):
        if os.geteuid() != 0:
            self.skipTest("only root changes who it is")
        os.chmod(self.dir, 0o755)
        self.log.touch()
        os.chmod(self.log, 0o666)
        self.config.write_text('user = "nobody"\n' + self.config.read_text())
        server = self.serve()
        self.assertNotEqual(os.stat(f"/proc/{server.pid}").st_uid, 0)
        self.assertEqual(self.send().returncode, OK)
        self.assertEqual(len(self.queued()), 1)
        self.stop(server)

    def test_a_full_store_is_452_and_service_goes_on_when_there_is_room(self):
        self.write_config(shards=1, extra='[store]\nsegment_size = "1MiB"\nquota = "8MiB"\nreserve = "1MiB"\n')
        server = self.serve()
        big = b"Subject: big\n\n" + b"x" * 70 + b"\n" + (b"y" * 70 + b"\n") * 13_000
        codes = [self.send(message=big).returncode for _ in range(12)]
        self.assertIn(FAILED, codes)  # deferred: 452
        self.assertEqual(codes[0], OK)
        self.assertEqual(len(self.queued()), codes.count(OK))
        done = self.send(message=big)
        self.assertIn(b"452 4.3.1", done.stdout)
        self.assertEqual(self.queue("drop", "--all").returncode, OK)
        eventually(lambda: self.send(message=big).returncode == OK, "there is room again")
        self.stop(server)

    def test_a_disk_that_others_fill_is_452_and_service_goes_on_when_they_give_it_back(self):
        """No quota: the file system itself says that it is full."""
        disk = self.dir / "disk"
        disk.mkdir()
        image = self.dir / "image"
        with open(image, "wb") as file:
            file.truncate(96 << 20)
        made = shutil.which("mkfs.ext4") and subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], capture_output=True)
        if not made or made.returncode != 0:
            self.skipTest("no mkfs.ext4 here")
        if subprocess.run(["mount", "-o", "loop", image, disk], capture_output=True).returncode != 0:
            self.skipTest("no file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], capture_output=True)
        self.write_config(shards=1, extra='[store]\nsegment_size = "2MiB"\nreserve = "4MiB"\n')
        self.config.write_text(self.config.read_text().replace(f'"{self.dir}/data"', f'"{disk}/data"'))
        server = self.serve()
        big = b"Subject: big\n\n" + (b"y" * 70 + b"\n") * 13_000
        self.assertEqual(self.send(message=big).returncode, OK)
        ballast = disk / "ballast"
        with open(ballast, "wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
            except OSError:
                pass
        accepted = 1

        def full():
            nonlocal accepted
            done = self.send(message=big)
            accepted += done.returncode == OK
            return b"452 4.3.1" in done.stdout

        eventually(full, "452")
        self.assertEqual(len(self.queued()), accepted)
        self.assertIsNone(server.poll())
        ballast.unlink()
        eventually(lambda: self.send(message=big).returncode == OK, "there is room again")
        self.assertEqual(len(self.queued()), accepted + 1)
        self.stop(server)
        self.assertEqual(self.run_program("fsck", disk / "data").returncode, OK)

    def test_a_damaged_store_is_told_by_fsck_with_its_place(self):
        # One log: in the last batch of a log, damage cannot be told from a write that a crash cut short.
        self.write_config(shards=1)
        server = self.serve()
        for _ in range(5):
            self.assertEqual(self.send().returncode, OK)
        self.stop(server)
        damaged = max((one for one in (self.dir / "data").rglob("*") if one.is_file() and one.stat().st_size > 4096
                       and b"Subject: s" in one.read_bytes()), key=lambda one: one.stat().st_size)
        content = bytearray(damaged.read_bytes())
        content[content.index(b"Subject: s")] ^= 1
        damaged.write_bytes(content)
        done = self.run_program("fsck", self.dir / "data")
        self.assertEqual(done.returncode, FAILED, done.stdout)
        self.assertIn(damaged.name, done.stdout.decode())
        server = self.serve()
        self.assertIn("event=damaged", self.log.read_text())
        self.assertEqual(len(self.queued()) in (4, 5), True)
        self.stop(server)

    def test_check_says_good_and_names_what_is_off(self):
        done = self.run_program("check", "--config", self.config)
        self.assertEqual(done.returncode, OK, done.stdout)
        self.assertIn(b"all good", done.stdout)
        self.config.write_text("[[listener]]\n")
        self.assertEqual(self.run_program("check", "--config", self.config).returncode, FAILED)


class Commands(ServerCase):
    NAMES = ("serve", "check", "queue", "send", "sink", "tunnel", "fsck", "mime", "limits", "version")

    def test_every_command_has_help_with_exit_codes(self):
        for name in self.NAMES:
            done = self.run_program(name, "--help")
            self.assertEqual((done.returncode, done.stderr), (OK, b""), name)
            self.assertTrue(done.stdout.startswith(f"usage: ringmail {name}".encode()), name)
            self.assertIn(b"Exit codes:", done.stdout)

    def test_wrong_arguments_are_2_and_named(self):
        for arguments in ((), ("srve",), ("serve", "--confg", "x"), ("sink",), ("fsck",), ("send", "--from", "a@b.invalid"),
                          ("send", "--from", "no address", "--to", "b@c.invalid"), ("sink", "--listen", "nowhere")):
            done = self.run_program(*arguments)
            self.assertEqual(done.returncode, USAGE, arguments)
            self.assertNotEqual(done.stderr, b"", arguments)
        self.assertIn(b"did you mean 'serve'?", self.run_program("srve").stderr)

    def test_mime_shows_a_message_that_python_wrote(self):
        letter = email.message.EmailMessage()
        letter["From"], letter["Subject"] = "a@b.example", "two parts"
        letter.set_content("Grüße\n")
        letter.add_attachment(bytes(range(256)), "application", "x-octets", filename="Öl.bin")
        path = self.dir / "letter.eml"
        path.write_bytes(bytes(letter))
        shown = json.loads(self.run_program("mime", "show", "--json", path).stdout)
        self.assertEqual([(p["section"], p["type"], p["file_name"]) for p in shown["parts"]],
                         [("-", "multipart/mixed", ""), ("1", "text/plain", ""), ("2", "application/x-octets", "Öl.bin")])
        place = shown["parts"][2]["body"]
        body = path.read_bytes()[place["offset"]:place["offset"] + place["bytes"]]
        self.assertEqual(base64.b64decode(body), bytes(range(256)))
        self.assertEqual(self.run_program("mime", "extract", path, "2").stdout, bytes(range(256)))
        self.assertEqual(self.run_program("mime", "extract", path, "2", "--raw").stdout, body)
        self.assertEqual(self.run_program("mime", "extract", path, "3").returncode, FAILED)
        self.assertIn(b"2        application/x-octets base64, 256 bytes, attachment",
                      self.run_program("mime", "show", stdin=path.read_bytes()).stdout)

    def test_mime_check_names_what_departs_and_where(self):
        good, bad = self.dir / "good", self.dir / "bad"
        good.write_bytes(b"Subject: x\r\n\r\ny\r\n")
        bad.write_bytes(b"From a\nSubject: x\n\ny\n\nFrom b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nd\n")
        self.assertEqual(self.run_program("mime", "check", good).returncode, OK)
        done = self.run_program("mime", "check", bad)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn(f"{bad}: message 2, part - at 0: missing final boundary".encode(), done.stdout)
        self.assertNotIn(b"message 1, part - at 0: missing", done.stdout)

    def test_mime_reads_mailboxes_of_others_as_mimekit_does(self):
        folder = SHARED_MAIL / "mimekit/mbox"
        if not folder.is_dir():
            self.skipTest(f"no {folder}")
        for name in ("content-length", "issue1189"):
            shown = self.run_program("mime", "show", "--json", folder / f"{name}.mbox.txt").stdout.splitlines()
            ours = [[part["type"].lower() for part in json.loads(line)["parts"]] for line in shown]
            theirs = []
            for line in (folder / f"{name}-summary.txt").read_text(errors="replace").splitlines():
                if line.startswith("From "):
                    theirs.append([])
                elif line.strip().startswith("Content-Type: "):
                    theirs[-1].append(line.split()[1].lower())
            self.assertEqual(ours, theirs, name)

    def test_mime_builds_what_python_reads(self):
        page, data = self.dir / "page.html", self.dir / "Maße.pdf"
        page.write_text("<p>Grüße</p>\n")
        data.write_bytes(os.urandom(5000))
        done = self.run_program("mime", "build", "--from", "Jörg <j@b.example>", "--to", "c@d.example", "--subject", "Grüße",
                                "--text", "-", "--html", page, "--attach", data, stdin="Grüße\n--\n".encode())
        self.assertEqual((done.returncode, done.stderr), (OK, b""))
        letter = email.message_from_bytes(done.stdout, policy=email.policy.default)
        self.assertEqual((letter["Subject"], letter["From"].addresses[0].display_name), ("Grüße", "Jörg"))
        self.assertEqual(letter.get_body(("plain",)).get_content().replace("\r\n", "\n"), "Grüße\n--\n")
        self.assertEqual(letter.get_body(("html",)).get_content().replace("\r\n", "\n"), "<p>Grüße</p>\n")
        attached, = letter.iter_attachments()
        self.assertEqual((attached.get_filename(), attached.get_content_type(), attached.get_content()),
                         ("Maße.pdf", "application/pdf", data.read_bytes()))
        self.assertEqual(self.run_program("mime", "check", stdin=done.stdout).returncode, OK)
        self.assertEqual(self.run_program("mime", "build").returncode, USAGE)
        self.assertEqual(self.run_program("mime", "build", "--from", "nobody", stdin=b"x").returncode, FAILED)

    def test_limits_follow_the_configuration(self):
        self.write_config(extra="[limits]\nrecipients = 123\n")
        rows = json.loads(self.run_program("limits", "--json", "--config", self.config).stdout)
        values = {row["limit"]: row["value"] for row in rows}
        self.assertEqual(values["[limits] recipients"], "123")
        self.assertIn("RFC 5321", "".join(row["rfc"] for row in rows))

    def test_version_and_the_forced_codec_kernel(self):
        done = self.run_program("version", "--json", env={**os.environ, "RINGMAIL_KERNEL": "portable"})
        self.assertEqual(json.loads(done.stdout)["codec_kernel"], "portable")
        self.assertEqual(self.run_program("version", env={**os.environ, "RINGMAIL_KERNEL": "mmx"}).returncode, SYSTEM)

    def test_fsck_of_nothing_makes_nothing(self):
        done = self.run_program("fsck", self.dir / "absent")
        self.assertEqual(done.returncode, STORE)
        self.assertFalse((self.dir / "absent").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=[sys.argv[0]] + sys.argv[1:])
