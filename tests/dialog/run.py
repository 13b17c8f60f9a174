#!/usr/bin/env python3
"""Holds the conversations of .dialog files with a real server over TCP.

  tests/dialog/run.py --server 127.0.0.1:2525 --set host=mx.example.org --have relay=no tests/dialog/smtp

The format is in tests/dialog/README.md. A file whose config: lines are not all named by --have is skipped and counted, since
this program does not configure the server; so is one that waits longer than --wait-max. expect-…: lines cannot be checked
from outside: they are counted, or answered by --expect-command, which is run with the key and the value and says by its exit
status whether it is so.

Exit status: 0 all conversations went as written, 1 some did not, 2 wrong usage or an unreadable file.
"""

import argparse
import pathlib
import re
import socket
import subprocess
import sys
import time

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
REPEATED_BYTES_MAX = 64 << 20


class Malformed(Exception):
    pass


class Wrong(Exception):
    pass


def parse_time(text):
    match = re.fullmatch(r"([0-9]+)(ms|s|m|h)", text)
    if not match:
        raise Malformed("needs a time such as 100ms, 5s, 10m or 1h")
    return int(match[1]) * UNITS[match[2]]


def after(line):
    rest = line[2:]
    return rest[1:] if rest.startswith(" ") else rest


class Step:
    def __init__(self, kind, line, text="", key="", seconds=0.0):
        self.kind, self.line, self.text, self.key, self.seconds = kind, line, text, key, seconds


class Dialog:
    def __init__(self, name, text):
        self.name, self.title, self.config, self.steps = name, "", [], []
        for number, line in enumerate(text.split("\n"), 1):
            try:
                self.take(number, line.removesuffix("\r"))
            except Malformed as error:
                raise Malformed(f"{name}:{number}: {error}") from None
        if not self.title:
            raise Malformed(f"{name}: has no title:")
        if not self.steps:
            raise Malformed(f"{name}: says nothing")

    def take(self, number, line):
        if not line.strip() or line.startswith("#"):
            return
        if line.startswith("C:"):
            self.steps.append(Step("send", number, after(line) + "\\r\\n"))
        elif line.startswith("C+"):
            self.steps.append(Step("send", number, after(line)))
        elif line.startswith("S:"):
            self.steps.append(Step("line", number, after(line)))
        elif line.startswith("S*"):
            self.steps.append(Step("lines", number, after(line)))
        elif line.startswith("title:"):
            self.title = line[6:].strip()
        elif line.startswith("config:"):
            key, equals, value = line[7:].partition("=")
            if not equals:
                raise Malformed("config: needs KEY = VALUE")
            if self.steps:
                raise Malformed("config: stands before the conversation")
            self.config.append((key.strip(), value.strip()))
        else:
            self.take_directive(number, line.strip())

    def take_directive(self, number, line):
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if word in ("wait", "quiet", "patience"):
            self.steps.append(Step(word, number, seconds=parse_time(rest)))
        elif word.startswith("expect-") and word.endswith(":"):
            self.steps.append(Step("expect", number, rest, key=word[7:-1]))
        elif word == "connection" and rest:
            self.steps.append(Step("connection", number, rest))
        elif word in ("pause", "closed", "shutdown", "close") and not rest:
            self.steps.append(Step(word, number))
        else:
            raise Malformed(f"not understood: {line}")


def escape(text, at, out):
    """Appends the escape at text[at] to out; returns where it ends."""
    following = text[at + 1 : at + 2]
    if following and following in ESCAPES:
        out += ESCAPES[following]
        return at + 2
    digits = text[at + 2 : at + 4]
    if following == "x" and re.fullmatch("[0-9a-fA-F]{2}", digits):
        out.append(int(digits, 16))
        return at + 4
    raise Malformed("unknown escape")


def brace(inside, variables):
    """What stands between braces: bytes, or one of * + d."""
    if inside in ("*", "+", "d"):
        return inside
    count, star, unit = inside.partition("*")
    if star:
        out = bytearray()
        at = 0
        while at < len(unit):
            if unit[at] == "\\":
                at = escape(unit, at, out)
            else:
                out += unit[at].encode()
                at += 1
        if not re.fullmatch("[0-9]+", count) or not out or int(count) * len(out) > REPEATED_BYTES_MAX:
            raise Malformed(f"cannot repeat {{{inside}}}")
        return bytes(out) * int(count)
    if inside not in variables:
        raise Malformed(f"no variable {{{inside}}}")
    return variables[inside].encode()


