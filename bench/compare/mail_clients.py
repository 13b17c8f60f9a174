"""The clients of bench/compare/mailboxes.py: they speak LMTP and POP3 to whichever server listens, and pipeline."""

import selectors
import socket
import ssl
import time

WAIT_SECONDS = 120
RETR_AHEAD = 500  # commands sent ahead of their replies


def message(kib, number):
    """A message of so many KiB, in lines of 74 octets; no two are alike, as nobody's mail is."""
    head = (f"From: Sender <sender@elsewhere.invalid>\r\nTo: Reader <reader@bench.invalid>\r\nSubject: Message {number}\r\n"
            f"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <{number}.{kib}@elsewhere.invalid>\r\n"
            f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n").encode()
    line = f"{number:010d} ".encode() + b"the quick brown fox jumps over the lazy dog, and again, and on\r\n"
    lines = max(1, (kib * 1024 - len(head)) // len(line))
    return head + line * lines


class LmtpConnection:
    """One connection with its next message: MAIL, RCPT and DATA go out together, the content when DATA is answered."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), WAIT_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard, self.out, self.content, self.expected = b"", b"", None, 0
        self.line()
        self.sock.sendall(b"LHLO client.bench.invalid\r\n")
        while self.line()[3:4] == b"-":
            pass

    def line(self):
        while b"\n" not in self.heard:
            piece = self.sock.recv(4096)
            if not piece:
                raise SystemExit("mailboxes: the LMTP server closed")
            self.heard += piece
        line, self.heard = self.heard.split(b"\n", 1)
        if line[:1] not in b"23":
            raise SystemExit(f"mailboxes: LMTP: {line.decode()}")
        return line

    def begin(self, recipient, content):
        self.content, self.expected = content, 3
        self.write(b"MAIL FROM:<sender@elsewhere.invalid>\r\nRCPT TO:<" + recipient + b">\r\nDATA\r\n")

    def write(self, octets):
        self.out += octets
        try:
            self.out = self.out[self.sock.send(self.out):]
        except BlockingIOError:
            pass

    def hear(self):
        """Takes what came; True where a message was acknowledged."""
        piece = self.sock.recv(4096)
        if not piece:
            raise SystemExit("mailboxes: the LMTP server closed")
        lines = (self.heard + piece).split(b"\n")
        self.heard = lines.pop()
        for line in lines:
            if line[:1] not in b"23":
                raise SystemExit(f"mailboxes: LMTP: {line.decode()}")
            self.expected -= 1
        if self.expected == 0 and self.content is not None:
            content, self.content, self.expected = self.content, None, 1
            self.write(content + b".\r\n")
            return False
        return self.expected == 0


def lmtp_deliver(port, recipients, contents, count, connections):
    """`count` messages, one recipient each, in turn to `recipients`, by so many connections that are kept."""
    loop = selectors.DefaultSelector()
    begun = done = 0

    def next_of(one):
        nonlocal begun
        if begun < count:
            one.begin(recipients[begun % len(recipients)], contents[begun % len(contents)])
            begun += 1

    for _ in range(min(connections, count)):
        one = LmtpConnection(port)
        one.sock.setblocking(False)
        loop.register(one.sock, selectors.EVENT_READ, one)
        next_of(one)
    writing = set()
    while done < count:
        ready = loop.select(WAIT_SECONDS)
        if not ready:
            raise SystemExit("mailboxes: the LMTP server is silent")
        for key, events in ready:
            one = key.data
            if events & selectors.EVENT_WRITE:
                one.write(b"")
            if events & selectors.EVENT_READ and one.hear():
                done += 1
                next_of(one)
            if bool(one.out) != (one in writing):
                (writing.add if one.out else writing.discard)(one)
                loop.modify(one.sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if one.out else 0), one)
    for key in list(loop.get_map().values()):
        key.data.sock.close()
    loop.close()


def lmtp_many(port, recipients, content):
    """One message to all of `recipients` in one transaction; its seconds from the first RCPT to the last reply."""
    one = LmtpConnection(port)
    began = time.monotonic()
    one.sock.sendall(b"MAIL FROM:<sender@elsewhere.invalid>\r\n")
    one.line()
    for at in range(0, len(recipients), 500):
        some = recipients[at:at + 500]
        one.sock.sendall(b"".join(b"RCPT TO:<" + name + b">\r\n" for name in some))
        for _ in some:
            one.line()
    one.sock.sendall(b"DATA\r\n")
    one.line()
    one.sock.sendall(content + b".\r\n")
    for _ in recipients:
        one.line()
    seconds = time.monotonic() - began
    one.sock.close()
    return seconds


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # whose certificate it is, is not what is measured
    return context


class Pop3:
    def __init__(self, port, context=None):
        self.sock = socket.create_connection(("127.0.0.1", port), WAIT_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.sock = context.wrap_socket(self.sock)
        self.heard = b""
        self.line()

    def line(self):
        while b"\n" not in self.heard:
            piece = self.sock.recv(65536)
            if not piece:
                raise SystemExit("mailboxes: the POP3 server closed")
            self.heard += piece
        line, self.heard = self.heard.split(b"\n", 1)
        if not line.startswith(b"+OK"):
            raise SystemExit(f"mailboxes: POP3: {line.decode()}")
        return line

    def ask(self, command):
        self.sock.sendall(command + b"\r\n")
        return self.line()

    def log_in(self, name, password):
        self.ask(b"USER " + name)
        self.ask(b"PASS " + password)

    def stat(self):
        return tuple(map(int, self.ask(b"STAT").split()[1:3]))

    def retrieve_all(self, count):
        """RETR of 1 to `count`, pipelined; octets received."""
        asked = ended = octets = 0
        tail = b""
        while ended < count:
            if asked < count and asked - ended <= RETR_AHEAD // 2:
                upto = min(count, ended + RETR_AHEAD)
                self.sock.sendall(b"".join(b"RETR %d\r\n" % i for i in range(asked + 1, upto + 1)))
                asked = upto
            piece = self.sock.recv(262144)
            if not piece:
                raise SystemExit("mailboxes: the POP3 server closed amid RETR")
            octets += len(piece)
            piece = tail + piece
            ended += piece.count(b"\r\n.\r\n")
            # What is kept must not hold a whole end, or that would be counted again.
            tail = piece[-4:]
        return octets

    def quit(self):
        self.ask(b"QUIT")
        self.sock.close()
