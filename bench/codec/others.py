#!/usr/bin/env python3
"""What a user would type instead: coreutils' base64 and Python's own codecs, over 64 MiB of random octets or text.

usage: others.py [MEBIBYTES]

Prints GB (2^30 octets of input) a second of processor time, the best of five, beside the rate of copying the same
octets here (bytes(...) of a bytearray: memcpy with its page faults). coreutils reads a file in memory and writes to
/dev/null.
"""

import base64
import binascii
import os
import quopri
import random
import resource
import shutil
import subprocess
import sys
import tempfile


def spent():
    """Processor time of this program and of those that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def best(function, octets):
    least = float("inf")
    for _ in range(5):
        begin = spent()
        function()
        least = min(least, spent() - begin)
    return octets / least / 2**30


def command(arguments, path):
    def run():
        with open(path, "rb") as source:
            subprocess.run(arguments, stdin=source, stdout=subprocess.DEVNULL, check=True)
    return run


def main():
    octets = random.Random(1).randbytes((int(sys.argv[1]) if len(sys.argv) > 1 else 64) << 20)
    lines = base64.encodebytes(octets)
    sentence = "Words, words, words; and a caf\u00e9 in a line of some seventy octets.\r\n".encode("latin-1")
    text = sentence * (len(octets) // 64 // len(sentence))
    quoted = quopri.encodestring(text)
    rows = [("copy", lambda: bytes(bytearray(octets)), 2 * len(octets)),
            ("Python base64.b64encode", lambda: base64.b64encode(octets), len(octets)),
            ("Python base64.encodebytes", lambda: base64.encodebytes(octets), len(octets)),
            ("Python base64.b64decode, lines", lambda: base64.b64decode(lines), len(lines)),
            ("Python binascii.b2a_qp", lambda: binascii.b2a_qp(text), len(text)),
            ("Python binascii.a2b_qp", lambda: binascii.a2b_qp(quoted), len(quoted))]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        if shutil.which("base64"):
            for name, content in (("octets", octets), ("lines", lines)):
                with open(os.path.join(folder, name), "wb") as target:
                    target.write(content)
            rows += [("coreutils base64", command(["base64"], os.path.join(folder, "octets")), len(octets)),
                     ("coreutils base64 -d", command(["base64", "-d"], os.path.join(folder, "lines")), len(lines))]
        for name, function, count in rows:
            print(f"{name:32} {best(function, count):6.2f}")


if __name__ == "__main__":
    main()
