"""Ports for servers that are stopped and started again on the same one.

Port 0 would give one of the range that the kernel also takes clients' ports from, and while a server is down any client may
be given its port. Below that range nobody but other servers is.
"""

import random
import socket

given = set()  # who asks twice wants two


def free_port():
    while True:
        port = random.randrange(10_000, 30_000)
        if port in given:
            continue
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            given.add(port)
            return port
