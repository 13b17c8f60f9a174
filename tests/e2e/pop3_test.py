#!/usr/bin/env python3
"""POP3 as clients that we did not write meet it: Python's poplib, curl, mpop, fetchmail and getmail, in the clear, by STLS and
on an implicit port.

House: the POP3 service over the kernel's io with accounts in memory (POP3_HOUSE names the program). Its account lives on
another shard than its ports, so that each session moves.
Whole: the real program (RINGMAIL), from a message that comes by SMTP to its deletion by POP3.
"""

import os
import poplib
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from ports import free_port
from server_test import FAULT, OK, WAIT_SECONDS, ServerCase, eventually, reachable

HOUSE = os.environ.get("POP3_HOUSE", "build/tests/e2e/pop3_house")
LETTERS = [
    b"From: bob@example.net\r\nTo: ann@example.org\r\nSubject: one\r\n\r\nbody\r\n",
    b"From: bob@example.net\r\nSubject: dots\r\n\r\n.\r\n..\r\n.a\r\nend.\r\n",
    b"From: bob@example.net\r\nSubject: big\r\n\r\n" + b".0123456789 and so on\r\n" * 100_000,
]


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    folder / "key.pem", "-out", folder / "certificate.pem", "-days", "30", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)


def needs(program):
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed (tools/deps --tests)")


