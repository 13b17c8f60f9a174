#!/usr/bin/env python3
"""Programs that we did not write, on both sides: swaks, curl, Python's smtplib, netcat and Postfix's smtp-source send through
the relay; our sink or Postfix's smtp-sink takes. What arrives is, below the one Received field of ours, what was sent.

A program that the machine lacks is skipped by name.
"""

import email.message
import email.policy
import hashlib
import os
import re
import shutil
import smtplib
import subprocess
import unittest

from server_test import WAIT_SECONDS, ServerCase, eventually, reachable


def needs(program):
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed (tools/deps --tests)")


class Clients(ServerCase):
    def setUp(self):
        super().setUp()
        self.store = self.dir / "sink"
        self.taker = self.sink(self.store)
        self.serve()

    def arrivals(self, count):
        """The stored contents without our Received field, once there are `count` and the queue is empty."""
        eventually(lambda: len(list(self.store.glob("*.eml"))) >= count and not self.queued(), f"{count} messages arrived")
        contents = []
        for path in sorted(self.store.glob("*.eml"), key=lambda p: int(p.stem)):
            content = path.read_bytes()
            trace = re.match(rb"Received: [^\r\n]+\r\n(?:[ \t][^\r\n]+\r\n)*", content)
            self.assertTrue(trace, content[:200])
            self.assertIn(b"by relay.test.invalid", trace.group())
            contents.append(content[trace.end():])
        self.assertEqual(len(contents), count)
        return contents

    def check(self, done):
        self.assertEqual(done.returncode, 0, f"{done.args}: {done.stdout}{done.stderr}")

    def call(self, *arguments, **more):
        done = subprocess.run([str(a) for a in arguments], capture_output=True, timeout=4 * WAIT_SECONDS, **more)
        self.check(done)
        return done

    @needs("swaks")
    def test_swaks_with_an_attachment(self):
        blob = self.dir / "blob.bin"
        blob.write_bytes(os.urandom(200_000))
        self.call("swaks", "--server", "127.0.0.1", "--port", self.port, "--from", "a@test.invalid", "--to",
                  "b@dest.invalid,c@dest.invalid", "--attach", f"@{blob}", "--body", "see\n.\n..attached", "--hide-all")
        [content] = self.arrivals(1)
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        parts = [part for part in parsed.walk() if not part.is_multipart()]
        self.assertIn(".\n..attached", parts[0].get_content().replace("\r\n", "\n"))
        self.assertEqual(parts[1].get_payload(decode=True), blob.read_bytes())

    @needs("swaks")
    def test_swaks_pipelined(self):
        self.call("swaks", "--server", "127.0.0.1", "--port", self.port, "--from", "a@test.invalid", "--to", "b@dest.invalid",
                  "--pipeline", "--body", "pipelined", "--hide-all")
        [content] = self.arrivals(1)
        self.assertIn(b"\r\n\r\npipelined\r\n", content)

    @needs("curl")
    def test_curl(self):
        message = b"From: a@test.invalid\r\nTo: b@dest.invalid\r\nSubject: curl\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"
        file = self.dir / "message"
        file.write_bytes(message)
        self.call("curl", "--silent", "--show-error", f"smtp://127.0.0.1:{self.port}/client.test.invalid", "--mail-from",
                  "a@test.invalid", "--mail-rcpt", "b@dest.invalid", "--mail-rcpt", "c@dest.invalid", "--upload-file", file)
        [content] = self.arrivals(1)
        self.assertEqual(content, message)

    def test_smtplib_large_and_eight_bit(self):
        line = "Größe und Maß \N{SNOWMAN} ".encode() * 2 + b"\r\n"
        message = b"Subject: large\r\n\r\n" + line * (20_000_000 // len(line))
        with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
            client.sendmail("a@test.invalid", ["b@dest.invalid"], message, mail_options=["BODY=8BITMIME"])
        [content] = self.arrivals(1)
        self.assertEqual(hashlib.sha256(content).digest(), hashlib.sha256(message).digest())

    def test_dots_at_every_line_of_a_large_message_go_in_by_data_and_by_bdat(self):
        # Octets and dots both fill what the store takes at once, in the middle of what arrived together.
        for line in (b".\r\n", b".." + b"x" * 70 + b"\r\n", b".y\r\nz" + b"z" * 150 + b"\r\n"):
            message = b"Subject: dots\r\n\r\n" + line * (1_500_000 // len(line))
            with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
                self.assertEqual(client.sendmail("a@test.invalid", ["b@dest.invalid"], message), {})
                self.assertEqual(client.mail("a@test.invalid")[0], 250)
                self.assertEqual(client.rcpt("b@dest.invalid")[0], 250)
                client.send(b"BDAT %d LAST\r\n" % len(message) + message)
                self.assertEqual(client.getreply()[0], 250)
            by_data, by_bdat = self.arrivals(2)
            self.assertEqual(hashlib.sha256(by_data).digest(), hashlib.sha256(message).digest())
            self.assertEqual(hashlib.sha256(by_bdat).digest(), hashlib.sha256(message).digest())
            for path in self.store.iterdir():
                path.unlink()

    def test_smtplib_internationalized(self):
        message = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
        message["From"], message["To"], message["Subject"] = "jörg@test.invalid", "δοκιμή@dest.invalid", "größer"
        message.set_content("δοκιμή")
        with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
            client.send_message(message)
        [content] = self.arrivals(1)
        self.assertIn("δοκιμή@dest.invalid".encode(), content)
        [envelope] = [p.read_text() for p in self.store.glob("*.envelope")]
        self.assertIn("SMTPUTF8", envelope)
        self.assertIn("jörg@test.invalid", envelope)

    def test_smtplib_many_recipients_go_in_few_transactions(self):
        recipients = [f"r{n}@dest.invalid" for n in range(250)]
        with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
            self.assertEqual(client.sendmail("a@test.invalid", recipients, b"Subject: many\r\n\r\nx\r\n"), {})
        contents = self.arrivals(3)  # a hundred recipients each (RFC 5321 §4.5.3.1.8)
        self.assertEqual(set(contents), {b"Subject: many\r\n\r\nx\r\n"})
        named = re.findall(r"<(r\d+@dest\.invalid)>", "".join(p.read_text() for p in self.store.glob("*.envelope")))
        self.assertEqual(sorted(named), sorted(recipients))

    @needs("nc")
    def test_typed_by_hand(self):
        typed = ("HELO me\n", "MAIL FROM:<a@test.invalid>\n", "RCPT TO:<b@dest.invalid>\n", "DATA\n",
                 "Subject: by hand\n\nhello\n.\n", "QUIT\n")
        with subprocess.Popen(["nc", "-C", "127.0.0.1", str(self.port)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as nc:
            said = [nc.stdout.readline()]
            for words in typed:
                nc.stdin.write(words.encode())
                nc.stdin.flush()
                said.append(nc.stdout.readline())
            nc.stdin.close()
            nc.wait(WAIT_SECONDS)
        self.assertEqual([line[:3] for line in said], [b"220", b"250", b"250", b"250", b"354", b"250", b"221"], said)
        [content] = self.arrivals(1)
        self.assertEqual(content, b"Subject: by hand\r\n\r\nhello\r\n")

    @needs("smtp-source")
    def test_smtp_source_on_kept_and_on_new_connections(self):
        for keep in ([], ["-d"]):
            self.call("smtp-source", *keep, "-s", 20, "-m", 500, "-l", 4096, "-f", "a@test.invalid", "-t", "b@dest.invalid",
                      f"127.0.0.1:{self.port}")
        contents = self.arrivals(1000)
        self.assertTrue(all(len(content) >= 4096 for content in contents))


@needs("smtp-sink")
class Sinks(ServerCase):
    """Postfix's sink as the next hop, honest and not."""

    def smtp_sink(self, *options):
        dump = self.dir / "dump"
        dump.mkdir(exist_ok=True)
        sink = subprocess.Popen(["smtp-sink", "-u", "root", *options, "-d", f"{dump}/%M.", f"127.0.0.1:{self.next_port}", "100"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(sink.wait)
        self.addCleanup(sink.kill)
        eventually(lambda: reachable(self.next_port), "smtp-sink listens")
        return dump

    def deliver(self, count=20):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
            for n in range(count):
                client.sendmail("a@test.invalid", ["b@dest.invalid"], b"Subject: %d\r\n\r\n.dot\r\n" % n)

    def test_an_honest_sink(self):
        dump = self.smtp_sink()
        self.serve()
        self.deliver()
        eventually(lambda: not self.queued(), "all are delivered")
        dumped = b"".join(path.read_bytes() for path in dump.iterdir())
        self.assertEqual(len(set(re.findall(rb"^Subject: \d+", dumped, re.MULTILINE))), 20)
        self.assertIn(b"\n.dot", dumped)

    @needs("smtp-source")
    def test_smtp_source_to_smtp_sink_on_kept_and_on_new_connections(self):
        dump = self.smtp_sink()
        self.config.write_text(self.config.read_text() + "[destination]\nmessages_per_connection = 7\n")
        self.serve()
        for subject, keep in (("kept", ["-d"]), ("new", [])):
            done = subprocess.run(["smtp-source", *keep, "-s", "10", "-m", "300", "-l", "2000", "-S", subject, "-f",
                                   "a@test.invalid", "-t", "b@dest.invalid", f"127.0.0.1:{self.port}"], capture_output=True,
                                  timeout=4 * WAIT_SECONDS)
            self.assertEqual(done.returncode, 0, done.stderr)
        eventually(lambda: not self.queued(), "all are delivered")
        dumped = b"".join(path.read_bytes() for path in dump.iterdir())
        self.assertEqual(dumped.count(b"Subject: kept"), 300)
        self.assertEqual(dumped.count(b"Subject: new"), 300)

    def test_a_sink_that_knows_no_ehlo(self):
        self.smtp_sink("-e")
        self.serve()
        self.deliver()
        eventually(lambda: not self.queued(), "all are delivered by HELO")

    def test_a_sink_that_puts_every_recipient_off_loses_nothing(self):
        self.smtp_sink("-r", "RCPT")  # 450
        self.serve()
        self.deliver(3)
        eventually(lambda: self.count("event=deferred") >= 3, "all are deferred")
        self.assertEqual([m["attempts"] for m in self.queued()], [1, 1, 1])

    def test_a_sink_that_disconnects_at_data_loses_nothing(self):
        self.smtp_sink("-q", "DATA")
        self.serve()
        self.deliver(3)
        eventually(lambda: self.count("event=deferred") >= 1, "the disconnection is told")
        self.assertEqual(len(self.queued()), 3)


del ServerCase

if __name__ == "__main__":
    unittest.main(verbosity=2)
