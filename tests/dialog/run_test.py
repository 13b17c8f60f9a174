#!/usr/bin/env python3
"""Tests of run.py, against the toy server that toy_server.cc is in the simulator."""

import os
import pathlib
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SETTINGS = ["--set", "host=toy.example", "--have", "greeting=hello"]


class Toy(socketserver.StreamRequestHandler):
    connections = 0

    def say(self, text):
        self.wfile.write(text.encode("latin-1") + b"\r\n")

    def handle(self):
        Toy.connections += 1
        self.say("220 toy.example at your service, hello")
        for line in self.rfile:
            verb, _, rest = line.decode("latin-1").removesuffix("\r\n").partition(" ")
            if verb == "ECHO":
                self.say("250 " + rest)
            elif verb == "LINES":
                for i in range(1, int(rest) + 1):
                    self.say(f"250{'-' if i < int(rest) else ' '}line {i}")
            elif verb == "COUNT":
                self.say(f"250 {Toy.connections}")
            elif verb == "SLEEP":
                time.sleep(float(rest) / 100)
                self.say("250 slept")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("500 what?")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class RunTest(unittest.TestCase):
    def setUp(self):
        Toy.connections = 0
        self.server = Server(("127.0.0.1", 0), Toy)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.folder = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()

    def run_files(self, *files, more=()):
        address = "%s:%d" % self.server.server_address
        command = [sys.executable, HERE / "run.py", "--server", address, *SETTINGS, *more, *files]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def run_text(self, text, more=()):
        path = pathlib.Path(self.folder.name) / "t.dialog"
        path.write_text("title: t\n" + text)
        return self.run_files(path, more=more)

    def test_holds_the_conversation_that_the_simulator_holds(self):
        done = self.run_files(HERE / "self")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("1 held, 0 failed, 0 skipped, 1 expectations not checked", done.stdout)

    def test_says_where_a_conversation_went_otherwise(self):
        for text, what in [
            ("S: 221 no\n", "t.dialog:2: the server said: 220 toy.example"),
            ("S: 220 {*}\nC: ECHO a\nS: 250 b\n", "t.dialog:4: the server said: 250 a"),
            ("S: 220 {*}\nC: ECHO a\n", "the server said more"),
            ("S: 220 {*}\npatience 50ms\nS: 250 b\n", "t.dialog:4: no answer"),
            ("S: 220 {*}\nC: QUIT\nS: 221 bye\nC: ECHO\nS: 250\n", "the server closed"),
            ("S: 220 {*}\npatience 50ms\nclosed\n", "the server did not close"),
            ("S: 220 {*}\nC: ECHO a\nquiet 1s\n", "where it should be quiet: 250 a"),
            ("S: {nobody}\n", "no variable"),
        ]:
            done = self.run_text(text)
            self.assertEqual(done.returncode, 1, text + done.stdout)
            self.assertIn(what, done.stdout)

    def test_names_file_and_line_of_what_it_does_not_understand(self):
        for wrong in ["X: y", "wait", "wait 5", "expect-x y", "connection", "closed now", "config: a"]:
            done = self.run_text(wrong + "\n")
            self.assertEqual(done.returncode, 2, wrong)
            self.assertIn("t.dialog:2: ", done.stderr)

    def test_skips_what_the_server_is_not_configured_for(self):
        done = self.run_text("config: greeting = other\nS: 220\n")
        self.assertIn("skipped", done.stdout)
        self.assertEqual(done.returncode, 2, "nothing was held")

    def test_asks_a_program_what_the_server_has_done(self):
        for program, status in [("true", 0), ("false", 1)]:
            path = next(p for p in (f"/bin/{program}", f"/usr/bin/{program}") if os.path.exists(p))
            done = self.run_text("S: 220 {*}\nexpect-echoes: 0\n", more=["--expect-command", path])
            self.assertEqual(done.returncode, status, done.stdout)


if __name__ == "__main__":
    unittest.main()