@needs("openssl")
class House(unittest.TestCase):
    user, password = "ann", "secret word"

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ringmail-pop3-")
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        make_certificate(self.dir)
        letters = self.dir / "letters"
        letters.mkdir()
        for number, letter in enumerate(LETTERS):
            (letters / str(number)).write_bytes(letter)
        self.port, self.tls_port = free_port(), free_port()
        self.house = subprocess.Popen(
            [HOUSE, str(self.port), str(self.tls_port), self.dir / "certificate.pem", self.dir / "key.pem", letters],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end)
        eventually(lambda: reachable(self.port) and reachable(self.tls_port), "the house listens")

    def end(self):
        if self.house.poll() is None:
            self.house.kill()
            self.house.communicate()

    def left(self):
        """Ends the house; how many messages it has left."""
        self.house.send_signal(signal.SIGTERM)
        out, errors = self.house.communicate(timeout=WAIT_SECONDS)
        self.assertEqual(self.house.returncode, 0, errors)
        self.assertIsNone(FAULT.search(errors), errors)
        return int(out)

    def context(self):
        return ssl.create_default_context(cafile=str(self.dir / "certificate.pem"))

    def log_in(self, how):
        if how == "implicit":
            client = poplib.POP3_SSL("localhost", self.tls_port, timeout=WAIT_SECONDS, context=self.context())
        else:
            client = poplib.POP3("localhost", self.port, timeout=WAIT_SECONDS)
            client.stls(context=self.context())
        self.addCleanup(self.close, client)
        client.user(self.user)
        client.pass_(self.password)
        return client

    @staticmethod
    def close(client):
        try:
            client.close()
        except OSError:
            pass

    def run_client(self, *arguments, stdin=b"", code=0):
        done = subprocess.run([str(one) for one in arguments], input=stdin, capture_output=True, timeout=WAIT_SECONDS,
                              env={**os.environ, "HOME": str(self.dir)})
        self.assertEqual(done.returncode, code, (arguments, done.stdout[-2000:], done.stderr[-2000:]))
        return done.stdout

    def test_poplib_reads_everything(self):
        for how in ("implicit", "starttls"):
            client = self.log_in(how)
            self.assertEqual(client.stat(), (3, sum(map(len, LETTERS))))
            self.assertEqual(client.list()[1], [f"{i} {len(letter)}".encode() for i, letter in enumerate(LETTERS, 1)])
            ids = client.uidl()[1]
            self.assertEqual(len(set(one.split()[1] for one in ids)), 3)
            for i, letter in enumerate(LETTERS, 1):
                self.assertEqual(b"".join(line + b"\r\n" for line in client.retr(i)[1]), letter)
            self.assertEqual(client.top(3, 2)[1][-3:], [b"", b".0123456789 and so on", b".0123456789 and so on"])
            self.assertIn("TOP", client.capa())
            client.quit()

    def test_poplib_deletes_at_quit_and_only_then(self):
        client = self.log_in("implicit")
        client.dele(1)
        client.close()
        client = eventually(self.try_log_in, "the maildrop is free")
        self.assertEqual(client.stat()[0], 3)
        client.dele(1)
        client.rset()
        client.dele(2)
        self.assertIn(b"1 messages deleted", client.quit())
        self.assertEqual(self.left(), 2)

    def try_log_in(self):
        try:
            return self.log_in("implicit")
        except poplib.error_proto as error:
            self.assertIn(b"[IN-USE]", error.args[0])
            return None

    def test_poplib_is_told_what_is_wrong(self):
        client = poplib.POP3("localhost", self.port, timeout=WAIT_SECONDS)
        self.addCleanup(self.close, client)
        with self.assertRaisesRegex(poplib.error_proto, "STLS"):
            client.user(self.user)
        client.stls(context=self.context())
        client.user(self.user)
        with self.assertRaisesRegex(poplib.error_proto, r"\[AUTH\]"):
            client.pass_("wrong")
        self.log_in("implicit")
        client.user(self.user)
        with self.assertRaisesRegex(poplib.error_proto, r"\[IN-USE\]"):
            client.pass_(self.password)

    def test_poplib_logs_in_by_apop(self):
        client = poplib.POP3("localhost", self.port, timeout=WAIT_SECONDS)
        self.addCleanup(self.close, client)
        client.apop(self.user, self.password)
        self.assertEqual(client.stat()[0], 3)
        client.quit()

    def test_poplib_asks_for_utf8(self):
        client = poplib.POP3_SSL("localhost", self.tls_port, timeout=WAIT_SECONDS, context=self.context())
        self.addCleanup(self.close, client)
        client.utf8()
        client.user(self.user)
        client.pass_(self.password)
        client.quit()

    def test_a_client_sends_everything_ahead(self):
        """All in one write, after TLS; the session moves in the middle of it."""
        with self.context().wrap_socket(socket.create_connection(("localhost", self.tls_port), WAIT_SECONDS),
                                        server_hostname="localhost") as client:
            client.sendall(b"USER ann\r\nPASS secret word\r\n" + b"RETR 3\r\n" * 5 + b"DELE 1\r\nQUIT\r\n")
            heard = b""
            while piece := client.recv(1 << 16):
                heard += piece
        self.assertEqual(heard.count(f"+OK {len(LETTERS[2])} octets\r\n".encode()), 5)
        self.assertTrue(heard.endswith(b"+OK Message 1 is deleted\r\n+OK 1 messages deleted, goodbye\r\n"))
        self.assertEqual(self.left(), 2)

    @needs("curl")
    def test_curl_fetches_by_every_way(self):
        common = ["curl", "-sS", "--cacert", self.dir / "certificate.pem", "-u", f"{self.user}:{self.password}"]
        secure, plain = f"pop3s://localhost:{self.tls_port}", f"pop3://localhost:{self.port}"
        for where in ([secure + "/2"], ["--ssl-reqd", plain + "/2"], ["--login-options", "AUTH=PLAIN", secure + "/2"],
                      ["--login-options", "AUTH=CRAM-MD5", plain + "/2"], ["--login-options", "AUTH=LOGIN", secure + "/2"],
                      ["--login-options", "AUTH=+APOP", plain + "/2"]):
            self.assertEqual(self.run_client(*common, *where), LETTERS[1], where)
        listed = self.run_client(*common, secure)
        self.assertEqual(listed.split(), f"1 {len(LETTERS[0])} 2 {len(LETTERS[1])} 3 {len(LETTERS[2])}".encode().split())
        self.assertEqual(self.run_client(*common, "-X", "TOP 3 1", secure).count(b"and so on"), 1)
        self.assertEqual(self.run_client(*common, secure + "/3"), LETTERS[2])
        self.run_client(*common, "--head", "-X", "DELE 1", secure)
        self.assertEqual(self.left(), 2)

    @needs("mpop")
    def test_mpop_fetches_and_deletes(self):
        mbox = self.dir / "mbox"
        self.run_client("mpop", "--host=localhost", f"--port={self.tls_port}", "--tls=on",
                        "--tls-starttls=off", f"--tls-trust-file={self.dir}/certificate.pem", f"--user={self.user}", "--auth=on",
                        f"--passwordeval=echo '{self.password}'", "--keep=off", f"--uidls-file={self.dir}/uidls",
                        f"--delivery=mbox,{mbox}")
        text = mbox.read_bytes()
        self.assertEqual(len(re.findall(rb"(?m)^Subject: (one|dots|big)$", text)), 3)
        self.assertEqual(text.count(b".0123456789 and so on"), 100_000)
        self.assertEqual(self.left(), 0)

    @needs("fetchmail")
    def test_fetchmail_fetches_and_deletes(self):
        out = self.dir / "fetched"
        rc = self.dir / "fetchmailrc"
        rc.write_text(f"""poll localhost with protocol POP3 service {self.tls_port} uidl
  user "{self.user}" password "{self.password}" ssl sslcertfile "{self.dir}/certificate.pem" sslcertck
  mda "cat >> {out}"
""")
        rc.chmod(0o600)
        self.run_client("fetchmail", "--fetchmailrc", rc, "--nodetach", "--nosyslog", "--pidfile", self.dir / "pid", "--idfile",
                        self.dir / "ids")
        self.assertEqual(out.read_bytes().count(b".0123456789 and so on"), 100_000)
        self.assertEqual(self.left(), 0)

    @needs("getmail")
    def test_getmail_fetches_what_is_new(self):
        folder = self.dir / "getmail"
        folder.mkdir()
        (folder / "getmailrc").write_text(f"""[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = {self.tls_port}
ca_certs = {self.dir}/certificate.pem
username = {self.user}
password = {self.password}
[destination]
type = MDA_external
path = {shutil.which("tee")}
arguments = ("-a", "{folder}/fetched")
allow_root_commands = true
ignore_stderr = true
[options]
delete = false
read_all = false
""")
        for _ in range(2):
            self.run_client("getmail", "--getmaildir", folder, "--rcfile", folder / "getmailrc")
            text = (folder / "fetched").read_bytes()
            self.assertEqual(len(re.findall(rb"(?m)^Subject: (one|dots|big)", text)), 3)
            self.assertEqual(text.count(b".0123456789 and so on"), 100_000)
        self.assertEqual(self.left(), 3)


