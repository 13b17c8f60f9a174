#!/usr/bin/env python3
"""Proxies in front of listeners, and tunnels in front of services, with what others use for both: HAProxy, stunnel, curl and
OpenSSL. Certificates are made for each test by openssl(1)."""

import http.server
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import struct
import subprocess
import threading
import unittest

from ports import free_port
from server_test import CONFIGURATION, OK, USAGE, WAIT_SECONDS, ServerCase, eventually, reachable

NAME = "mail.test.invalid"
V2 = b"\r\n\r\n\0\r\nQUIT\n"
HAPROXY = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
STUNNEL = shutil.which("stunnel4") or shutil.which("stunnel")


def v1(source, port=1234):
    return f"PROXY TCP4 {source} 198.51.100.2 {port} 25\r\n".encode()


def v2(source, port=1234, tlvs=b""):
    addresses = socket.inet_aton(source) + socket.inet_aton("198.51.100.2") + struct.pack(">HH", port, 25)
    return V2 + b"\x21\x11" + struct.pack(">H", len(addresses + tlvs)) + addresses + tlvs


def read_all(peer):
    pieces = []
    while piece := peer.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


class Target:
    """A service that speaks plainly: `serve(socket)` for each connection, on a port of its own or on a Unix socket."""

    def __init__(self, test, serve, path=None):
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(str(path) if path else ("127.0.0.1", 0))
        self.listener.listen()
        self.port = None if path else self.listener.getsockname()[1]
        self.serve = serve
        test.addCleanup(self.listener.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_one, args=(peer,), daemon=True).start()

    def serve_one(self, peer):
        with peer:
            try:
                self.serve(peer)
            except OSError:
                pass


def count_and_answer(peer):
    """Answers once the question has ended: only who relays ends by themselves gets an answer."""
    peer.sendall(b"heard %d\n" % len(read_all(peer)))


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed (tools/deps --tests)")
class TunnelCase(ServerCase):
    def setUp(self):
        super().setUp()
        self.make("main", NAME)

    def make(self, stem, name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        self.dir / f"{stem}.key", "-out", self.dir / f"{stem}.pem", "-days", "30", "-subj", f"/CN={name}",
                        "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True)

    def tunnel(self, *arguments):
        """`ringmail tunnel`; its port."""
        with open(self.log, "ab") as log:
            child = subprocess.Popen([self.program(), "tunnel", "--listen", "127.0.0.1:0", *map(str, arguments)],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        self.addCleanup(self.end_tunnel, child)
        line = child.stdout.readline().decode()
        self.assertRegex(line, r"^listening 127\.0\.0\.1:\d+$", self.log.read_text())
        return int(line.rsplit(":", 1)[1])

    @staticmethod
    def program():
        return os.environ.get("RINGMAIL", "build/ringmail")

    def end_tunnel(self, child):
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(WAIT_SECONDS), OK, self.log.read_text())
        child.stdout.close()
        self.assertNotRegex(self.log.read_text(), "Sanitizer|runtime error: |CHECK failed: ")

    def wrap(self, target, *more):
        return self.tunnel("--connect", target, "--tls-listen", self.dir / "main.pem", "--private-key", self.dir / "main.key", *more)

    def unwrap(self, port, *more):
        return self.tunnel("--connect", f"127.0.0.1:{port}", "--tls-connect", NAME, "--authorities", self.dir / "main.pem", *more)

    def connect_tls(self, port, name=NAME, stem="main", **more):
        context = ssl.create_default_context(cafile=str(self.dir / f"{stem}.pem"))
        for key, value in more.items():
            getattr(context, key)(*value)
        return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS), server_hostname=name)

    def logged(self, pattern):
        eventually(lambda: re.search(pattern, self.log.read_text()), pattern)


