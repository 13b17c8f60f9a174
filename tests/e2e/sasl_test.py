#!/usr/bin/env python3
"""Authentication as the programs of account holders meet it over both protocols at once: gsasl, curl, mpop, swaks and nodemailer
with every mechanism that they have, mutt, and certificates that log in.

A program that the machine lacks is skipped by name. nodemailer is taken from NODE_PATH.
"""

import base64
import contextlib
import os
import poplib
import pty
import select
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import unittest

from ports import free_port
from server_test import FAILED, OK, WAIT_SECONDS, ServerCase, eventually
from submission_test import has_nodemailer, needs

NAME = "localhost"
BOB, PASSWORD = "bob@example.org", "a secret, with \u00fcmlaut"
MESSAGE = b"From: bob@example.org\r\nTo: bob@example.org\r\nSubject: s\r\n\r\nbody\r\n"


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed (tools/deps --tests)")
class Sasl(ServerCase):
    def setUp(self):
        super().setUp()
        self.smtps, self.pop3, self.pop3s = free_port(), free_port(), free_port()
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30")
        self.openssl("req", "-x509", *curve, "-keyout", "key.pem", "-out", "cert.pem", "-subj", f"/CN={NAME}", "-addext",
                     f"subjectAltName=DNS:{NAME},IP:127.0.0.1")
        for authority in ("authority", "stranger"):
            self.openssl("req", "-x509", *curve, "-keyout", f"{authority}.key", "-out", f"{authority}.pem", "-subj",
                         f"/CN={authority}", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
        self.certify("bob", "email:bob@example.org")
        self.configure()
        self.server = self.serve()
        self.run_ok("domain", "add", "example.org")
        self.run_ok("account", "add", BOB, stdin=PASSWORD.encode() + b"\n")
        self.run_ok("account", "add", "eve@example.org", stdin=b"other\n")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=self.dir)

    def certify(self, stem, names, authority="authority", usage="clientAuth"):
        """A client's certificate in STEM.pem and STEM.key."""
        (self.dir / "extensions").write_text(f"extendedKeyUsage={usage}\n" + (f"subjectAltName={names}\n" if names else ""))
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{stem}.key", "-out",
                     "request.pem", "-subj", "/CN=bob@example.org/emailAddress=bob@example.org")
        self.openssl("x509", "-req", "-in", "request.pem", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial",
                     "-days", "30", "-extfile", "extensions", "-out", f"{stem}.pem")

    def configure(self, authentication="certificates = true", asked="request"):
        self.config.write_text(f"""hostname = "{NAME}"
data_dir = "{self.dir}/data"
shards = 2
[[listener]]
address = "127.0.0.1:{self.port}"
protocol = "submission"
[[listener]]
address = "127.0.0.1:{self.smtps}"
protocol = "submission"
tls = "implicit"
[[listener]]
address = "127.0.0.1:{self.pop3}"
protocol = "pop3"
[[listener]]
address = "127.0.0.1:{self.pop3s}"
protocol = "pop3"
tls = "implicit"
[authentication]
failure_delay = "0s"
failures_per_network = 0
{authentication}
[log]
path = "{self.log}"
[store]
segment_size = "2MiB"
[tls]
certificate = "{self.dir}/cert.pem"
private_key = "{self.dir}/key.pem"
client_certificates = "{asked}"
client_authorities = "{self.dir}/authority.pem"
""")

    def run_ok(self, *arguments, stdin=b""):
        done = self.run_program(*arguments, "--config", self.config, stdin=stdin)
        self.assertEqual(done.returncode, OK, (arguments, done.stdout, done.stderr))

    def call(self, *arguments, fails=False, **more):
        done = subprocess.run([str(a) for a in arguments], capture_output=True, timeout=WAIT_SECONDS, cwd=self.dir, **more)
        said = (done.stdout + done.stderr).decode(errors="replace")
        self.assertEqual(done.returncode != 0, fails, said)
        return said

    def context(self, stem=None):
        context = ssl.create_default_context(cafile=str(self.dir / "cert.pem"))
        if stem:
            context.load_cert_chain(str(self.dir / f"{stem}.pem"), str(self.dir / f"{stem}.key"))
        return context

    def by_smtp(self, stem=None):
        client = smtplib.SMTP_SSL(NAME, self.smtps, timeout=WAIT_SECONDS, context=self.context(stem))
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def by_pop3(self, stem=None):
        client = poplib.POP3_SSL(NAME, self.pop3s, timeout=WAIT_SECONDS, context=self.context(stem))
        self.addCleanup(client.close)
        return client

    def offered(self, stem=None):
        by_smtp = self.by_smtp(stem).esmtp_features["auth"].split()
        self.assertEqual(self.by_pop3(stem).capa()["SASL"], by_smtp, "both protocols offer the same")
        return by_smtp

    # --- certificates ---

    def test_a_certificate_logs_in(self):
        self.assertNotIn("EXTERNAL", self.offered())
        self.assertIn("EXTERNAL", self.offered("bob"))
        smtp = self.by_smtp("bob")
        self.assertEqual(smtp.docmd("AUTH EXTERNAL ="), (235, b"2.7.0 Authenticated"))
        self.assertEqual(smtp.sendmail(BOB, [BOB], MESSAGE), {})
        pop3 = self.by_pop3("bob")
        pop3._shortcmd("AUTH EXTERNAL =")
        self.assertTrue(pop3.stat())
        # Its own account, in whatever case, and no other.
        for asked, code in ((BOB, 235), ("Bob@EXAMPLE.org", 235), ("eve@example.org", 535), ("nobody@example.org", 535)):
            with self.subTest(asked):
                self.assertEqual(self.by_smtp("bob").docmd("AUTH EXTERNAL " + base64.b64encode(asked.encode()).decode())[0], code)
        # The challenge is empty, and so may the response be.
        smtp = self.by_smtp("bob")
        self.assertEqual(smtp.docmd("AUTH EXTERNAL"), (334, b""))
        self.assertEqual(smtp.docmd("")[0], 235)
        # After STARTTLS as well, and for a session that is resumed.
        client = smtplib.SMTP(NAME, self.port, timeout=WAIT_SECONDS)
        self.addCleanup(client.close)
        client.starttls(context=self.context("bob"))
        client.ehlo()
        self.assertEqual(client.docmd("AUTH EXTERNAL =")[0], 235)

    def test_a_resumed_session_has_its_certificate(self):
        context = self.context("bob")
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # its ticket comes with the handshake
        session = None
        for again in (False, True):
            with self.subTest(again=again), socket.create_connection(("127.0.0.1", self.pop3s), WAIT_SECONDS) as raw:
                with context.wrap_socket(raw, server_hostname=NAME, session=session) as tls:
                    self.assertEqual(tls.session_reused, again)
                    session, lines = tls.session, tls.makefile("rwb", buffering=0)
                    self.assertTrue(lines.readline().startswith(b"+OK"))
                    lines.write(b"AUTH EXTERNAL =\r\n")
                    self.assertTrue(lines.readline().startswith(b"+OK"))

    def test_certificates_that_prove_nothing(self):
        self.certify("forged", "email:bob@example.org", authority="stranger")
        self.certify("server", "email:bob@example.org", usage="serverAuth")
        self.certify("nameless", "DNS:bob@example.org")
        self.certify("bare", "")
        for stem in ("forged", "server", "nameless", "bare"):
            with self.subTest(stem):
                self.assertNotIn("EXTERNAL", self.offered(stem))
                self.assertEqual(self.by_smtp(stem).docmd("AUTH EXTERNAL =")[0], 504)
        self.certify("nobody", "email:nobody@example.org")
        self.assertEqual(self.by_smtp("nobody").docmd("AUTH EXTERNAL =")[0], 535)

    def test_it_has_to_be_switched_on(self):
        self.configure(authentication="")
        self.server.terminate()
        self.server.wait(WAIT_SECONDS)
        self.server = self.serve()
        self.assertNotIn("EXTERNAL", self.offered("bob"))
        self.configure(asked="none")
        done = self.run_program("check", "--config", self.config)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn(b"[authentication] certificates needs [tls] client_certificates", done.stdout + done.stderr)

    # --- programs ---

    @needs("gsasl")
    def test_gsasl(self):
        common = ("gsasl", "--client", "--smtp", "--connect", f"{NAME}:{self.port}", "--x509-ca-file=cert.pem", "--quiet")
        for mechanism in self.offered("bob"):
            binding = [] if mechanism.endswith("-PLUS") else ["--no-cb"]
            who = ["--x509-cert-file=bob.pem", "--x509-key-file=bob.key", "--authorization-id="] if mechanism == "EXTERNAL" else [
                f"--authentication-id={BOB}", f"--password={PASSWORD}"]
            with self.subTest(mechanism):
                said = self.call(*common, f"--mechanism={mechanism}", *who, *binding, input=b"")
                self.assertIn("235 2.7.0", said)

    @needs("curl")
    def test_curl(self):
        (self.dir / "message").write_bytes(MESSAGE)
        smtp = (f"smtps://{NAME}:{self.smtps}", "--mail-from", BOB, "--mail-rcpt", BOB, "--upload-file", "message")
        pop3 = (f"pop3s://{NAME}:{self.pop3s}", "--list-only")
        for url in (smtp, pop3):
            common = ("curl", "--silent", "--show-error", "--cacert", "cert.pem", *url)
            for mechanism in ("PLAIN", "LOGIN"):
                with self.subTest(url=url[0], mechanism=mechanism):
                    options = ("--login-options", f"AUTH={mechanism}")
                    self.call(*common, *options, "--user", f"{BOB}:{PASSWORD}")
                    self.assertRegex(self.call(*common, *options, "--user", f"{BOB}:wrong", fails=True), "(?i)denied|login")
            with self.subTest(url=url[0], mechanism="EXTERNAL"):
                self.call(*common, "--cert", "bob.pem", "--key", "bob.key", "--login-options", "AUTH=EXTERNAL", "--user", f"{BOB}:")

    @needs("mpop")
    def test_mpop(self):
        common = ("mpop", "--file=/dev/null", f"--host={NAME}", f"--port={self.pop3s}", "--tls=on", "--tls-starttls=off",
                  "--tls-trust-file=cert.pem", f"--user={BOB}", "--delivery=maildir,mail", "--uidls-file=uidls", "--keep=on")
        for folder in ("cur", "new", "tmp"):
            (self.dir / "mail" / folder).mkdir(parents=True)
        self.assertEqual(self.send(), {})
        has = self.call("mpop", "--version")
        for auth, mechanism in (("plain", "PLAIN"), ("scram-sha-256", "SCRAM-SHA-256"), ("scram-sha-1", "SCRAM-SHA-1"),
                                ("scram-sha-256-plus", "SCRAM-SHA-256-PLUS"), ("login", "LOGIN"), ("user", None)):
            if mechanism and mechanism.lower() not in has.lower().split():
                continue
            with self.subTest(auth):
                (self.dir / "uidls").unlink(missing_ok=True)
                before = len(list((self.dir / "mail/new").iterdir()))
                self.call(*common, f"--auth={auth}", f"--passwordeval=printf '%s\\n' '{PASSWORD}'")
                self.assertEqual(len(list((self.dir / "mail/new").iterdir())), before + 1)
                self.call(*common, f"--auth={auth}", "--passwordeval=echo wrong", fails=True)
        with self.subTest("external"):
            self.call(*common, "--auth=external", "--tls-cert-file=bob.pem", "--tls-key-file=bob.key")

    def send(self):
        smtp = self.by_smtp("bob")
        self.assertEqual(smtp.docmd("AUTH EXTERNAL =")[0], 235)
        return smtp.sendmail(BOB, [BOB], MESSAGE)

    @needs("mutt")
    def test_mutt_sends_and_reads(self):
        # It has no channel binding of TLS 1.3 and asks for -PLUS all the same, unless it is told otherwise, or not offered it.
        self.mutt_sends_and_reads("scram-sha-256")
        self.configure(authentication="channel_binding = false")
        self.reload(self.server)
        self.assertFalse([name for name in self.offered() if name.endswith("-PLUS")])
        self.mutt_sends_and_reads("")

    def mutt_sends_and_reads(self, authenticators):
        (self.dir / "saved").unlink(missing_ok=True)
        user = BOB.replace("@", "%40")
        (self.dir / "muttrc").write_text(f"""set from="{BOB}" realname="Bob" copy=no folder="{self.dir}" ssl_ca_certificates_file="{self.dir}/cert.pem"
set smtp_authenticators="{authenticators}" pop_authenticators="{authenticators}" ssl_force_tls=yes smtp_url="smtps://{user}@{NAME}:{self.smtps}" smtp_pass="{PASSWORD}" pop_pass="{PASSWORD}" pop_delete=no
set message_cachedir="" mbox_type=mbox confirmappend=no confirmcreate=no quit=yes delete=yes mark_old=no wait_key=no
""")
        environment = {**os.environ, "HOME": str(self.dir), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        self.call("mutt", "-n", "-F", "muttrc", "-s", "by mutt", BOB, input=b"words\n", env=environment)
        eventually(lambda: self.stat()[0] == 1, "the message is delivered")
        # It wants a terminal to read mail: the message is saved to a file and so deleted from the server.
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.dir)
            os.execvpe("mutt", ["mutt", "-n", "-F", "muttrc", "-f", f"pops://{user}@{NAME}:{self.pop3s}", "-e",
                                'push "<save-message>=saved<enter><quit>"'], environment)
        screen = b""
        with contextlib.suppress(OSError):  # EIO: it has ended
            while select.select([terminal], [], [], WAIT_SECONDS)[0] and (some := os.read(terminal, 65536)):
                screen += some
        os.close(terminal)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.assertTrue((self.dir / "saved").is_file(), screen[-2000:])
        self.assertIn("Subject: by mutt", (self.dir / "saved").read_text())
        self.assertEqual(self.stat(), (0, 0))

    def stat(self):
        client = self.by_pop3()
        client.encoding = "UTF-8"
        client.user(BOB)
        client.pass_(PASSWORD)
        found = client.stat()
        client.quit()
        return found

    @needs("swaks")
    def test_swaks(self):
        common = ("swaks", "--server", f"{NAME}:{self.smtps}", "--tls-on-connect", "--tls-ca-path", "cert.pem", "--from", BOB, "--to",
                  BOB, "--auth-user", BOB)
        for mechanism in ("PLAIN", "LOGIN"):
            with self.subTest(mechanism):
                self.call(*common, "--auth", mechanism, "--auth-password", PASSWORD)
                self.assertIn("535 5.7.8", self.call(*common, "--auth", mechanism, "--auth-password", "wrong", fails=True))

    @unittest.skipUnless(has_nodemailer(), "nodemailer is not there (tools/deps --tests)")
    def test_nodemailer(self):
        script = """const [port, method, user, pass] = process.argv.slice(1);
const transport = require('nodemailer').createTransport({host: 'localhost', port: +port, secure: true, authMethod: method,
  tls: {ca: require('fs').readFileSync('cert.pem')}, auth: {user, pass}});
transport.sendMail({from: user, to: user, subject: 's', text: 'x'}).then(() => process.exit(0), e => {
  console.log(e.responseCode); process.exit(1); });"""
        for method in ("PLAIN", "LOGIN"):
            with self.subTest(method):
                self.call("node", "-e", script, self.smtps, method, BOB, PASSWORD, env=os.environ)
                said = self.call("node", "-e", script, self.smtps, method, BOB, "wrong", fails=True, env=os.environ)
                self.assertEqual(said.strip(), "535")


if __name__ == "__main__":
    unittest.main()