def tokens(text, variables):
    """Literal pieces as bytes, placeholders as one of * + d."""
    pieces = []
    literal = bytearray()
    at = 0
    while at < len(text):
        if text[at : at + 2] in ("{{", "}}"):
            literal += text[at].encode()
            at += 2
        elif text[at] == "{":
            end = text.find("}", at)
            if end < 0:
                raise Malformed("{ without }")
            piece = brace(text[at + 1 : end], variables)
            at = end + 1
            if isinstance(piece, bytes):
                literal += piece
            else:
                pieces += [bytes(literal), piece]
                literal = bytearray()
        elif text[at] == "\\":
            at = escape(text, at, literal)
        else:
            literal += text[at].encode()
            at += 1
    return pieces + [bytes(literal)]


def expand(text, variables):
    pieces = tokens(text, variables)
    if len(pieces) != 1:
        raise Malformed("a placeholder has no place in what the client says")
    return pieces[0]


def pattern(text, variables):
    expressions = {"*": b".*", "+": b".+", "d": b"[0-9]+"}
    parts = [expressions[p] if isinstance(p, str) else re.escape(p) for p in tokens(text, variables)]
    return re.compile(b"".join(parts), re.DOTALL)


class Peer:
    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending, self.unsent, self.ended = b"", b"", False

    def receive(self, deadline):
        self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            piece = self.socket.recv(65536)
            self.ended = not piece
            self.pending += piece
        except TimeoutError:
            pass
        except OSError:
            self.ended = True

    def send(self, seconds):
        bytes_, self.unsent = self.unsent, b""
        if not bytes_:
            return
        self.socket.settimeout(seconds)
        try:
            self.socket.sendall(bytes_)
        except OSError:
            # What a server that closed no longer takes is no fault of the conversation: the next S line tells.
            pass

    def next_line(self, seconds):
        deadline = time.monotonic() + seconds
        while True:
            line, end, _ = self.pending.partition(b"\r\n")
            if end:
                return line
            if self.ended or time.monotonic() >= deadline:
                return None
            self.receive(deadline)


def show(bytes_):
    return bytes_.decode("utf-8", "backslashreplace")


