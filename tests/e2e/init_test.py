#!/usr/bin/env python3
"""`ringmail init` as an operator meets it: what it writes is checked, served and spoken to; what it prints is read back."""

import hashlib
import poplib
import re
import shutil
import smtplib
import socket
import ssl
import stat
import subprocess
import unittest

from ports import free_port
from server_test import FAILED, OK, USAGE, WAIT_SECONDS, ServerCase, eventually, reachable

DOMAIN = "init.test.invalid"


class Submissions(smtplib.SMTP):
    """smtplib has one name for whom it calls and whom it expects."""

    def __init__(self, host, port, context):
        self.context = context
        super().__init__(host, port, timeout=WAIT_SECONDS)

    def _get_socket(self, host, port, timeout):
        return self.context.wrap_socket(socket.create_connection((host, port), timeout), server_hostname="mx." + DOMAIN)


class Pop3s(poplib.POP3):
    def __init__(self, host, port, context):
        self.context = context
        super().__init__(host, port, timeout=WAIT_SECONDS)

    def _create_socket(self, timeout):
        return self.context.wrap_socket(super()._create_socket(timeout), server_hostname="mx." + DOMAIN)


class Init(ServerCase):
    def setUp(self):
        super().setUp()
        self.made = self.dir / "made"
        self.offset = free_port()

    def init(self, *more, directory=None):
        return self.run_program("init", "--domain", DOMAIN, "--data", directory or self.made, "--port-offset", self.offset, *more)

    def test_what_it_writes_is_good_and_serves(self):
        done = self.init()
        self.assertEqual(done.returncode, OK, done.stderr)
        config = self.made / "ringmail.toml"
        checked = self.run_program("check", "--config", config)
        self.assertEqual(checked.returncode, OK, checked.stdout + checked.stderr)
        self.assertIn(b"all good", checked.stdout)
        key = self.made / "tls/key.pem"
        self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)
        self.start("serve", "--config", config, ready=lambda: reachable(self.offset + 995))
        context = ssl.create_default_context(cafile=str(self.made / "tls/certificate.pem"))
        for port, kind in ((25, "smtp"), (587, "smtp")):
            with smtplib.SMTP("127.0.0.1", self.offset + port, timeout=WAIT_SECONDS) as client:
                client._host = "mx." + DOMAIN
                self.assertEqual(client.starttls(context=context)[0], 220)
        client = poplib.POP3("127.0.0.1", self.offset + 110, timeout=WAIT_SECONDS)
        client.host = "mx." + DOMAIN
        client.stls(context=context)
        client.quit()
        # Mail from one account holder to another, sent and fetched inside TLS.
        postmaster = re.search(rf"made  the account (postmaster@{re.escape(DOMAIN)}), password (\S+) ", done.stdout.decode())
        bob = f"bob@{DOMAIN}"
        added = self.run_program("account", "add", bob, "--config", config, stdin=b"secret-of-mine\n")
        self.assertEqual(added.returncode, OK, added.stderr)
        with Submissions("127.0.0.1", self.offset + 465, context) as client:
            client.login(bob, "secret-of-mine")
            client.sendmail(bob, [postmaster[1]], f"From: {bob}\r\nSubject: hello\r\n\r\nfrom init\r\n")

        def fetched():
            client = Pop3s("127.0.0.1", self.offset + 995, context)
            try:
                client.user(postmaster[1])
                client.pass_(postmaster[2])
                return client.retr(1)[1] if client.stat()[0] else None
            finally:
                client.quit()

        self.assertIn(b"from init", eventually(fetched, "the message is there"))
        # The operator's directory and what is in it are nobody else's.
        self.assertEqual(stat.S_IMODE(self.made.stat().st_mode), 0o700)

    def test_it_prints_what_to_publish(self):
        done = self.init("--ip", "192.0.2.7", "--ip", "2001:db8::7")
        self.assertEqual(done.returncode, OK, done.stderr)
        records = {}
        for line in done.stdout.decode().splitlines():
            if match := re.fullmatch(r"(\S+)\. +IN (\S+) +(.*)", line):
                records.setdefault((match[1], match[2]), match[3])
        host = "mx." + DOMAIN
        self.assertEqual(records[host, "A"], "192.0.2.7")
        self.assertEqual(records[host, "AAAA"], "2001:db8::7")
        self.assertEqual(records[DOMAIN, "MX"], f"10 {host}.")
        self.assertEqual(records[DOMAIN, "TXT"], '"v=spf1 mx -all"')
        self.assertTrue(records["_dmarc." + DOMAIN, "TXT"].startswith('"v=DMARC1; p='))
        for name, priority, port in (("_submissions", 0, 465), ("_submission", 10, 587), ("_pop3s", 0, 995), ("_pop3", 10, 110)):
            self.assertEqual(records[f"{name}._tcp.{DOMAIN}", "SRV"], f"{priority} 1 {port + self.offset} {host}.")
        self.assertNotIn("DKIM", done.stdout.decode())
        certificate = (self.made / "tls/certificate.pem").read_text()
        if shutil.which("openssl"):
            public = subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=certificate.encode(), capture_output=True, check=True)
            der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public.stdout, capture_output=True, check=True)
            self.assertEqual(records[f"_{25 + self.offset}._tcp.{host}", "TLSA"], "3 1 1 " + hashlib.sha256(der.stdout).hexdigest())

    def test_nothing_that_exists_is_overwritten(self):
        self.assertEqual(self.init().returncode, OK)
        before = {path: path.read_bytes() for path in self.made.rglob("*") if path.suffix in (".pem", ".toml")}
        again = self.init("--hostname", "other." + DOMAIN)
        self.assertEqual(again.returncode, FAILED)
        self.assertIn(b"is there already", again.stderr)
        # A certificate that is there is used, and the account keeps its password.
        (self.made / "ringmail.toml").unlink()
        again = self.init()
        self.assertEqual(again.returncode, OK, again.stderr)
        self.assertIn(b"kept  the account", again.stdout)
        self.assertNotIn(b"password", again.stdout)
        after = {path: path.read_bytes() for path in self.made.rglob("*") if path.suffix in (".pem", ".toml")}
        self.assertEqual(after, before)

    def test_half_a_certificate_is_no_certificate(self):
        (self.made / "tls").mkdir(parents=True)
        (self.made / "tls/key.pem").write_text("no key\n")
        done = self.init()
        self.assertEqual(done.returncode, FAILED)
        self.assertEqual([path.name for path in self.made.rglob("*") if path.suffix in (".pem", ".toml")], ["key.pem"])

    def test_with_acme_it_listens_for_the_authority_and_names_it(self):
        done = self.init("--acme", "--contact", "admin@" + DOMAIN)
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertIn(b'CAA   0 issue "letsencrypt.org"', done.stdout)
        self.assertNotIn(b"TLSA", done.stdout)
        text = (self.made / "ringmail.toml").read_text()
        self.assertIn("agree_to_terms = true", text)
        self.assertIn(f'contact = ["admin@{DOMAIN}"]', text)
        self.assertIn('protocol = "acme"', text)

    def test_what_makes_no_sense_is_said(self):
        for arguments in (("--hostname", "a b"), ("--ip", "1.2.3"), ("--certificate", "/x"), ("--contact", "a@b.c"),
                          ("--port-offset", "70000"), ("--dir", "relative")):
            done = self.init(*arguments)
            self.assertEqual(done.returncode, USAGE, arguments)
            self.assertFalse(self.made.exists())
        self.assertEqual(self.run_program("init", "--domain", "no domain").returncode, USAGE)
        self.assertEqual(self.run_program("init").returncode, USAGE)


if __name__ == "__main__":
    unittest.main(verbosity=2)
