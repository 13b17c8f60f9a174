#!/usr/bin/env python3
"""What tools/demo shows, once build/ringmail is there."""

import email
import email.policy
import email.utils
import hashlib
import json
import os
import poplib
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from email.message import EmailMessage
from pathlib import Path

# A test may name another build's program.
PROGRAM = Path(os.environ.get("RINGMAIL", "build/ringmail")).resolve()
WAIT_SECONDS = 30


class Demo:
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ringmail-demo-"))
        self.relay_port, self.sink_port = free_port(), free_port()
        self.submission_port, self.pops_port = free_port(), free_port()
        self.certificate, self.key = self.folder / "certificate.pem", self.folder / "key.pem"
        self.config = self.folder / "ringmail.toml"
        self.arrived = self.folder / "arrived"
        self.arrived.mkdir()
        self.children = []
        self.sent = {}  # Message-ID -> digests of the attachments
        self.copies = 0
        self.shown = set()

    # Servers.

    def start(self, name, port, *arguments):
        log = open(self.folder / f"{name}.log", "ab")
        child = subprocess.Popen([str(PROGRAM), *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 start_new_session=True)  # ctrl-C is for the demo, which then stops them in order.
        self.children.append(child)
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if child.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return child
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"tools/demo: {name} did not start (exit code {child.poll()}); it said:\n"
                         + (self.folder / f"{name}.log").read_text(errors="replace")[-2000:])

    def make_certificate(self):
        done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                               "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                               "subjectAltName=DNS:localhost", "-keyout", str(self.key), "-out",
                               str(self.certificate)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise SystemExit(f"tools/demo: openssl made no certificate: {done.stdout.decode(errors='replace')}")

    def start_relay(self):
        self.make_certificate()
        self.config.write_text(f"""hostname = "relay.demo.example"
data_dir = "{self.folder}/store"

[[listener]]
address  = "127.0.0.1:{self.relay_port}"
protocol = "smtp"
tls      = "none"

[[listener]]
address  = "127.0.0.1:{self.submission_port}"
protocol = "submission"
tls      = "starttls"

[[listener]]
address  = "127.0.0.1:{self.pops_port}"
protocol = "pop3"
tls      = "implicit"

[tls]
certificate = "{self.certificate}"
private_key = "{self.key}"

[[domain]]
name = "home.example"

[relay]
networks = ["127.0.0.0/8"]
next_hop = "127.0.0.1:{self.sink_port}"
""")
        return self.start("relay", self.relay_port, "serve", "--config", str(self.config))

    def start_sink(self):
        return self.start("sink", self.sink_port, "sink", "--listen", f"127.0.0.1:{self.sink_port}",
                          "--store", str(self.arrived))

    @staticmethod
    def stop(child):
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        return child.returncode

    def clean(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # A second ctrl-C does not leave half of it behind.
        for child in reversed(self.children):
            self.stop(child)
        shutil.rmtree(self.folder, ignore_errors=True)

    # Messages.

    def remember(self, message, recipients=1):
        self.sent[message["Message-ID"]] = digests(message)
        self.copies += recipients
        return message.as_bytes(policy=email.policy.SMTP)

    def send_by_smtplib(self):
        with smtplib.SMTP("127.0.0.1", self.relay_port, timeout=WAIT_SECONDS) as client:
            for subject, to, attachment in (
                    ("A picture", ["ada@destination.example"], ("square.png", "image", "png", picture())),
                    ("Grüße an fünf", [f"reader{i}@destination.example" for i in range(5)],
                     ("table.csv", "text", "csv", b"name,amount\r\nRing,1\r\n")),
                    ("A mebibyte of noise", ["archive@destination.example"],
                     ("noise.bin", "application", "octet-stream", os.urandom(1 << 20)))):
                message = compose(subject, to, attachment)
                client.sendmail("author@origin.example", to, self.remember(message, len(to)))
                print(f"  smtplib         {subject!r} to {len(to)}, {attachment[0]} attached: accepted")

    def send_by_ringmail(self, subject="From the command line"):
        message = compose(subject, ["ada@destination.example"], ("note.txt", "text", "plain", b"..\r\n.dots\r\n.\r\n"))
        done = subprocess.run([str(PROGRAM), "send", "--server", f"127.0.0.1:{self.relay_port}", "--from",
                               "author@origin.example", "--to", "ada@destination.example"],
                              input=self.remember(message), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise SystemExit(f"tools/demo: ringmail send failed: {done.stdout.decode(errors='replace')}")
        print(f"  ringmail send   {subject!r}: accepted")

    def send_by_swaks(self):
        if not shutil.which("swaks"):
            print("  swaks           not installed (tools/deps --tests installs it)")
            return
        message = compose("From swaks", ["ada@destination.example"], ("b.txt", "text", "plain", b"hello\r\n"))
        file = self.folder / "swaks.eml"
        file.write_bytes(self.remember(message))
        done = subprocess.run(["swaks", "--silent", "2", "--server", f"127.0.0.1:{self.relay_port}", "--from",
                               "author@origin.example", "--to", "ada@destination.example", "--data", f"@{file}"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise SystemExit(f"tools/demo: swaks failed: {done.stdout.decode(errors='replace')}")
        print("  swaks           'From swaks': accepted")

    def read_arrived(self):
        found = {}
        for path in sorted(self.arrived.rglob("*")):
            if path.is_file():
                message = email.message_from_bytes(path.read_bytes(), policy=email.policy.SMTP)
                if message["Message-ID"]:
                    found[message["Message-ID"]] = (path, message)
        return found

    def wait_for_all(self):
        def all_there():
            try:
                found = self.read_arrived()
            except OSError:  # A file that the sink is just writing.
                return False
            return all(one in found and digests(found[one][1]) == kept for one, kept in self.sent.items())

        wait_until(all_there)
        return self.read_arrived()

    def show_arrived(self):
        found = self.wait_for_all()
        whole = True
        for one, kept in self.sent.items():
            if one in self.shown:
                continue
            self.shown.add(one)
            if one not in found:
                print(f"  MISSING {one}")
                whole = False
                continue
            path, message = found[one]
            same = digests(message) == kept
            whole = whole and same
            print(f"  {path.relative_to(self.folder)}  {path.stat().st_size} octets, {str(message['Subject'])!r}, "
                  f"attachment {'unchanged' if same else 'CHANGED'}")
        return whole

    # Those who live here.

    def make_account(self, address, password):
        done = subprocess.run([str(PROGRAM), "account", "add", address, "--config", str(self.config)],
                              input=password + "\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(f"$ ringmail account add {address}\n  {done.stdout.rstrip()}")
        if done.returncode != 0:
            raise SystemExit("tools/demo: the account was not made")

    def write_home(self, address, password):
        """A letter by submission with TLS, read back by POP3 with TLS: whether it is the same."""
        tls = ssl.create_default_context(cafile=str(self.certificate))
        letter = compose("A letter home", [address], ("square.png", "image", "png", picture()), author=address)
        with smtplib.SMTP("localhost", self.submission_port, timeout=WAIT_SECONDS) as client:
            client.starttls(context=tls)
            client.login(address, password)
            client.send_message(letter)
            print(f"  submission      {client.sock.version()}, AUTH as {address}: accepted")

        def fetch():
            box = poplib.POP3_SSL("localhost", self.pops_port, context=tls, timeout=WAIT_SECONDS)
            try:
                box.user(address)
                box.pass_(password)
                count = box.stat()[0]
                if count == 0:
                    return None
                version = box.sock.version()
                octets = b"\r\n".join(box.retr(1)[1]) + b"\r\n"
                box.dele(1)
                return version, octets
            finally:
                box.quit()

        fetched = wait_until(fetch)
        if not fetched:
            print("  MISSING: no letter came")
            return False
        version, octets = fetched
        message = email.message_from_bytes(octets, policy=email.policy.SMTP)
        same = digests(message) == digests(letter)
        print(f"  POP3S           {version}, {len(octets)} octets, Delivered-To: {message['Delivered-To']}, "
              f"attachment {'unchanged' if same else 'CHANGED'}; deleted")
        return same

    # The operator's view.

    def queue(self, *arguments, show=True):
        command = [str(PROGRAM), "queue", *arguments, "--config", str(self.config)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if show:
            print(f"$ ringmail queue {' '.join(arguments)}")
            print("\n".join("  " + line for line in done.stdout.rstrip().split("\n")[:20]))
        if done.returncode != 0:
            raise SystemExit(f"tools/demo: ringmail queue {arguments[0]} failed: {done.stdout}")
        return done.stdout

    def queued(self):
        """The queue's messages, as objects: whatever has an id, however deep the listing holds it."""
        found, objects = [], [parse_json(self.queue("list", "--json", show=False))]
        while objects:
            one = objects.pop()
            if isinstance(one, dict) and isinstance(one.get("id"), str):
                found.append(one)
            elif isinstance(one, (dict, list)):
                objects += one.values() if isinstance(one, dict) else one
        return found

    def show_deferral(self, sink):
        self.stop(sink)
        print("the sink is stopped: the destination does not answer")
        self.send_by_ringmail("While the destination is down")
        queued = wait_until(lambda: [one for one in self.queued() if one.get("attempts") != 0
                                     and one.get("state") != "active"])
        if not queued:
            raise SystemExit("tools/demo: a message for a destination that is down is not in the queue")
        self.queue("list")
        print("the sink is started again, and the message need not wait for its next attempt")
        sink = self.start_sink()
        for one in queued:
            self.queue("retry", one["id"])
        return queued[0]["id"], sink

    def relay_log(self):
        return (self.folder / "relay.log").read_text(errors="replace")

    def show_life(self, queue_id):
        def life():
            return [line for line in self.relay_log().split("\n") if queue_id in line]

        wait_until(lambda: any("event=delivered" in line for line in life()), 3)
        print(f"$ grep {queue_id} relay.log")
        for line in life():
            print("  " + line)


def wait_until(condition, seconds=WAIT_SECONDS):
    """What `condition` says when it is true, or when there is no more time."""
    deadline = time.monotonic() + seconds
    while not (said := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return said


def parse_json(text):
    try:
        return json.loads(text)
    except ValueError:  # One object a line.
        return [json.loads(line) for line in text.split("\n") if line.strip()]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def picture():
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x, y, 128)[c] for x in range(64) for c in range(3)) for y in range(64))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def compose(subject, to, attachment, author="author@origin.example"):
    name, main, sub, data = attachment
    message = EmailMessage()
    message["From"] = author
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Message-ID"] = f"<{time.time_ns()}.{os.urandom(4).hex()}@origin.example>"
    message["Date"] = email.utils.localtime()
    message.set_content("Good day,\n\n.this line begins with a dot.\n..and this with two.\n")
    message.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return message


def digests(message):
    return [hashlib.sha256(part.get_payload(decode=True)).hexdigest() for part in message.iter_attachments()]


def title(text):
    print(f"\n== {text}", flush=True)


def run(stay):
    demo = Demo()
    try:
        title("two servers")
        sink = demo.start_sink()
        relay = demo.start_relay()
        print(f"  relay  127.0.0.1:{demo.relay_port}, its store in {demo.folder}/store\n"
              f"  sink   127.0.0.1:{demo.sink_port}, which stands for the destination")
        title("messages go in")
        demo.send_by_smtplib()
        demo.send_by_ringmail()
        demo.send_by_swaks()
        title("and arrive at the sink")
        whole = demo.show_arrived()
        title("the queue")
        demo.queue("list")
        queue_id, sink = demo.show_deferral(sink)
        whole = demo.show_arrived() and whole
        title("that message's life in the log")
        demo.show_life(queue_id)
        title("an account: mail sent to it with TLS and a password, and read back")
        demo.make_account("ann@home.example", "correct horse")
        whole = demo.write_home("ann@home.example", "correct horse") and whole
        if stay:
            title("both servers stay until ctrl-C")
            print(f"  configuration: {demo.config}\n  try: nc -C 127.0.0.1 {demo.relay_port}\n"
                  f"       build/ringmail queue list --config {demo.config}", flush=True)
            try:
                signal.pause()
            except KeyboardInterrupt:
                pass
        title("both servers end")
        code = demo.stop(relay)
        print(f"  relay: exit code {code}")
        demo.stop(sink)
        counts = (demo.folder / "sink.log").read_text(errors="replace").rstrip().split("\n")
        print("  sink: " + "\n        ".join(counts[-6:]))
        return whole and code == 0, demo
    finally:
        demo.clean()


def main():
    # ctrl-C and SIGTERM both unwind through clean().
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        whole, demo = run("--stay" in sys.argv[1:])
    except KeyboardInterrupt:
        print("\ntools/demo: stopped; servers and temporary folder are gone")
        return 130
    title("how to go on")
    print("""  tools/demo --stay                     the same, and leaves both servers up for you to type at
  build/ringmail --help                 every command; `ringmail COMMAND --help` says more
  README.md                             a minimal configuration to start from
  build/ringmail check --config FILE    is it right, and does this machine have what it needs?
  build/ringmail serve --config FILE    run it
  tools/test                            every test
  src/README.md                         the map of the source""")
    if not whole:
        print("\ntools/demo: NOT everything arrived unchanged", file=sys.stderr)
        return 1
    print(f"\n1 letter home and {len(demo.sent)} messages for {demo.copies} recipients: all arrived, attachments unchanged.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
