#!/usr/bin/env python3
"""Certificates by ACME, from Pebble: the test authority of the people who run Let's Encrypt (RFC 8555, strictly).

Pebble refuses a third of all nonces here, and looks at names through its own DNS server, which says 127.0.0.1 to everything.
"""

import http.client
import json
import os
import shutil
import signal
import smtplib
import socket
import socketserver
import ssl
import subprocess
import threading
import unittest
import urllib.request

from ports import free_port
from server_test import OK, WAIT_SECONDS, ServerCase, eventually, reachable

NAME = "mx.test.invalid"
TOOLS = ("pebble", "pebble-challtestsrv", "openssl")


@unittest.skipUnless(all(map(shutil.which, TOOLS)), "pebble and openssl are not installed (tools/deps --tests)")
class Acme(ServerCase):
    def setUp(self):
        super().setUp()
        self.http, self.https, self.smtps = free_port(), free_port(), free_port()
        self.authority, self.manage, self.dns = free_port(), free_port(), free_port()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        self.dir / "ca.key", "-out", self.dir / "ca.pem", "-days", "30", "-subj", "/CN=127.0.0.1", "-addext",
                        "subjectAltName=IP:127.0.0.1,DNS:localhost"], check=True, capture_output=True)
        self.configure()

    def configure(self, challenge="http-01", more=""):
        self.config.write_text(f"""hostname = "{NAME}"
data_dir = "{self.dir}/data"
shards = 2
[[listener]]
address = "127.0.0.1:{self.port}"
[[listener]]
address = "127.0.0.1:{self.smtps}"
tls = "implicit"
[[listener]]
address = "127.0.0.1:{self.http}"
protocol = "acme"
[[listener]]
address = "127.0.0.1:{self.https}"
protocol = "acme"
tls = "implicit"
[log]
path = "{self.log}"
[store]
segment_size = "2MiB"
[acme]
directory = "https://127.0.0.1:{self.authority}/dir"
agree_to_terms = true
contact = ["admin@test.invalid"]
challenge = "{challenge}"
authorities = "{self.dir}/ca.pem"
{more}
""")

    def pebble(self, http_port=None, validity=3600):
        """Starts the authority, or starts it again: it forgets everything at its end."""
        (self.dir / "pebble.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.authority}", "managementListenAddress": f"127.0.0.1:{self.manage}",
            "certificate": str(self.dir / "ca.pem"), "privateKey": str(self.dir / "ca.key"),
            "httpPort": http_port or self.http, "tlsPort": self.https, "ocspResponderURL": "",
            "externalAccountBindingRequired": False, "certificateValidityPeriod": validity}}))
        names = self.child(["pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", f"127.0.0.1:{self.dns}",
                            "-http01", "", "-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{free_port()}"])
        environment = dict(os.environ, PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="33", PEBBLE_AUTHZREUSE="0")
        authority = self.child(["pebble", "-config", str(self.dir / "pebble.json"), "-dnsserver", f"127.0.0.1:{self.dns}", "-strict"],
                               env=environment)
        eventually(lambda: reachable(self.authority) and reachable(self.manage), "pebble is ready")
        return [names, authority]

    def child(self, command, **more):
        said = open(self.dir / f"{command[0]}.log", "ab")
        self.addCleanup(said.close)
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, **more)
        self.addCleanup(self.finish, child)
        return child

    @staticmethod
    def finish(child):
        if child.poll() is None:
            child.kill()
        child.wait()

    def trusting(self):
        """Who trusts the authority, and nobody else."""
        context = ssl.create_default_context(cafile=str(self.dir / "ca.pem"))
        with urllib.request.urlopen(f"https://127.0.0.1:{self.manage}/roots/0", context=context, timeout=WAIT_SECONDS) as answer:
            return ssl.create_default_context(cadata=answer.read().decode())

    def served(self, context=None, port=None):
        """The certificate that a client gets by STARTTLS, verified where a context is given."""
        if context is None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP("127.0.0.1", port or self.port, timeout=WAIT_SECONDS) as client:
            client._host = NAME
            client.starttls(context=context)
            return client.sock.getpeercert(binary_form=True)

    def installed(self, count=1):
        eventually(lambda: self.count("event=certificate_installed") >= count, f"certificate {count} is there")

    def test_a_certificate_comes_by_http_and_outlives_a_restart_without_the_authority(self):
        authority = self.pebble()
        child = self.serve()
        self.installed()
        context = self.trusting()
        first = self.served(context)
        with socket.create_connection(("127.0.0.1", self.smtps), timeout=WAIT_SECONDS) as plain:
            with context.wrap_socket(plain, server_hostname=NAME) as inside:
                self.assertEqual(inside.getpeercert(binary_form=True), first)
        self.stop(child)
        for one in authority:
            self.finish(one)
        child = self.serve()
        self.assertEqual(self.served(context), first)
        self.assertEqual(self.count("event=certificate_order"), 1)
        # Nothing of it is shown to who writes the directory out, and no import takes it away.
        out = self.run_program("directory", "export", "-", "--config", self.config)
        self.assertEqual(out.returncode, OK, out.stderr)
        self.assertNotIn(b"acme", out.stdout)
        self.assertNotIn(b"PRIVATE", out.stdout)
        self.stop(child)

    def test_a_certificate_comes_by_tls_alpn(self):
        self.configure(challenge="tls-alpn-01")
        self.pebble()
        self.serve()
        self.installed()
        self.served(self.trusting())

    def through(self, tunnel):
        """The certificate that a tunnel shows, once it has led somewhere."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", tunnel), timeout=WAIT_SECONDS) as plain:
            with context.wrap_socket(plain, server_hostname=NAME) as inside:
                self.assertTrue(inside.recv(4096).startswith(b"220 "))
                return inside.getpeercert(binary_form=True)

    def test_a_tunnel_without_a_certificate_shows_the_authoritys_and_what_replaces_it(self):
        tunnel = free_port()
        self.configure(more=f"""[[tunnel]]