class Conversation:
    def __init__(self, dialog, options):
        self.dialog, self.options = dialog, options
        self.peers, self.current = {}, "1"
        self.patience, self.transcript, self.unchecked = 10.0, [], 0

    def peer(self):
        if self.current not in self.peers:
            try:
                self.peers[self.current] = Peer(self.options.address)
            except OSError as error:
                raise Wrong(f"cannot connect: {error}") from None
        return self.peers[self.current]

    def send(self, peer):
        if peer.unsent:
            self.transcript.append("C: " + show(peer.unsent))
        peer.send(self.patience)

    def heard(self, step, peer):
        wanted = pattern(step.text, self.options.variables)
        while True:
            line = peer.next_line(self.patience)
            if line is None and step.kind == "lines":
                return
            if line is None:
                how = "the server closed" if peer.ended else "no answer"
                rest = f"; unfinished: {show(peer.pending)}" if peer.pending else ""
                raise Wrong(f"{how} where it should say {step.text}{rest}")
            if not wanted.fullmatch(line):
                if step.kind == "lines":
                    return
                raise Wrong(f"the server said: {show(line)}\n  where it should say: {step.text}")
            self.transcript.append("S: " + show(line))
            peer.pending = peer.pending[len(line) + 2 :]
            if step.kind == "line":
                return

    def listen(self, peer, seconds):
        deadline = time.monotonic() + seconds
        while not peer.ended and not peer.pending and time.monotonic() < deadline:
            peer.receive(deadline)

    def expect(self, step):
        if not self.options.expect_command:
            self.unchecked += 1
            return
        done = subprocess.run([self.options.expect_command, step.key, step.text], capture_output=True, text=True)
        if done.returncode != 0:
            raise Wrong(f"expect-{step.key}: {step.text}: {done.stdout}{done.stderr}".rstrip())

    def take(self, step):
        if step.kind == "connection":
            self.send(self.peer())
            self.current = step.text
        if step.kind == "wait":
            if self.current in self.peers:
                self.send(self.peer())
            time.sleep(step.seconds)
            return
        if step.kind == "patience":
            self.patience = step.seconds
            return
        if step.kind == "expect":
            if self.current in self.peers:
                self.send(self.peer())
            self.expect(step)
            return
        peer = self.peer()
        if step.kind == "send":
            peer.unsent += expand(step.text, self.options.variables)
            return
        self.send(peer)
        if step.kind == "pause":
            time.sleep(0.05)
        elif step.kind in ("line", "lines"):
            self.heard(step, peer)
        elif step.kind == "closed":
            self.listen(peer, self.patience)
            if peer.pending:
                raise Wrong(f"the server said where it should close: {show(peer.pending)}")
            if not peer.ended:
                raise Wrong("the server did not close")
        elif step.kind == "quiet":
            self.listen(peer, step.seconds)
            if peer.ended:
                raise Wrong("the server closed where it should be quiet")
            if peer.pending:
                raise Wrong(f"the server said where it should be quiet: {show(peer.pending)}")
        elif step.kind == "shutdown":
            peer.socket.shutdown(socket.SHUT_WR)
        elif step.kind == "close":
            peer.socket.close()
            peer.ended = True

    def run(self):
        """Empty, or what went wrong."""
        step = self.dialog.steps[0]
        try:
            for step in self.dialog.steps:
                self.take(step)
            for name, peer in self.peers.items():
                self.send(peer) if not peer.ended else None
                self.listen(peer, 0.1)
                if peer.pending:
                    raise Wrong(f"the server said more on connection {name}: {show(peer.pending)}")
        except (Wrong, Malformed) as error:
            said = "\n".join(self.transcript)
            return f"{self.dialog.name}:{step.line}: {error}\n--- what was said\n{said}\n"
        finally:
            for peer in self.peers.values():
                peer.socket.close()
        return ""


def find_files(paths):
    for path in map(pathlib.Path, paths):
        yield from sorted(path.rglob("*.dialog")) if path.is_dir() else [path]


def pairs(items):
    return dict(item.partition("=")[::2] for item in items)


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, metavar="HOST:PORT")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="what {NAME} stands for")
    parser.add_argument("--have", action="append", default=[], metavar="KEY=VALUE", help="how the server is configured")
    parser.add_argument("--wait-max", type=float, default=2.0, metavar="SECONDS")
    parser.add_argument("--expect-command", metavar="PROGRAM")
    parser.add_argument("files", nargs="+", metavar="FILE-OR-FOLDER")
    options = parser.parse_args(arguments)
    host, _, port = options.server.rpartition(":")
    if not host or not port.isdigit():
        parser.error("--server needs HOST:PORT")
    options.address = (host.strip("[]"), int(port))
    options.variables = pairs(options.set)
    options.settings = pairs(options.have)
    return options


def skip_reason(dialog, options):
    for key, value in dialog.config:
        if options.settings.get(key) != value:
            return f"needs {key} = {value}"
    waits = sum(step.seconds for step in dialog.steps if step.kind in ("wait", "quiet"))
    return f"waits {waits:g} s" if waits > options.wait_max else ""


def main(arguments):
    options = parse_arguments(arguments)
    held = failed = skipped = unchecked = 0
    for path in find_files(options.files):
        try:
            dialog = Dialog(str(path), path.read_text(encoding="utf-8"))
        except (Malformed, OSError, UnicodeDecodeError) as error:
            print(error, file=sys.stderr)
            return 2
        reason = skip_reason(dialog, options)
        if reason:
            skipped += 1
            print(f"skipped  {path}: {reason}")
            continue
        conversation = Conversation(dialog, options)
        wrong = conversation.run()
        unchecked += conversation.unchecked
        held += 1
        failed += bool(wrong)
        print(f"FAILED   {wrong}" if wrong else f"ok       {path}: {dialog.title}")
    print(f"{held} held, {failed} failed, {skipped} skipped, {unchecked} expectations not checked")
    if held == 0:
        print("no conversation was held", file=sys.stderr)
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
