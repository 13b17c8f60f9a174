#!/usr/bin/env python3
"""What testssl.sh finds on every port that speaks TLS: SMTP, submission and POP3 by STARTTLS and on their implicit ports, and a
tunnel. Nothing above LOW is allowed, but for what a test's own certificate authority cannot have (EXPECTED).

Certificates are made for the test by openssl(1), signed by an authority that testssl.sh is told of. Every port is looked at in
full, two at a time: two and a half minutes on two cores.
"""

import concurrent.futures
import json
import os
import shutil
import socket
import subprocess
import threading
import unittest

from ports import free_port
from server_test import WAIT_SECONDS, ServerCase, eventually, reachable

NAME = "mail.test.invalid"
TESTSSL = shutil.which("testssl") or shutil.which("testssl.sh")
# A whole run takes a minute on an idle core; a loaded machine with a sanitizer, many.
RUN_SECONDS = 900
SEVERITIES = ("DEBUG", "INFO", "OK", "LOW", "MEDIUM", "HIGH", "CRITICAL", "WARN", "FATAL")
ABOVE_LOW = {"MEDIUM", "HIGH", "CRITICAL", "WARN", "FATAL"}
# Findings that a private authority or testssl.sh itself causes, not the server: each with its reason.
EXPECTED = {
    "engine_problem": "Debian's own openssl, with which testssl.sh looks, has no GOST",
    "cert_revocation": "a private authority has neither a CRL nor an OCSP responder",
    "sessionresumption_ticket": "its client may leave before TLS 1.3 can give it a ticket, and then has none (see tls_test)",
}


@unittest.skipUnless(TESTSSL and shutil.which("openssl"), "testssl.sh is not installed (tools/deps --tests)")
class TestSsl(ServerCase):
    def setUp(self):
        super().setUp()
        self.ports = {name: free_port() for name in ("smtp", "submission", "submissions", "pop3", "pop3s", "tunnel")}
        self.make_authority()
        self.echo = self.start_echo()
        self.config.write_text(f"""hostname = "{NAME}"
data_dir = "{self.dir}/data"
shards = 1
{self.listener("smtp", "smtp", "starttls")}
{self.listener("submission", "submission", "starttls")}
{self.listener("submissions", "submission", "implicit")}
{self.listener("pop3", "pop3", "starttls")}
{self.listener("pop3s", "pop3", "implicit")}
[[tunnel]]
address = "127.0.0.1:{self.ports["tunnel"]}"
connect = "127.0.0.1:{self.echo}"
[limits]
connections_per_network = 1000
errors = 1000
idle_commands = 1000
[tls]
certificate = "{self.dir}/server.pem"
private_key = "{self.dir}/server.key"
[log]
path = "{self.log}"
[store]
segment_size = "2MiB"
""")

    def listener(self, name, protocol, tls):
        return f"""[[listener]]
address = "127.0.0.1:{self.ports[name]}"
protocol = "{protocol}"
tls = "{tls}"
name = "{name}"
"""

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=WAIT_SECONDS)

    def make_authority(self):
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self.openssl("req", "-x509", *key, "-keyout", self.dir / "ca.key", "-out", self.dir / "ca.pem", "-days", "300",
                     "-subj", "/CN=test authority/O=ringmail tests")
        self.openssl("req", *key, "-keyout", self.dir / "server.key", "-out", self.dir / "server.csr", "-subj", f"/CN={NAME}")
        extensions = self.dir / "extensions"
        extensions.write_text(f"subjectAltName=DNS:{NAME}\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n"
                              "basicConstraints=CA:FALSE\n")
        self.openssl("x509", "-req", "-in", self.dir / "server.csr", "-CA", self.dir / "ca.pem", "-CAkey", self.dir / "ca.key",
                     "-CAcreateserial", "-days", "200", "-sha256", "-extfile", extensions, "-out", self.dir / "server.pem")

    def start_echo(self):
        """Behind the tunnel: says what it hears."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def serve(peer):
            with peer:
                try:
                    while data := peer.recv(4096):
                        peer.sendall(data)
                except OSError:
                    pass

        def accept():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(peer,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    def look(self, name, starttls):
        """The findings above LOW, and how many there were in all."""
        found = self.dir / f"{name}.json"
        begin = ["--starttls", starttls] if starttls else []
        done = subprocess.run(
            [TESTSSL, "--jsonfile", found, "--add-ca", self.dir / "ca.pem", "--quiet", "--color", "0", "--warnings", "off",
             "--nodns", "none", "--ip", "127.0.0.1", *begin, f"{NAME}:{self.ports[name]}"],
            capture_output=True, timeout=RUN_SECONDS, stdin=subprocess.DEVNULL, env={**os.environ, "TERM": "dumb"})
        said = (done.stdout + done.stderr).decode(errors="replace")
        self.assertTrue(found.exists(), said)
        findings = json.loads(found.read_text())
        for one in findings:
            self.assertIn(one["severity"], SEVERITIES, one)
        bad = [one for one in findings if one["severity"] in ABOVE_LOW and one["id"].split(" ")[0] not in EXPECTED]
        return name, bad, {one["id"].split(" ")[0]: one["finding"] for one in findings}

    def test_no_port_shows_a_weakness(self):
        self.serve()
        runs = (("smtp", "smtp"), ("tunnel", None), ("submission", "smtp"), ("submissions", None), ("pop3", "pop3"), ("pop3s", None))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda run: self.look(*run), runs))
        for name, bad, findings in results:
            with self.subTest(name):
                self.assertEqual(bad, [])
                # It has looked, and not at something else.
                self.assertEqual(findings.get("TLS1"), "not offered")
                self.assertIn("not offered", findings.get("SSLv3", ""))
                self.assertEqual(findings.get("TLS1_1"), "not offered")
                self.assertIn("offered", findings.get("TLS1_2", ""))
                self.assertIn("offered with final", findings.get("TLS1_3", ""))
                self.assertTrue(findings.get("cert_trust", "").startswith("Ok via SAN"), findings.get("cert_trust"))
                self.assertEqual(findings.get("cert_chain_of_trust"), "passed.")
                for weakness in ("heartbleed", "ROBOT", "secure_renego", "CRIME_TLS", "SWEET32", "FREAK", "LOGJAM", "BEAST", "RC4"):
                    self.assertIn(weakness, findings)


if __name__ == "__main__":
    unittest.main()