@needs("openssl")
class Whole(ServerCase):
    def test_a_message_comes_by_smtp_and_goes_by_pop3(self):
        make_certificate(self.dir)
        pop, pops = free_port(), free_port()
        self.write_config(extra=f"""
[[domain]]
name = "example.org"
[[listener]]
address = "127.0.0.1:{pop}"
protocol = "pop3"
[[listener]]
address = "127.0.0.1:{pops}"
protocol = "pop3"
tls = "implicit"
[tls]
certificate = "{self.dir}/certificate.pem"
private_key = "{self.dir}/key.pem"
""")
        self.serve()
        if self.count("event=not_served"):
            self.skipTest("this build knows no accounts to serve")
        done = self.run_program("account", "add", "ann@example.org", "--config", self.config, stdin=b"secret word\n")
        self.assertEqual(done.returncode, OK, done.stderr)
        for number in range(3):
            with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
                client.sendmail("bob@example.net", ["ann@example.org"], f"Subject: {number}\r\n\r\n.\r\nbody\r\n")
        context = ssl.create_default_context(cafile=str(self.dir / "certificate.pem"))

        def log_in():
            client = poplib.POP3_SSL("localhost", pops, timeout=WAIT_SECONDS, context=context)
            client.user("ann@example.org")
            client.pass_("secret word")
            return client

        def three():
            client = log_in()
            if client.stat()[0] == 3:
                return client
            client.quit()
            return None

        client = eventually(three, "the messages are delivered")
        sizes = [int(line.split()[1]) for line in client.list()[1]]
        for number, size in enumerate(sizes, 1):
            lines = client.retr(number)[1]
            self.assertEqual(sum(len(line) + 2 for line in lines), size)
            self.assertEqual(lines[-2:], [b".", b"body"])
        client.dele(2)
        client.quit()
        client = log_in()
        ids = client.uidl()[1]
        self.assertEqual(len(ids), 2)
        client.quit()
        client = log_in()
        self.assertEqual(client.uidl()[1], ids)
        client.quit()


if __name__ == "__main__":
    sys.exit(unittest.main())
