#!/usr/bin/env python3
"""Mail for accounts, from the door to the mailbox and out of it again, by programs of others.

RINGMAIL names the program.
"""

import contextlib
import poplib
import signal
import smtplib
import socket
import stat
import sys
import threading
import unittest

from ports import free_port
from server_test import OK, WAIT_SECONDS, ServerCase, eventually

PEOPLE = ("ann", "bob", "cid", "dan")


class UnixPop3(poplib.POP3):
    """Of the path of a socket."""

    def _create_socket(self, timeout):
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(WAIT_SECONDS)
        made.connect(self.host)
        return made


class Store:
    """An LMTP server behind a Unix socket that takes everything, one conversation at a time."""

    def __init__(self, path):
        self.path, self.said, self.contents = path, [], []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        self.listener.close()
        self.path.unlink(missing_ok=True)

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                self.converse(self.listener.accept()[0])

    def converse(self, peer):
        with peer, peer.makefile("rwb") as wire:
            def say(line):
                wire.write(line + b"\r\n")
                wire.flush()

            say(b"220 store")
            while line := wire.readline():
                self.said.append(line)
                if line.startswith(b"DATA"):
                    say(b"354 go on")
                    content = b""
                    while (line := wire.readline()) != b".\r\n":
                        content += line
                    self.contents.append(content)
                if line.startswith(b"QUIT"):
                    return say(b"221 bye")
                say(b"250 2.0.0 fine")


