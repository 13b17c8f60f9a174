#!/usr/bin/env python3
"""TLS as clients that we did not write meet it: OpenSSL, Python's smtplib and swaks, by STARTTLS and on an implicit port.

Certificates are made for each test by openssl(1).
"""

import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import unittest

from ports import free_port
from server_test import CONFIGURATION, OK, WAIT_SECONDS, ServerCase, eventually, reachable

NAME = "relay.test.invalid"


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed (tools/deps --tests)")
class Tls(ServerCase):
    def setUp(self):
        super().setUp()
        self.implicit = free_port()
        self.make("main", NAME)
        self.configure()

    def make(self, stem, name, key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), days="30"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-keyout", self.dir / f"{stem}.key", "-out",
                        self.dir / f"{stem}.pem", "-days", days, "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
                       check=True, capture_output=True)

    def configure(self, tls="", more=""):
        self.config.write_text(f"""hostname = "{NAME}"
data_dir = "{self.dir}/data"
shards = 2
[[listener]]
address = "127.0.0.1:{self.port}"
[[listener]]
address = "127.0.0.1:{self.implicit}"
tls = "implicit"
name = "smtps"
[relay]
networks = ["127.0.0.0/8"]
next_hop = "127.0.0.1:{self.next_port}"
[log]
path = "{self.log}"
[store]
segment_size = "2MiB"
[tls]
certificate = "{self.dir}/main.pem"
private_key = "{self.dir}/main.key"
{tls}
{more}
""")

    def context(self, stem="main"):
        context = ssl.create_default_context(cafile=str(self.dir / f"{stem}.pem"))
        return context

    def openssl(self, *arguments, stdin=b"QUIT\n", port=None, starttls=True):
        where = ["-connect", f"127.0.0.1:{port or self.port}"] + (["-starttls", "smtp"] if starttls else [])
        done = subprocess.run(["openssl", "s_client", *where, "-crlf", *(["-ign_eof"] if stdin == b"QUIT\n" else []), *arguments], input=stdin, capture_output=True,
                              timeout=WAIT_SECONDS)
        return (done.stdout + done.stderr).decode("latin-1")

    def test_smtplib_sends_by_starttls_and_the_trace_says_so(self):
        store = self.dir / "sink"
        self.sink(store)
        self.serve()
        with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
            client._host = NAME
            client.ehlo()
            self.assertTrue(client.has_extn("starttls"))
            self.assertEqual(client.starttls(context=self.context())[0], 220)
            client.ehlo()
            self.assertFalse(client.has_extn("starttls"))
            self.assertEqual(client.docmd("STARTTLS")[0], 503)
            client.sendmail("a@test.invalid", ["b@dest.invalid"], b"Subject: s\r\n\r\n" + b"x" * 70 + b"\r\n.dot\r\n")
            version, cipher = client.sock.version(), client.sock.cipher()[0]
        [stored] = eventually(lambda: list(store.glob("*.eml")), "the message arrived")
        trace = re.sub(rb"\s+", b" ", stored.read_bytes().split(b"Subject:")[0]).decode()
        self.assertIn(" with ESMTPS ", trace)
        self.assertIn(f"({version} cipher {cipher})", trace)
        accepted = rf'event=accepted .*tls="{version} cipher {cipher}"'
        eventually(lambda: re.search(accepted, self.log.read_text()), accepted)

    def test_megabytes_both_ways_of_sending_on_the_implicit_port(self):
        store = self.dir / "sink"
        self.sink(store)
        self.serve()
        message = b"Subject: large\r\n\r\n" + b".dots and text, so many of them\r\n" * 300_000
        with smtplib.SMTP_SSL("127.0.0.1", self.implicit, timeout=WAIT_SECONDS, context=self.unverified()) as client:
            self.assertEqual(client.sendmail("a@test.invalid", ["b@dest.invalid"], message), {})
            self.assertEqual(client.mail("a@test.invalid")[0], 250)
            self.assertEqual(client.rcpt("b@dest.invalid")[0], 250)
            client.send(b"BDAT %d LAST\r\n" % len(message) + message)
            self.assertEqual(client.getreply()[0], 250)
        eventually(lambda: [p.read_bytes().endswith(message) for p in store.glob("*.eml")] == [True, True], "both arrived")

    @staticmethod
    def unverified():
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    @unittest.skipUnless(shutil.which("swaks") and not subprocess.run(["perl", "-MNet::SSLeay", "-e1"], capture_output=True).returncode,
                         "swaks and libnet-ssleay-perl are not installed (tools/deps --tests)")
    def test_swaks(self):
        store = self.dir / "sink"
        self.sink(store)
        self.serve()
        for port, option in ((self.port, "--tls"), (self.implicit, "--tls-on-connect")):
            done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(port), option, "--from", "a@test.invalid", "--to",
                                   "b@dest.invalid", "--body", "inside"], capture_output=True, timeout=WAIT_SECONDS)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        eventually(lambda: len(list(store.glob("*.eml"))) == 2, "both arrived")

    def test_openssl_sees_what_is_safe_and_nothing_else(self):
        self.serve()
        self.assertIn("TLSv1.3, Cipher is TLS_", self.openssl())
        self.assertIn("Cipher is ECDHE-ECDSA-", self.openssl("-tls1_2"))
        low = ("-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
        for refused in (("-tls1_1", *low), ("-tls1", *low), ("-tls1_2", "-cipher", "AES128-SHA:AES128-GCM-SHA256:@SECLEVEL=0"),
                        ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0")):
            self.assertIn("Cipher is (NONE)", self.openssl(*refused), refused)
        # OpenSSL itself will not say TLS 1.0, on some systems.
        eventually(lambda: self.count("event=tls_failed") >= 3, "the failures are in the log")

    def test_renegotiation_is_refused(self):
        self.serve()
        # "R" alone asks openssl to negotiate again.
        shown = self.openssl("-tls1_2", "-legacy_renegotiation", stdin=b"R\nNOOP\r\n")
        self.assertIn("RENEGOTIATING", shown)
        self.assertRegex(shown, "no renegotiation|unexpected message|ssl handshake failure|handshake failure")
        self.assertTrue(reachable(self.port))

    def test_sessions_are_resumed_also_after_a_reload(self):
        child = self.serve()
        session = self.dir / "session"
        for version in ("-tls1_2", "-tls1_3"):
            self.assertIn("New, TLS", self.openssl(version, "-sess_out", session))
            self.assertIn("Reused, TLS", self.openssl(version, "-sess_in", session))
            events = self.count("event=reloaded")
            child.send_signal(signal.SIGHUP)
            eventually(lambda: self.count("event=reloaded") > events, "reloaded")
            self.assertIn("Reused, TLS", self.openssl(version, "-sess_in", session))

    def test_certificates_are_chosen_by_name_and_replaced_by_a_reload(self):
        self.make("other", "other.test.invalid", ("rsa:2048",))
        more = f'[[certificate]]\ncertificate = "{self.dir}/other.pem"\nprivate_key = "{self.dir}/other.key"\n'
        self.configure(more=more)
        child = self.serve()
        self.assertIn(f"CN = {NAME}", self.openssl("-servername", "unknown.invalid"))
        self.assertIn("CN = other.test.invalid", self.openssl("-servername", "other.test.invalid"))
        self.assertIn("Cipher is ECDHE-RSA-", self.openssl("-servername", "other.test.invalid", "-tls1_2"))
        kept = smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        self.addCleanup(kept.close)
        kept._host = NAME
        kept.starttls(context=self.context())
        self.make("main", "renewed.test.invalid")
        child.send_signal(signal.SIGHUP)
        eventually(lambda: self.count("event=reloaded"), "reloaded")
        self.assertIn("CN = renewed.test.invalid", self.openssl())
        self.assertEqual(kept.noop()[0], 250)
        # A wrong one changes nothing.
        (self.dir / "main.pem").write_text("nothing")
        child.send_signal(signal.SIGHUP)
        eventually(lambda: self.count("event=reload_failed"), "refused")
        self.assertIn("holds no certificate in PEM", self.log.read_text())
        self.assertIn("CN = renewed.test.invalid", self.openssl())

    def test_commands_before_starttls_are_not_believed_after_it(self):
        self.serve()
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_SECONDS) as raw:
            raw.recv(1000)
            raw.sendall(b"EHLO c.invalid\r\n")
            raw.recv(1000)
            raw.sendall(b"STARTTLS\r\nMAIL FROM:<evil@test.invalid>\r\n")
            heard = b""
            while piece := raw.recv(1000):
                heard += piece
        self.assertTrue(heard.startswith(b"503 5.5.1"), heard)
        self.assertNotIn(b"220", heard)

    def test_client_certificates(self):
        self.make("client", "client.test.invalid")
        self.configure(tls=f'client_certificates = "require"\nclient_authorities = "{self.dir}/client.pem"')
        self.serve()
        shown = self.openssl("-cert", self.dir / "client.pem", "-key", self.dir / "client.key")
        self.assertIn("221 2.0.0", shown)
        self.assertNotIn("221 2.0.0", self.openssl())

    def test_check_says_what_is_wrong_with_a_certificate(self):
        done = self.run_program("check", "--config", self.config)
        self.assertEqual(done.returncode, OK, done.stdout + done.stderr)
        self.assertRegex(done.stdout.decode(), rf"certificate {self.dir}/main.pem: {NAME}, ECDSA P-256, until \d+-\d+-\d+, self-signed")
        self.make("main", NAME, days="3")
        done = self.run_program("check", "--config", self.config)
        self.assertEqual(done.returncode, OK)
        self.assertRegex(done.stderr.decode(), rf"ringmail.toml:18:15: warning: {self.dir}/main.pem expires on ")
        self.make("other", "other.test.invalid")
        shutil.copy(self.dir / "other.key", self.dir / "main.key")
        for command in ("check", "serve"):
            done = self.run_program(command, "--config", self.config)
            self.assertNotEqual(done.returncode, OK)
            self.assertRegex(done.stderr.decode(), rf"ringmail.toml:19:15: error: {self.dir}/main.key is not the key of the certificate")
        self.assertEqual(self.run_program("serve", "--config", self.config).returncode, CONFIGURATION)
        (self.dir / "main.key").unlink()
        done = self.run_program("check", "--config", self.config)
        self.assertRegex(done.stderr.decode(), r"ringmail.toml:19:15: error: .*main.key cannot be read: .*No such file")


if __name__ == "__main__":
    unittest.main()