address = "127.0.0.1:{tunnel}"
connect = "127.0.0.1:{self.port}"
""")
        self.pebble(validity=15)
        self.serve()
        self.installed()
        first = self.through(tunnel)
        self.installed(count=2)
        second = self.through(tunnel)
        self.assertNotEqual(first, second)

    def test_it_is_renewed_in_time_and_nobody_is_disconnected(self):
        self.pebble(validity=15)
        self.serve()
        self.installed()
        first = self.served()
        with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
            client.ehlo()
            self.installed(count=2)
            self.assertEqual(client.noop()[0], 250)
        self.assertNotEqual(self.served(), first)
        # One account for all of it.
        self.assertEqual((self.dir / "pebble.log").read_text().count("There are now 1 accounts in memory"), 1)
        self.assertNotIn("There are now 2 accounts", (self.dir / "pebble.log").read_text())

    def test_a_restart_in_the_middle_of_an_order_goes_on_with_it(self):
        case = self
        asked, answered = threading.Event(), threading.Event()

        class Between(socketserver.StreamRequestHandler):
            """Where the authority looks. It is kept waiting until the server is back, and answers again."""

            def handle(self):
                path = self.rfile.readline().split()[1].decode()
                asked.set()

                def fetch():
                    try:
                        connection = http.client.HTTPConnection("127.0.0.1", case.http, timeout=WAIT_SECONDS)
                        connection.request("GET", path)
                        answer = connection.getresponse()
                        return answer.read() if answer.status == 200 and answered.is_set() else None
                    except OSError:
                        return None

                body = eventually(fetch, "the server answers the challenge")
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)

        between = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Between)
        between.daemon_threads = True
        threading.Thread(target=between.serve_forever, daemon=True).start()
        self.addCleanup(between.server_close)
        self.addCleanup(between.shutdown)
        self.pebble(http_port=between.server_address[1])
        child = self.serve()
        self.assertTrue(asked.wait(WAIT_SECONDS), "the authority looks")
        child.kill()
        child.wait()
        child = self.serve()
        answered.set()
        eventually(lambda: self.count("event=certificate_order") == 2, "the order is taken up")
        last = [line for line in self.log.read_text().splitlines() if "event=certificate_order" in line][-1]
        self.assertIn("resumed=yes", last)
        failed = 0

        def done():
            # A machine so slow that the authority gave up: it is asked again.
            nonlocal failed
            if self.count("event=certificate_failed") > failed:
                failed += 1
                child.send_signal(signal.SIGHUP)
            return self.count("event=certificate_installed")

        eventually(done, "the certificate is there")
        self.served(self.trusting())
        self.assertNotIn("There are now 2 accounts", (self.dir / "pebble.log").read_text())

    def test_without_an_authority_it_serves_with_a_stand_in_and_tries_again(self):
        child = self.serve()
        eventually(lambda: self.count("event=certificate_failed"), "the first try has failed")
        self.assertIn("next_try=", self.log.read_text())
        first = self.served()
        self.pebble()
        child.send_signal(signal.SIGHUP)
        self.installed()
        self.assertNotEqual(self.served(self.trusting()), first)

    def test_while_the_authority_is_gone_the_old_certificate_is_shown_and_it_is_tried_again(self):
        authority = self.pebble(validity=15)
        child = self.serve()
        self.installed()
        first = self.served()
        for one in authority:
            self.finish(one)
        eventually(lambda: self.count("event=certificate_failed"), "the renewal has failed")
        [line] = [one for one in self.log.read_text().splitlines() if "event=certificate_failed" in one]
        self.assertIn("no connection to 127.0.0.1", line)
        self.assertIn("next_try=", line)
        self.assertEqual(self.served(), first)
        # It has forgotten the account too: a new one is made with the key that there is.
        self.pebble()
        child.send_signal(signal.SIGHUP)
        self.installed(count=2)
        self.assertNotEqual(self.served(self.trusting()), first)

    def test_who_is_told_no_says_why_and_waits_longer(self):
        nobody = free_port()
        self.pebble(http_port=nobody)
        self.serve()
        eventually(lambda: self.count("event=certificate_failed"), "it was refused")
        [line] = [one for one in self.log.read_text().splitlines() if "event=certificate_failed" in one]
        self.assertIn("level=error", line)
        self.assertIn(f"{NAME} was not proved", line)

    def test_the_configuration_wants_agreement_and_a_listener(self):
        text = self.config.read_text()
        self.config.write_text(text.replace("agree_to_terms = true", ""))
        done = self.run_program("check", "--config", self.config)
        self.assertIn(b"needs agree_to_terms = true", done.stderr)
        self.config.write_text(text.replace('protocol = "acme"', ""))
        done = self.run_program("check", "--config", self.config)
        self.assertIn(b'"http-01" needs a listener', done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
