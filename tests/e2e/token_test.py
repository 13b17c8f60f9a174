#!/usr/bin/env python3
"""Access tokens as their issuer's own server has them judged: the real program asks a Python https server, which is started,
stopped and changed in between. Keys are made and tokens signed by openssl."""

import base64
import http.server
import json
import shutil
import smtplib
import ssl
import subprocess
import threading
import time
import unittest
import urllib.parse

from ports import free_port
from server_test import OK, WAIT_SECONDS, ServerCase, eventually

NAME, BOB = "localhost", "bob@example.org"
ISSUER = "https://id.example.org"


def url64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Issuer:
    """A key of P-256 under a kid, and what it signs."""

    def __init__(self, folder, kid):
        self.kid, self.key = kid, folder / f"{kid}.key"
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key], check=True, capture_output=True)
        der = subprocess.run(["openssl", "ec", "-in", self.key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        self.jwk = {"kty": "EC", "crv": "P-256", "kid": kid, "x": url64(der[-64:-32]), "y": url64(der[-32:])}

    def token(self, **claims):
        claims = {"iss": ISSUER, "aud": "ringmail", "email": BOB, "exp": int(time.time()) + 3600, **claims}
        text = url64(json.dumps({"alg": "ES256", "kid": self.kid}).encode()) + "." + url64(json.dumps(claims).encode())
        der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), check=True, capture_output=True).stdout
        signature, at = b"", 2
        for _ in range(2):
            number = der[at + 2:at + 2 + der[at + 1]]
            signature += number.lstrip(b"\0").rjust(32, b"\0")
            at += 2 + der[at + 1]
        return text + "." + url64(signature)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        case = self.server.case
        if case.web is None:
            # A connection that outlived its server.
            self.close_connection = True
            return
        case.asked.append((self.command, self.path, dict(self.headers), body))
        code, said = case.says(body)
        out = json.dumps(said).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
