#!/usr/bin/env python3
"""Submission as the programs of account holders meet it: swaks, Python's smtplib, curl, msmtp, gsasl and nodemailer, by STARTTLS
on one port and TLS from the first octet on the other.

A program that the machine lacks is skipped by name. nodemailer is taken from NODE_PATH.
"""

import base64
import email
import hashlib
import hmac
import os
import re
import shutil
import smtplib
import ssl
import subprocess
import unittest

from ports import free_port
from server_test import OK, WAIT_SECONDS, ServerCase, eventually

NAME = "localhost"
BOB, PASSWORD = "bob@example.org", "a secret, with \u00fcmlaut"
APP = "of-one-program"  # smtplib knows ASCII alone
MESSAGE = b"From: Bob <bob@example.org>\r\nTo: c@dest.invalid\r\nSubject: s\r\nBcc: d@dest.invalid\r\n\r\nbody\r\n.dot\r\n"


def needs(program):
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed (tools/deps --tests)")


def has_nodemailer():
    return shutil.which("node") and not subprocess.run(["node", "-e", "require('nodemailer')"], capture_output=True).returncode


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed (tools/deps --tests)")
class Submission(ServerCase):
    def setUp(self):
        super().setUp()
        self.implicit, self.clear, self.open = free_port(), free_port(), free_port()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        self.dir / "key.pem", "-out", self.dir / "cert.pem", "-days", "30", "-subj", f"/CN={NAME}", "-addext",
                        f"subjectAltName=DNS:{NAME},IP:127.0.0.1"], check=True, capture_output=True)
        self.configure()
        self.store = self.dir / "sink"
        self.sink(self.store)
        self.server = self.serve()
        self.run_ok("domain", "add", "example.org")
        self.run_ok("account", "add", BOB, stdin=PASSWORD.encode() + b"\n")
        self.run_ok("account", "passwd", BOB, "--app", "python", stdin=APP.encode() + b"\n")
        self.run_ok("account", "add", "eve@example.org", stdin=b"other\n")
        self.run_ok("alias", "add", "sales@example.org", BOB)

    def offers(self):
        """Bob gets the keys of SCRAM too; the mechanisms that he may use then."""
        keys = []
        for digest, name in (("sha256", "SCRAM-SHA-256"), ("sha1", "SCRAM-SHA-1")):
            salted = hashlib.pbkdf2_hmac(digest, PASSWORD.encode(), b"salt of a test", 4096)
            client = hmac.digest(salted, b"Client Key", digest)
            values = (b"salt of a test", hashlib.new(digest, client).digest(), hmac.digest(salted, b"Server Key", digest))
            keys.append(f'scram="{{{name}}}4096,' + ",".join(base64.b64encode(one).decode() for one in values) + '"')
        file = self.dir / "directory.txt"
        self.run_ok("directory", "export", file)
        file.write_text("".join(line.rstrip("\n") + (" " + " ".join(keys) if line.startswith(f"account {BOB}") else "") + "\n"
                                for line in file.read_text().splitlines()))
        self.run_ok("directory", "import", file)
        return self.by_tls().esmtp_features["auth"].split()

    def configure(self, submission=""):
        self.config.write_text(f"""hostname = "{NAME}"
data_dir = "{self.dir}/data"
shards = 2
[[listener]]
address = "127.0.0.1:{self.port}"
protocol = "submission"
name = "submission"
[[listener]]
address = "127.0.0.1:{self.implicit}"
protocol = "submission"
tls = "implicit"
name = "submissions"
[[listener]]
address = "127.0.0.1:{self.clear}"
protocol = "smtp"
auth = "encrypted"
[[listener]]
address = "127.0.0.1:{self.open}"
protocol = "submission"
auth = "always"
[relay]
next_hop = "127.0.0.1:{self.next_port}"
[submission]
{submission}
[log]
path = "{self.log}"
[store]
segment_size = "2MiB"
[tls]
certificate = "{self.dir}/cert.pem"
private_key = "{self.dir}/key.pem"
""")

    def run_ok(self, *arguments, stdin=b""):
        done = self.run_program(*arguments, "--config", self.config, stdin=stdin)
        self.assertEqual(done.returncode, OK, (arguments, done.stdout, done.stderr))
        return done.stdout.decode()

    def call(self, *arguments, code=0, **more):
        done = subprocess.run([str(a) for a in arguments], capture_output=True, timeout=WAIT_SECONDS, **more)
        said = (done.stdout + done.stderr).decode(errors="replace")
        self.assertEqual(done.returncode == 0, code == 0, said)
        return said

    def context(self):
        return ssl.create_default_context(cafile=str(self.dir / "cert.pem"))

    def by_starttls(self, port=None):
        client = smtplib.SMTP(NAME, port or self.port, timeout=WAIT_SECONDS)
        self.addCleanup(client.close)
        client.starttls(context=self.context())
        client.ehlo()
        return client

    def by_tls(self):
        client = smtplib.SMTP_SSL(NAME, self.implicit, timeout=WAIT_SECONDS, context=self.context())
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def arrived(self, count=1):
        eventually(lambda: len(list(self.store.glob("*.eml"))) >= count, f"{count} messages arrived")
        files = sorted(self.store.glob("*.eml"), key=lambda p: int(p.stem))
        self.assertEqual(len(files), count)
        return [file.read_bytes() for file in files]

    def complete(self, content, protocol="ESMTPSA"):
        """What a message has that came through here, whoever sent it."""
        message = email.message_from_bytes(content)
        self.assertRegex(re.sub(r"\s+", " ", message["Received"]), f" with {protocol} ")
        self.assertNotIn("bob", message["Received"])
        for field in ("Date", "Message-ID", "From", "Received"):
            self.assertEqual(len(message.get_all(field)), 1, field)
        self.assertIsNone(message["Bcc"])
        return message

    def test_smtplib_logs_in_and_its_message_is_completed(self):
        for number, client in enumerate((self.by_starttls(), self.by_tls()), 1):
            self.assertIn("PLAIN", client.esmtp_features["auth"].split())
            self.assertEqual(client.mail(BOB)[0], 530)
            self.assertEqual(client.login(BOB, APP)[0], 235)
            self.assertEqual(client.sendmail(BOB, ["c@dest.invalid"], MESSAGE), {})
            content = self.arrived(number)[-1]
            message = self.complete(content)
            self.assertTrue(content.endswith(b"\r\n\r\nbody\r\n.dot\r\n"))
            self.assertTrue(message["Message-ID"].endswith(f"@{NAME}>"))
        eventually(lambda: re.search(f"event=accepted .*account={BOB}", self.log.read_text()), "the log says for whom")

    def test_every_plaintext_mechanism_and_a_wrong_password(self):
        for mechanism in ("PLAIN", "LOGIN"):
            client = self.by_tls()
            client.user, client.password = BOB, "of-nobody"
            name = "auth_" + mechanism.lower()
            with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
                client.auth(mechanism, getattr(client, name))
            self.assertEqual(refused.exception.smtp_code, 535)
            client.password = APP
            self.assertEqual(client.auth(mechanism, getattr(client, name))[0], 235)
        log = self.log.read_text()
        for secret in ("of-nobody", base64.b64encode(b"\0bob@example.org\0of-nobody").decode(), APP):
            self.assertNotIn(secret, log)

    def test_nothing_in_the_clear(self):
        for port, mail in ((self.port, 530), (self.clear, 250)):
            client = smtplib.SMTP(NAME, port, timeout=WAIT_SECONDS)
            self.addCleanup(client.close)
            client.ehlo()
            self.assertFalse(client.has_extn("auth"))
            self.assertEqual(client.docmd("AUTH", "PLAIN")[0], 538)
            self.assertEqual(client.mail(BOB)[0], mail)

    def test_what_was_proved_in_the_clear_is_forgotten_inside_tls(self):
        client = smtplib.SMTP(NAME, self.open, timeout=WAIT_SECONDS)
        self.addCleanup(client.close)
        client.login(BOB, APP)
        self.assertEqual(client.mail(BOB)[0], 250)
        client.rset()
        client.starttls(context=self.context())
        client.ehlo()
        self.assertEqual(client.mail(BOB)[0], 530)
        client.login(BOB, APP)
        self.assertEqual(client.sendmail(BOB, ["c@dest.invalid"], MESSAGE), {})
        self.complete(self.arrived()[0])

    def test_an_account_holder_on_the_port_of_other_hosts(self):
        client = self.by_starttls(self.clear)
        client.mail("x@else.invalid")
        self.assertEqual(client.rcpt("c@dest.invalid")[0], 550)
        client.rset()
        client.login(BOB, APP)
        self.assertEqual(client.sendmail(BOB, ["c@dest.invalid"], MESSAGE), {})
        self.complete(self.arrived()[0])

    def test_identities(self):
        client = self.by_tls()
        client.login(BOB, APP)
        self.assertEqual(client.mail("eve@example.org")[0], 550)
        for own in ("sales@example.org", "Bob+list@example.org", ""):
            self.assertEqual(client.mail(own)[0], 250)
            client.rset()
        with self.assertRaises(smtplib.SMTPDataError) as refused:
            client.sendmail(BOB, ["c@dest.invalid"], MESSAGE.replace(b"bob@", b"eve@"))
        self.assertEqual(refused.exception.smtp_code, 550)
        self.assertIn(b"eve@example.org", refused.exception.smtp_error)
        self.configure('identities = "reverse-path-only"')
        self.reload(self.server)
        self.assertEqual(client.sendmail(BOB, ["c@dest.invalid"], MESSAGE.replace(b"bob@", b"eve@")), {})
        self.assertEqual(client.mail("eve@example.org")[0], 550)

    def test_rates(self):
        self.configure("recipients_per_hour = 1\nmessages_per_hour = 4")
        self.reload(self.server)
        client = self.by_tls()
        client.login(BOB, APP)
        refused = client.sendmail(BOB, ["c@dest.invalid", "d@dest.invalid"], MESSAGE)
        self.assertEqual({name: code for name, (code, _) in refused.items()}, {"d@dest.invalid": 452})
        self.assertEqual(client.mail(BOB)[0], 250)
        self.assertEqual(client.rcpt("c@dest.invalid")[0], 452)
        client.rset()
        # Over any number of connections, which come to both shards.
        self.configure("messages_per_hour = 8")
        self.reload(self.server)

        def one_more():
            client = self.by_tls()
            client.login(BOB, APP)
            try:
                return client.sendmail(BOB, ["c@dest.invalid"], MESSAGE)
            except smtplib.SMTPSenderRefused as refused:
                return refused.smtp_code

        self.assertEqual([one_more() for _ in range(7)], [{}] * 7)
        self.assertEqual({one_more() for _ in range(16)}, {450})

    @unittest.skipUnless(shutil.which("swaks") and not subprocess.run(["perl", "-MNet::SSLeay", "-e1"], capture_output=True).returncode,
                         "swaks and libnet-ssleay-perl are not installed (tools/deps --tests)")
    def test_swaks(self):
        common = ("swaks", "--server", NAME, "--from", BOB, "--to", "c@dest.invalid", "--auth-user", BOB, "--body", "inside")
        good, wrong = ("--auth-password", PASSWORD), ("--auth-password", "wrong")
        count = 0
        for port, tls in ((self.port, "--tls"), (self.implicit, "--tls-on-connect")):
            for mechanism in ("PLAIN", "LOGIN"):
                self.call(*common, *good, "--port", port, tls, "--auth", mechanism)
                count += 1
                self.complete(self.arrived(count)[-1])
        self.call(*common, *wrong, "--port", self.port, "--tls", "--auth", "PLAIN", code=1)
        said = self.call(*common, *good, "--port", self.port, "--tls", "--auth", "CRAM-MD5", code=1)
        self.assertIn("requested type not available", said)
        # In the clear it does not find AUTH.
        self.call(*common, *good, "--port", self.port, "--auth", "PLAIN", code=1)

    @needs("curl")
    def test_curl(self):
        file = self.dir / "message"
        file.write_bytes(MESSAGE)
        common = ("curl", "-sS", "--cacert", self.dir / "cert.pem", "--mail-from", BOB, "--mail-rcpt", "c@dest.invalid", "-T", file)
        self.call(*common, "--user", f"{BOB}:{PASSWORD}", f"smtps://{NAME}:{self.implicit}")
        self.call(*common, "--user", f"{BOB}:{PASSWORD}", "--ssl-reqd", f"smtp://{NAME}:{self.port}")
        self.call(*common, "--user", f"{BOB}:wrong", f"smtps://{NAME}:{self.implicit}", code=67)
        self.call(*common, f"smtps://{NAME}:{self.implicit}", code=55)
        for content in self.arrived(2):
            self.complete(content)

    @needs("msmtp")
    def test_msmtp(self):
        common = ("msmtp", "--file=/dev/null", f"--host={NAME}", f"--from={BOB}", f"--user={BOB}", "--tls=on",
                  f"--tls-trust-file={self.dir}/cert.pem")
        count, offered, known = 0, self.offers(), self.call("msmtp", "--version").upper().split()
        for port, starttls in ((self.port, "on"), (self.implicit, "off")):
            for mechanism in [one.lower() for one in offered if one in known] + ["on"]:
                self.call(*common, f"--port={port}", f"--tls-starttls={starttls}", f"--auth={mechanism}",
                          f"--passwordeval=printf %s '{PASSWORD}'", "c@dest.invalid", input=MESSAGE.replace(b"\r\n", b"\n"))
                count += 1
        for content in self.arrived(count):
            self.complete(content)
        said = self.call(*common, f"--port={self.port}", "--tls-starttls=on", "--auth=plain", "--passwordeval=echo wrong",
                         "c@dest.invalid", input=MESSAGE, code=1)
        self.assertIn("535", said)

    @needs("gsasl")
    def test_gsasl(self):
        common = ("gsasl", "--client", "--smtp", "--connect", f"{NAME}:{self.port}", f"--x509-ca-file={self.dir}/cert.pem",
                  f"--authentication-id={BOB}", "--quiet")
        for mechanism in self.offers():
            # A client that has a channel binding takes the lack of one for a downgrade.
            binding = [] if mechanism.endswith("-PLUS") else ["--no-cb"]
            with self.subTest(mechanism):
                said = self.call(*common, f"--mechanism={mechanism}", f"--password={PASSWORD}", *binding, input=b"")
                self.assertIn("235 2.7.0", said)
                said = self.call(*common, f"--mechanism={mechanism}", "--password=wrong", *binding, input=b"", code=1)
                self.assertNotIn("235 2.7.0", said)

    @unittest.skipUnless(has_nodemailer(), "nodemailer is not there (npm install nodemailer, and NODE_PATH)")
    def test_nodemailer(self):
        script = """const [port, secure, pass] = process.argv.slice(1);
const transport = require('nodemailer').createTransport({host: 'localhost', port: +port, secure: secure === 'yes',
  requireTLS: true, tls: {ca: require('fs').readFileSync(process.env.CA)}, auth: {user: 'bob@example.org', pass}});
transport.sendMail({from: 'Bob <bob@example.org>', to: 'c@dest.invalid', subject: 'w\\u00f6rds', text: 'x', html: '<p>x</p>',
  attachments: [{filename: 'a.bin', content: Buffer.alloc(100000, 7)}]}).then(() => process.exit(0), e => {
  console.log(e.responseCode); process.exit(1); });"""
        environment = {**os.environ, "CA": str(self.dir / "cert.pem")}
        self.call("node", "-e", script, self.port, "no", PASSWORD, env=environment)
        self.call("node", "-e", script, self.implicit, "yes", PASSWORD, env=environment)
        for content in self.arrived(2):
            self.assertEqual(len(self.complete(content).get_payload()), 2)
        self.assertEqual(self.call("node", "-e", script, self.implicit, "yes", "wrong", code=1, env=environment).strip(), "535")

    def test_check_says_what_would_let_nobody_in(self):
        text = self.config.read_text()
        without = re.sub(r"\[tls\].*", "", text, flags=re.S).replace('tls = "implicit"\n', "")
        for change, wanted in ((without, r'toml:4:1: error: \[\[listener\]\] auth "encrypted" needs TLS'),
                               (text.replace('name = "submission"', 'auth = "none"'), r'toml:4:1: error: .* lets nobody submit')):
            self.config.write_text(change)
            done = self.run_program("check", "--config", self.config)
            self.assertNotEqual(done.returncode, OK)
            self.assertRegex(done.stderr.decode(), wanted)
        self.config.write_text(text)


del ServerCase  # or its own tests would run here once more

if __name__ == "__main__":
    unittest.main(verbosity=2)