class Proxied(TunnelCase):
    """Listeners of mail behind a proxy."""

    def setUp(self):
        super().setUp()
        self.implicit = free_port()
        self.write_config(extra=f"""[tls]
certificate = "{self.dir}/main.pem"
private_key = "{self.dir}/main.key"
[[listener]]
address = "127.0.0.1:{self.implicit}"
tls = "implicit"
name = "smtps"
proxy_protocol = ["127.0.0.1"]
""")
        text = self.config.read_text()
        self.config.write_text(text.replace(f':{self.port}"\n', f':{self.port}"\nproxy_protocol = ["127.0.0.1"]\n', 1)
                               .replace('"127.0.0.0/8"', '"192.0.2.0/24"'))

    def say(self, header, source="127.0.0.1", port=None):
        peer = socket.create_connection(("127.0.0.1", port or self.port), timeout=WAIT_SECONDS, source_address=(source, 0))
        self.addCleanup(peer.close)
        peer.sendall(header)
        return peer

    def smtp(self, header, **more):
        client = smtplib.SMTP(timeout=WAIT_SECONDS)
        client._host = NAME
        client.sock = self.say(header, **more)
        self.assertEqual(client.getreply()[0], 220)
        return client

    def test_the_header_says_who_may_relay_and_what_the_trace_names(self):
        store = self.dir / "sink"
        self.sink(store)
        self.serve()
        for header, code in ((v1("192.0.2.7"), 250), (v2("192.0.2.8"), 250), (v1("203.0.113.9"), 550)):
            with self.smtp(header) as client:
                client.ehlo("c.test.invalid")
                client.mail("a@test.invalid")
                self.assertEqual(client.rcpt("b@dest.invalid")[0], code)
        with self.smtp(v2("192.0.2.7", tlvs=b"\x04\0\x03abc")) as client:
            client.sendmail("a@test.invalid", ["b@dest.invalid"], b"Subject: s\r\n\r\nx\r\n")
        [stored] = eventually(lambda: list(store.glob("*.eml")), "the message arrived")
        self.assertIn(b"[192.0.2.7]", stored.read_bytes())
        self.logged(r"client=192\.0\.2\.7")

    def test_tls_from_the_first_octet_comes_behind_the_header(self):
        self.serve()
        for header in (v1("192.0.2.7"), v2("192.0.2.7")):
            # Together with the beginning of TLS.
            plain = socket.create_connection(("127.0.0.1", self.implicit), timeout=WAIT_SECONDS)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            context = ssl.create_default_context(cafile=str(self.dir / "main.pem"))
            tls = context.wrap_bio(incoming, outgoing, server_hostname=NAME)
            self.addCleanup(plain.close)
            plain_header = header
            heard = b""
            while not heard.startswith(b"220 "):
                try:
                    heard = tls.read()
                except ssl.SSLWantReadError:
                    plain.sendall(plain_header + outgoing.read())
                    plain_header = b""
                    incoming.write(plain.recv(65536))

    def test_a_bad_header_closes_and_a_client_from_elsewhere_needs_none(self):
        self.serve()
        for header, why in ((b"EHLO x\r\n", "is missing"), (b"PROXY TCP4 x y 1 2\r\n", "has no address where one must be"),
                            (V2 + b"\x21\x11\xff\xff", "is too long"), (b"PROXY UNKNOWN" + b"x" * 200, "has no end of line")):
            self.assertEqual(read_all(self.say(header)), b"")
            self.logged(f'event=proxy_refused proxy=127.0.0.1 listener=smtp why="the PROXY header {why}')
        peer = self.say(b"", source="127.0.0.2")
        self.assertTrue(peer.recv(4096).startswith(b"220 "))
        peer = self.say(v1("192.0.2.7"), source="127.0.0.2")
        self.assertTrue(read_all_until(peer, b"500 "), "it is no command")

    @unittest.skipUnless(HAPROXY, "haproxy is not installed (tools/deps --tests)")
    def test_haproxy(self):
        self.serve()
        ports = {option: free_port() for option in ("send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn")}
        config = self.dir / "haproxy.cfg"
        config.write_text("defaults\n mode tcp\n timeout connect 30s\n timeout client 60s\n timeout server 60s\n" + "".join(
            f"listen l{port}\n bind 127.0.0.1:{port}\n server s 127.0.0.1:{self.port} {option}\n" for option, port in ports.items()))
        proxy = subprocess.Popen([HAPROXY, "-f", config, "-db"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(end, proxy)
        for number, port in enumerate(ports.values(), 5):
            eventually(lambda: reachable(port) or proxy.poll() is not None, "haproxy listens")
            source = f"127.0.0.{number}"
            with self.smtp(b"", source=source, port=port) as client:
                client.ehlo("c.test.invalid")
                client.mail("a@test.invalid")
                self.assertEqual(client.rcpt("b@dest.invalid")[0], 550)
            self.logged(rf"client={re.escape(source)}\b")


def read_all_until(peer, text):
    heard = b""
    while text not in heard:
        piece = peer.recv(4096)
        if not piece:
            return False
        heard += piece
    return True


def end(child):
    if child.poll() is None:
        child.terminate()
    child.wait()
    child.stderr.close()


class Tunnels(TunnelCase):
    def test_an_end_goes_through_two_tunnels_and_the_answer_comes_back(self):
        target = Target(self, count_and_answer)
        port = self.unwrap(self.wrap(f"127.0.0.1:{target.port}"))
        for size in (0, 1, 5_000_000):
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as peer:
                peer.sendall(b"x" * size)
                peer.shutdown(socket.SHUT_WR)
                self.assertEqual(read_all(peer), b"heard %d\n" % size)
        self.logged(r"event=tunnel .*to_target=5000000 to_client=14 duration=[0-9.]+ end=done")

    def test_megabytes_both_ways_at_once(self):
        def echo(peer):
            while data := peer.recv(65536):
                peer.sendall(data)
        port = self.unwrap(self.wrap(f"127.0.0.1:{Target(self, echo).port}"))
        sent = os.urandom(8_000_000)
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as peer:
            def say():
                peer.sendall(sent)
                peer.shutdown(socket.SHUT_WR)
            speaker = threading.Thread(target=say)
            speaker.start()
            heard = read_all(peer)
            speaker.join()
        self.assertTrue(heard == sent, (len(heard), len(sent)))

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed (tools/deps --tests)")
    def test_curl_speaks_https_to_a_service_on_a_unix_socket(self):
        path = self.dir / "web.sock"

        def serve(peer):
            self.assertTrue(peer.recv(65536).startswith(b"GET /x HTTP/1.1\r\n"))
            peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello\n")
        Target(self, serve, path)
        port = self.wrap(f"unix:{path}", "--alpn", "http/1.1")
        done = subprocess.run(["curl", "-sS", "-v", "--cacert", self.dir / "main.pem", "--resolve", f"{NAME}:{port}:127.0.0.1",
                               f"https://{NAME}:{port}/x"], capture_output=True, timeout=WAIT_SECONDS)
        self.assertEqual(done.stdout, b"hello\n", done.stderr)
        self.assertRegex(done.stderr, b"accepted (to use )?http/1.1")

    def test_clients_need_a_certificate_with_a_permitted_name(self):
        self.make("good", "good.test.invalid")
        self.make("bad", "bad.test.invalid")
        both = self.dir / "both.pem"
        both.write_bytes((self.dir / "good.pem").read_bytes() + (self.dir / "bad.pem").read_bytes())
        target = Target(self, lambda peer: peer.sendall(b"inside\n"))
        port = self.wrap(f"127.0.0.1:{target.port}", "--authorities", both, "--client-name", "good.test.invalid")
        with self.connect_tls(port, load_cert_chain=(self.dir / "good.pem", self.dir / "good.key")) as peer:
            self.assertEqual(peer.recv(100), b"inside\n")
        for stem in ("bad", None):
            with self.assertRaises((ssl.SSLError, OSError)):
                more = {"load_cert_chain": (self.dir / f"{stem}.pem", self.dir / f"{stem}.key")} if stem else {}
                with self.connect_tls(port, **more) as peer:
                    if not peer.recv(100):
                        raise ConnectionResetError("closed")
        self.logged(r"certificate=CN.*good|certificate=\"CN=good")
        self.logged("for nobody permitted")

    def test_a_target_whose_certificate_is_for_another_is_not_spoken_to(self):
        heard = []
        target = Target(self, lambda peer: heard.append(read_all(peer)))
        wrapped = self.wrap(f"127.0.0.1:{target.port}")
        port = self.tunnel("--connect", f"127.0.0.1:{wrapped}", "--tls-connect", "other.test.invalid", "--authorities",
                           self.dir / "main.pem")
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as peer:
            peer.sendall(b"secret")
            try:
                self.assertEqual(read_all(peer), b"")
            except ConnectionResetError:
                pass
        self.logged("the certificate is not for other.test.invalid")
        self.assertEqual(heard, [])

    @unittest.skipUnless(HAPROXY, "haproxy is not installed (tools/deps --tests)")
    def test_haproxy_is_told_who_is_there(self):
        behind = free_port()
        config = self.dir / "haproxy.cfg"
        config.write_text(f"""defaults
 mode http
 timeout connect 30s
 timeout client 60s
 timeout server 60s
frontend f
 bind 127.0.0.1:{behind} accept-proxy
 http-request return status 200 content-type text/plain lf-string "%[src] %[fc_pp_authority]"
""")
        proxy = subprocess.Popen([HAPROXY, "-f", config, "-db"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(end, proxy)
        eventually(lambda: reachable(behind) or proxy.poll() is not None, "haproxy listens")
        for version, said in (("v1", b"192.0.2.7 "), ("v2", b"192.0.2.7 " + NAME.encode())):
            port = self.wrap(f"127.0.0.1:{behind}", "--send-proxy", version, "--accept-proxy", "127.0.0.1")
            plain = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)
            plain.sendall(v1("192.0.2.7"))
            context = ssl.create_default_context(cafile=str(self.dir / "main.pem"))
            with context.wrap_socket(plain, server_hostname=NAME) as peer:
                peer.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
                self.assertEqual(read_all(peer).split(b"\r\n\r\n")[1], said)

    @unittest.skipUnless(STUNNEL, "stunnel4 is not installed (tools/deps --tests)")
    def test_stunnel_on_either_side(self):
        target = Target(self, lambda peer: peer.sendall(b"said: " + peer.recv(1000)))
        wrapped = self.wrap(f"127.0.0.1:{target.port}")
        server, client = free_port(), free_port()
        config = self.dir / "stunnel.conf"
        config.write_text(f"""foreground = yes
pid =
[server]
accept = 127.0.0.1:{server}
connect = 127.0.0.1:{target.port}
cert = {self.dir}/main.pem
key = {self.dir}/main.key
[client]
client = yes
accept = 127.0.0.1:{client}
connect = 127.0.0.1:{wrapped}
verifyChain = yes
checkHost = {NAME}
CAfile = {self.dir}/main.pem
""")
        other = subprocess.Popen([STUNNEL, config], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(end, other)
        eventually(lambda: (reachable(client) and reachable(server)) or other.poll() is not None, "stunnel listens")
        for port in (client, self.unwrap(server)):
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as peer:
                peer.sendall(b"hello")
                self.assertEqual(read_all(peer), b"said: hello")

    def test_wrong_use_is_told(self):
        for arguments, code, said in (
                (("--listen", "127.0.0.1:0", "--connect", "127.0.0.1:1"), USAGE, "needs --tls-listen or --tls-connect"),
                (("--listen", "x", "--connect", "127.0.0.1:1", "--tls-connect", "a.b"), USAGE, "--listen must be"),
                (("--listen", "127.0.0.1:0", "--connect", "127.0.0.1:1", "--tls-listen", "/x"), USAGE, "go together"),
                (("--listen", "127.0.0.1:0", "--connect", "127.0.0.1:1", "--tls-listen", "/x", "--private-key", "/y"), CONFIGURATION,
                 "/x cannot be read")):
            done = self.run_program("tunnel", *arguments)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(said, done.stderr.decode())


class Configured(TunnelCase):
    """[[tunnel]] within a server."""

    def configure(self, more=""):
        self.write_config(extra=f"""[tls]
certificate = "{self.dir}/main.pem"
private_key = "{self.dir}/main.key"
[[tunnel]]
address = "127.0.0.1:{self.wrapped}"
name = "web"
{more}
""")

    def setUp(self):
        super().setUp()
        self.wrapped = free_port()
        self.one = Target(self, lambda peer: peer.sendall(b"one\n"))
        self.two = Target(self, lambda peer: peer.sendall(b"two\n"))

    def ask(self, name, stem):
        with self.connect_tls(self.wrapped, name, stem) as peer:
            return peer.recv(100)

    def servers(self):
        return f"""[[tunnel.server]]
names = ["two.test.invalid"]
connect = "127.0.0.1:{self.two.port}"
certificate = "{self.dir}/two.pem"
private_key = "{self.dir}/two.key"
"""

    def test_names_have_their_certificates_and_targets(self):
        self.make("two", "two.test.invalid")
        self.configure(f'connect = "127.0.0.1:{self.one.port}"\n' + self.servers())
        self.serve()
        self.assertEqual(self.ask(NAME, "main"), b"one\n")
        self.assertEqual(self.ask("two.test.invalid", "two"), b"two\n")
        metrics = subprocess.run(["curl", "-sS", "--unix-socket", self.dir / "data/control.sock", "http://localhost/metrics"],
                                 capture_output=True, timeout=WAIT_SECONDS).stdout.decode() if shutil.which("curl") else ""
        if metrics:
            self.assertIn('ringmail_tunnel_octets_total{to="client"} 8', metrics)

    def test_a_reload_changes_what_comes_next(self):
        self.make("two", "two.test.invalid")
        self.configure(f'connect = "127.0.0.1:{self.one.port}"\n')
        child = self.serve()
        self.assertEqual(self.ask(NAME, "main"), b"one\n")
        # Without a default: unknown names are refused.
        self.configure(self.servers())
        child.send_signal(signal.SIGHUP)
        eventually(lambda: self.count("event=reloaded"), "it has read the configuration")
        self.assertEqual(self.ask("two.test.invalid", "two"), b"two\n")
        with self.assertRaisesRegex(ssl.SSLError, "(?i)unrecognized.name"):
            self.ask(NAME, "main")
        self.stop(child)

    def test_a_tunnel_in_front_of_its_own_server(self):
        self.configure(f'connect = "127.0.0.1:{self.port}"\nsend_proxy = "v2"\n')
        text = self.config.read_text()
        self.config.write_text(text.replace(f':{self.port}"\n', f':{self.port}"\nproxy_protocol = ["127.0.0.1"]\n', 1))
        child = self.serve()
        plain = socket.create_connection(("127.0.0.1", self.wrapped), timeout=WAIT_SECONDS, source_address=("127.0.0.3", 0))
        context = ssl.create_default_context(cafile=str(self.dir / "main.pem"))
        with context.wrap_socket(plain, server_hostname=NAME) as peer:
            self.assertTrue(peer.recv(4096).startswith(b"220 "))
            peer.sendall(b"QUIT\r\n")
            self.assertTrue(read_all(peer).startswith(b"221 "))
        self.logged(r"event=tunnel listener=web client=127\.0\.0\.3:")
        self.stop(child)


if __name__ == "__main__":
    unittest.main()