class Tokens(ServerCase):
    def setUp(self):
        super().setUp()
        self.web_port, self.asked = free_port(), []
        self.says = lambda body: (500, {})
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        self.dir / "key.pem", "-out", self.dir / "cert.pem", "-days", "30", "-subj", f"/CN={NAME}", "-addext",
                        f"subjectAltName=DNS:{NAME},IP:127.0.0.1"], check=True, capture_output=True)
        self.web = None
        (self.dir / "token.secret").write_text("s&cret word\n")

    def configure(self, token, host="127.0.0.1"):
        self.config.write_text(f"""hostname = "{NAME}"
data_dir = "{self.dir}/data"
shards = 1
[[listener]]
address = "127.0.0.1:{self.port}"
protocol = "submission"
[tls]
certificate = "{self.dir}/cert.pem"
private_key = "{self.dir}/key.pem"
[authentication]
failure_delay = "0s"
failure_delay_max = "0s"
failures_per_network = 0
[token]
authorities = "{self.dir}/cert.pem"
server_timeout = "5s"
{token.replace("URL", f"https://{host}:{self.web_port}")}
[log]
path = "{self.log}"
[store]
segment_size = "2MiB"
""")
        self.serve()
        for arguments, secret in ((("domain", "add", "example.org"), b""), (("account", "add", BOB), b"secret\n")):
            done = self.run_program(*arguments, "--config", self.config, stdin=secret)
            self.assertEqual(done.returncode, OK, done.stderr)

    def open_web(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.dir / "cert.pem", self.dir / "key.pem")
        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", self.web_port), Handler, bind_and_activate=False)
        self.web.case, self.web.daemon_threads, self.web.allow_reuse_address = self, True, True
        self.web.server_bind()
        self.web.server_activate()
        self.web.socket = context.wrap_socket(self.web.socket, server_side=True)
        threading.Thread(target=self.web.serve_forever, daemon=True).start()
        self.addCleanup(self.close_web)

    def close_web(self):
        if self.web is not None:
            web, self.web = self.web, None
            web.shutdown()
            web.server_close()

    def login(self, token, name=BOB):
        """The reply's code and enhanced code to OAUTHBEARER."""
        context = ssl.create_default_context(cafile=str(self.dir / "cert.pem"))
        with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
            client._host = NAME
            client.starttls(context=context)
            client.ehlo()
            self.assertIn("OAUTHBEARER", client.esmtp_features["auth"].split())
            first = f"n,a={name},\x01auth=Bearer {token}\x01\x01"
            code, text = client.docmd("AUTH", "OAUTHBEARER " + base64.b64encode(first.encode()).decode())
            if code == 334:
                code, text = client.docmd(base64.b64encode(b"\x01").decode())
            return f"{code} {text.split()[0].decode()}"

    def keys(self, *issuers):
        self.says = lambda body: (200, {"keys": [one.jwk for one in issuers]})

    def test_keys_are_fetched_once_and_again_for_a_key_that_is_new(self):
        one, two = Issuer(self.dir, "one"), Issuer(self.dir, "two")
        self.configure(f'jwks_url = "URL/jwks"\nissuer = "{ISSUER}"\naudience = ["ringmail"]')
        # Nobody is there: that is no fault of the token's.
        self.assertEqual(self.login(one.token()), "454 4.7.0")
        eventually(lambda: self.count("event=token_server_failed"), "the log tells")
        self.open_web()
        self.keys(one)
        # Asked again half a minute later; who reloads does not wait for that.
        self.reload(self.server_child)
        self.assertEqual(self.login(one.token()), "235 2.7.0")
        self.assertEqual(self.login(one.token()), "235 2.7.0")
        self.assertEqual([request[:2] for request in self.asked], [("GET", "/jwks")])
        self.assertEqual(self.login(one.token(aud="another")), "535 5.7.8")
        self.assertEqual(self.login(one.token(email="nobody@example.org"), "nobody@example.org"), "535 5.7.8")
        self.assertEqual(self.login(one.token(exp=int(time.time()) - 600)), "535 5.7.8")
        self.assertEqual(self.login(two.token()), "535 5.7.8")
        # No sooner than half a minute after the last time.
        self.keys(one, two)
        eventually(lambda: self.login(two.token()) == "235 2.7.0", "the new key is known")
        # What was fetched lives on without its server.
        self.close_web()
        self.assertEqual(self.login(one.token()), "235 2.7.0")

    def serve(self, *arguments, **more):
        self.server_child = super().serve(*arguments, **more)
        return self.server_child

    def test_a_server_under_another_name_is_not_believed(self):
        one = Issuer(self.dir, "one")
        subprocess.run(["openssl", "req", "-x509", "-key", self.dir / "key.pem", "-out", self.dir / "cert.pem", "-days", "30", "-subj",
                        "/CN=other.invalid", "-addext", f"subjectAltName=DNS:{NAME}"], check=True, capture_output=True)
        self.open_web()
        self.keys(one)
        self.configure(f'jwks_url = "URL/jwks"\nissuer = "{ISSUER}"\naudience = ["ringmail"]')
        self.assertEqual(self.login(one.token()), "454 4.7.0")
        self.assertEqual(self.asked, [])
        eventually(lambda: self.count("no TLS with 127.0.0.1"), "the log tells")

    def test_introspection_judges_and_is_remembered(self):
        tokens = {"good+token/=": {"active": True, "email": BOB, "scope": "a mail"}, "short": {"active": True, "email": BOB, "scope": "a"},
                  "past": {"active": True, "email": BOB, "scope": "mail", "exp": 1000}}
        self.says = lambda body: (200, tokens.get(urllib.parse.parse_qs(body)["token"][0], {"active": False}))
        self.open_web()
        self.configure(f'introspection_url = "URL/introspect?x=y"\nclient_id = "the mail"\nclient_secret = "{self.dir}/token.secret"\n'
                       'scope = "mail"\ncache_time = "1h"')
        self.assertEqual(self.login("good+token/="), "235 2.7.0")
        [(method, path, headers, body)] = self.asked
        self.assertEqual((method, path), ("POST", "/introspect?x=y"))
        self.assertEqual(headers["Content-Type"], "application/x-www-form-urlencoded")
        pair = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode().split(":")
        self.assertEqual([urllib.parse.unquote(one) for one in pair], ["the mail", "s&cret word"])
        self.assertEqual(urllib.parse.parse_qs(body), {"token": ["good+token/="], "token_type_hint": ["access_token"]})
        for bad in ("short", "past", "never"):
            self.assertEqual(self.login(bad), "535 5.7.8", bad)
        self.assertEqual(len(self.asked), 4)
        # What was said is known for a while, and what was not cannot be.
        self.close_web()
        self.assertEqual(self.login("good+token/="), "235 2.7.0")
        self.assertEqual(self.login("never"), "535 5.7.8")
        self.assertEqual(self.login("another"), "454 4.7.0")
        self.assertEqual(len(self.asked), 4)
        eventually(lambda: self.count("why=token_server"), "the log tells")
        log = self.log.read_text()
        self.assertNotIn("good+token/=", log)
        self.assertNotIn("s&cret", log)

    def test_an_authority_that_does_not_know_us_says_nothing_about_tokens(self):
        self.open_web()
        self.says = lambda body: (401, {"error": "invalid_client"})
        self.configure(f'introspection_url = "URL/i"\nclient_id = "m"\nclient_secret = "{self.dir}/token.secret"')
        self.assertEqual(self.login("token"), "454 4.7.0")
        eventually(lambda: self.count("it does not take our client_id and secret"), "the log tells")


if __name__ == "__main__":
    unittest.main(verbosity=2)