class Delivery(ServerCase):
    def setUp(self):
        super().setUp()
        self.pop, self.lmtp = free_port(), free_port()
        self.configure()
        self.server = self.serve()
        for name in PEOPLE:
            self.run_ok("account", "add", f"{name}@example.org", stdin=b"secret\n")

    def configure(self, shards=2):
        self.write_config(shards=shards, extra=f"""
[[domain]]
name = "example.org"
[[listener]]
address = "127.0.0.1:{self.pop}"
protocol = "pop3"
auth = "always"
[[listener]]
address = "127.0.0.1:{self.lmtp}"
protocol = "lmtp"
[[listener]]
address = "unix:{self.dir}/pop3.sock"
protocol = "pop3"
auth = "always"
[[listener]]
address = "unix:{self.dir}/lmtp.sock"
protocol = "lmtp"
mode = "0660"
[[route]]
domain = "store.example"
next_hop = "lmtp://unix:{self.dir}/store.sock"
[[route]]
domain = "absent.example"
next_hop = "lmtp://unix:{self.dir}/absent.sock"
[directory]
disclosed_to = "trusted"
""")

    def run_ok(self, *arguments, stdin=b""):
        done = self.run_program(*arguments, "--config", self.config, stdin=stdin)
        self.assertEqual(done.returncode, OK, (arguments, done.stdout, done.stderr))
        return done.stdout.decode()

    def fsck(self):
        done = self.run_program("fsck", self.dir / "data")
        self.assertEqual(done.returncode, OK, (done.stdout, done.stderr))
        return done.stdout.decode()

    def box(self, name):
        box = poplib.POP3("127.0.0.1", self.pop, timeout=WAIT_SECONDS)
        box.user(f"{name}@example.org")
        box.pass_("secret")
        return box

    def messages(self, name):
        box = self.box(name)
        try:
            return [b"\r\n".join(box.retr(number)[1]) for number in range(1, box.stat()[0] + 1)]
        finally:
            box.quit()

    def deliver(self, to, text, port=None):
        with smtplib.SMTP("127.0.0.1", port or self.port, timeout=WAIT_SECONDS) as client:
            return client.sendmail("friend@elsewhere.example", to, text)

    def test_each_recipient_gets_one_and_the_content_is_kept_once(self):
        self.run_ok("alias", "add", "all@example.org", *(f"{name}@example.org" for name in PEOPLE))
        self.deliver(["all@example.org", "ann+x@example.org"], "Subject: to all\r\n\r\n.dot\r\nbody\r\n")
        for name in PEOPLE:
            [one] = eventually(lambda: self.messages(name), f"{name} has it")
            self.assertTrue(one.startswith(b"Return-Path: <friend@elsewhere.example>\r\nDelivered-To: "), one)
            self.assertTrue(one.endswith(b"\r\n\r\n.dot\r\nbody"), one)
        self.stop(self.server)
        self.assertRegex(self.fsck(), r"(?m)^1 contents")

    def test_nobody_is_refused_and_who_is_full_is_put_off_until_there_is_room(self):
        self.assertEqual(self.refusal("nobody@example.org"), (550, b"5.1.1"))
        self.run_ok("account", "set", "ann@example.org", "--quota-messages", "1")
        self.deliver(["ann@example.org"], "Subject: one\r\n\r\nbody\r\n")
        eventually(lambda: self.messages("ann"), "ann has it")
        eventually(lambda: self.refusal("ann@example.org") == (452, b"4.2.2"), "the door knows")
        box = self.box("ann")
        box.dele(1)
        box.quit()
        eventually(lambda: self.refusal("ann@example.org") is None, "there is room again")

    def refusal(self, to):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
            client.ehlo()
            client.mail("friend@elsewhere.example")
            code, text = client.rcpt(to)
            return None if code == 250 else (code, text.split()[0])

    def test_what_was_acknowledged_is_there_after_a_kill_and_on_another_number_of_shards(self):
        for number in range(10):
            self.deliver([f"{name}@example.org" for name in PEOPLE], f"Subject: {number}\r\n\r\nbody\r\n")
        for shards in (2, 3, 1):
            self.server.send_signal(signal.SIGKILL)
            self.server.wait()
            self.configure(shards)
            self.server = self.serve()
            for name in PEOPLE:
                eventually(lambda: len(self.messages(name)) == 10, f"{name} has ten")
        self.assertEqual(sorted(one.split(b"Subject: ")[1][:1] for one in self.messages("cid")),
                         [b"%d" % number for number in range(10)])

    def test_mail_comes_by_lmtp_with_a_reply_for_each(self):
        with socket.create_connection(("127.0.0.1", self.lmtp), WAIT_SECONDS) as peer:
            lines = peer.makefile("rb")

            def say(line):
                peer.sendall(line + b"\r\n")
                while True:
                    reply = lines.readline()
                    if reply[3:4] != b"-":
                        return reply

            lines.readline()
            say(b"LHLO store.example")
            say(b"MAIL FROM:<friend@elsewhere.example>")
            self.assertTrue(say(b"RCPT TO:<ann@example.org>").startswith(b"250"))
            self.assertTrue(say(b"RCPT TO:<nobody@example.org>").startswith(b"550 5.1.1"))
            self.assertTrue(say(b"RCPT TO:<bob@example.org>").startswith(b"250"))
            self.assertTrue(say(b"DATA").startswith(b"354"))
            self.assertTrue(say(b"Subject: l\r\n\r\nbody\r\n.").startswith(b"250"))
            self.assertTrue(lines.readline().startswith(b"250"))
        for name in ("ann", "bob"):
            eventually(lambda: self.messages(name), f"{name} has it")

    def test_a_server_of_this_host_brings_mail_by_a_unix_socket(self):
        path = self.dir / "lmtp.sock"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o660)
        with smtplib.LMTP(str(path)) as client:
            refused = client.sendmail("friend@elsewhere.example", ["ann@example.org", "nobody@example.org"],
                                      "Subject: by a file\r\n\r\nbody\r\n")
        self.assertEqual({to: code for to, (code, _) in refused.items()}, {"nobody@example.org": 550})
        [one] = eventually(lambda: self.messages("ann"), "ann has it")
        self.assertIn(b"with LMTP", one)
        self.stop(self.server)
        self.assertFalse(path.exists())

    def test_mail_is_read_by_a_unix_socket(self):
        """Whichever shard has the account: the socket is the first shard's, and its sessions move."""
        for name in PEOPLE:
            self.deliver([f"{name}@example.org"], f"Subject: {name}\r\n\r\nbody\r\n")
            eventually(lambda: self.messages(name), f"{name} has it")
            box = UnixPop3(str(self.dir / "pop3.sock"))
            box.user(f"{name}@example.org")
            box.pass_("secret")
            self.assertIn(f"Subject: {name}".encode(), box.retr(1)[1])
            box.quit()

    def test_mail_goes_to_a_store_behind_a_unix_socket(self):
        other = Store(self.dir / "store.sock")
        self.addCleanup(other.close)
        self.deliver_there("kim@store.example")
        eventually(lambda: other.contents, "the store has it")
        self.assertTrue(other.said[0].startswith(b"LHLO "), other.said)
        self.assertIn(b"RCPT TO:<kim@store.example>", other.said[2])
        self.assertIn(b"Subject: away", other.contents[0])

    def test_mail_for_a_socket_that_is_not_there_waits(self):
        self.deliver_there("kit@absent.example")
        eventually(lambda: f"unix:{self.dir}/absent.sock" in self.run_ok("queue", "list", "--json"),
                   "the queue says where nobody is")

    def deliver_there(self, to):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
            client.sendmail("friend@elsewhere.example", [to], "Subject: away\r\n\r\nbody\r\n")

    def test_an_account_that_is_deleted_leaves_no_mail_behind(self):
        for name in ("ann", "bob"):
            for number in range(3):
                self.deliver([f"{name}@example.org"], f"Subject: {number}\r\n\r\nbody\r\n")
            eventually(lambda: len(self.messages(name)) == 3, f"{name} has three")
            self.run_ok("account", "delete", f"{name}@example.org")
        self.assertEqual(self.refusal("ann@example.org"), (550, b"5.1.1"))
        self.stop(self.server)
        self.assertRegex(self.fsck(), r"(?m)^0 contents")

    def test_an_import_that_prunes_erases_mail_only_where_it_is_told_to(self):
        for name in ("ann", "bob"):
            self.deliver([f"{name}@example.org"], f"Subject: {name}\r\n\r\nbody\r\n")
            eventually(lambda: self.messages(name), f"{name} has it")
        file = self.dir / "directory.txt"
        self.run_ok("directory", "export", file)
        for name, more, said in (("cid", (), "the mail of 1 accounts stays in the store\n"),
                                 ("ann", ("--erase-mail",), "the mail of 1 accounts was erased\n")):
            text = file.read_text()
            file.write_text("".join(line for line in text.splitlines(True) if f" {name}@" not in line))
            dry = self.run_ok("directory", "import", file, "--prune", "--dry-run", *more)
            self.assertIn(f"- account {name}@example.org\n", dry)
            self.assertTrue(self.run_ok("directory", "import", file, "--prune", *more).endswith(said))
        self.assertEqual(len(self.messages("bob")), 1)
        self.stop(self.server)
        self.assertRegex(self.fsck(), r"(?m)^1 contents")

    def test_vrfy_and_expn_tell_whom_they_may(self):
        self.run_ok("alias", "add", "team@example.org", "ann@example.org", "bob@example.org")
        with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
            client.ehlo()
            self.assertEqual(client.verify("ann@example.org"), (250, b"2.1.5 <ann@example.org>"))
            self.assertEqual(client.verify("nobody@example.org")[0], 550)
            self.assertEqual(client.expn("team@example.org"),
                             (250, b"2.1.5 <ann@example.org>\n2.1.5 <bob@example.org>"))


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1] + sys.argv[1:])
