#!/usr/bin/env python3
"""Compares what show_message reads with what Python's email reads, over mail that others wrote.

usage: compare_with_python.py SHOW_MESSAGE MAIL_DIRECTORY GOLDEN_DIRECTORY

The same leaves in the same order: type, file name, decoded octets, and the root's Subject. Where Python differs for a
reason, the file stands in EXPLAINED with that reason. Exit code: 0 the same, 1 differences, 77 nothing to compare.
"""

import email
import email.header
import email.policy
import json
import mailbox
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# Message: why Python reads it differently.
EXPLAINED = {
    "rfc5322-a6.3.eml": "Python ends a header section at 'From  :'; RFC 5322 section 4.5 allows the blanks",
    "rfc2046-5.2.3.7.eml": "Python divides message/external-body; its body is a phantom (RFC 2046 section 5.2.3)",
    "rfc2046-5.2.3.eml": "Python divides message/external-body; its body is a phantom (RFC 2046 section 5.2.3)",
    "rfc2231-3.eml": "Python divides message/external-body; its body is a phantom (RFC 2046 section 5.2.3)",
    "rfc2046-5.2.2.2-1.eml": "Python divides message/partial, which is a piece of one (RFC 2046 section 5.2.2)",
    "rfc2046-5.2.2.2-2.eml": "Python divides message/partial, which is a piece of one (RFC 2046 section 5.2.2)",
    "rfc2046-5.2.2-1.eml": "Python divides message/partial, which is a piece of one (RFC 2046 section 5.2.2)",
    "rfc2046-5.2.2-2.eml": "Python divides message/partial, which is a piece of one (RFC 2046 section 5.2.2)",
    "rfc2046-5.2.2-3.eml": "Python divides message/partial, which is a piece of one (RFC 2046 section 5.2.2)",
    "rfc2231-3-2.eml": "Python divides message/external-body; its body is a phantom (RFC 2046 section 5.2.3)",
    "attachment": "a file name in UTF-8 (RFC 6532), which Python leaves undecoded",
    "mimefield": "a file name in UTF-8 (RFC 6532), which Python leaves undecoded",
    "content-length.mbox.txt:4": "a file name in octets over 127 with a drive letter, which we take away",
    "content-length.mbox.txt:15": "a forwarded message begins with a From_ line, where Python ends its header section",
    "content-length.mbox.txt:16": "a forwarded message begins with a From_ line, where Python ends its header section",
    "content-length.mbox.txt:27": "Python divides message/delivery-status into its groups of fields",
}


def crc32c(octets):
    table = crc32c.table
    crc = 0xFFFFFFFF
    for octet in octets:
        crc = table[(crc ^ octet) & 0xFF] ^ (crc >> 8)
    return "%08x" % (crc ^ 0xFFFFFFFF)


def make_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


crc32c.table = make_table()


def decode(part):
    """The decoded octets, as the raw ones stand: Python knows bodies as text with surrogates."""
    payload = part.get_payload(decode=True)
    return payload if payload is not None else b""


def readable(value):
    """A header value with its encoded words decoded; None where Python cannot."""
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (LookupError, UnicodeError):
        return None


def leaves_of_python(octets):
    message = email.message_from_bytes(octets, policy=email.policy.compat32)
    leaves = []
    stack = [message]
    while stack:
        part = stack.pop()
        if part.is_multipart():
            stack.extend(reversed(part.get_payload()))
        else:
            name = part.get_filename()
            name = "" if name is None else readable(name)
            leaves.append((part.get_content_type(), name, crc32c(decode(part))))
    return message, leaves


def compare(name, ours, octets):
    message, theirs = leaves_of_python(octets)
    mine = [(p["type"], p["file"], p["crc"]) for p in ours["parts"] if "crc" in p]
    # What is left of a multipart without parts is text to Python.
    if mine != theirs:
        return f"{name}: ours {mine} Python's {theirs}"
    subject = message.get("Subject")
    if subject is not None:
        subject = readable(re.sub(r"[\r\n]", "", str(subject)))
        if subject is not None and (ours["subject"] or "").split() != subject.split():
            return f"{name}: subject ours {ours['subject']!r} Python's {subject!r}"
    return None


def messages(mail, golden):
    for path in sorted(golden.glob("*.eml")):
        yield path.name, path.read_bytes()
    for path in sorted((mail / "eai").glob("*")) if (mail / "eai").is_dir() else []:
        yield path.name, path.read_bytes()
    for path in sorted((mail / "mimekit" / "mbox").glob("*.mbox.txt")) if mail.is_dir() else []:
        for index, key in enumerate(mailbox.mbox(path, create=False).keys()):
            yield f"{path.name}:{index}", mailbox.mbox(path, create=False).get_bytes(key)


def main():
    show, mail, golden = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if not mail.is_dir():
        print(f"skipped by name: {mail} is not there; golden files only")
    wrong = []
    count = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name, octets in messages(mail, golden):
            file = Path(scratch) / "message"
            file.write_bytes(octets)
            ours = json.loads(subprocess.run([show, file], check=True, capture_output=True).stdout)
            count += 1
            difference = compare(name, ours, octets)
            if difference is None and name in EXPLAINED:
                wrong.append(f"{name}: no longer differs; take it out of EXPLAINED")
            elif difference is not None and name not in EXPLAINED:
                wrong.append(difference)
    print(f"{count} messages, {len(EXPLAINED)} differences explained, {len(wrong)} not")
    for line in wrong:
        print(line[:600])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
