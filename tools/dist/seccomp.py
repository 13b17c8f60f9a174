#!/usr/bin/env python3
"""Writes a container's seccomp profile that allows io_uring, made from the runtime's own.

Docker (25 and later) and containerd (2.0 and later) block io_uring_setup, io_uring_enter and io_uring_register in their
default profile, and ringmail needs them. This takes that default profile as JSON, adds one rule that allows the three,
and writes the result; everything else stays as the runtime's authors have it.

  usage: tools/dist/seccomp.py DEFAULT.json > ringmail-seccomp.json
         docker run --security-opt seccomp=ringmail-seccomp.json ...

The default profile of Docker is profiles/seccomp/default.json of github.com/moby/profiles (formerly moby/moby).
Exit code: 0 written, 1 the input is no seccomp profile, 2 wrong use.
"""

import json
import sys

CALLS = ["io_uring_setup", "io_uring_enter", "io_uring_register"]


def with_io_uring(profile):
    """The profile with one more rule. Rules are tried together and the most permissive of a call's rules wins in Docker's
    generator, but an explicit denial of the same calls would contradict it: those are taken out."""
    rules = []
    for rule in profile["syscalls"]:
        names = [name for name in rule.get("names", []) if rule.get("action") == "SCMP_ACT_ALLOW" or name not in CALLS]
        if names:
            rules.append({**rule, "names": names})
    rules.append({"names": CALLS, "action": "SCMP_ACT_ALLOW",
                  "comment": "ringmail speaks to sockets and disks through io_uring"})
    return {**profile, "syscalls": rules}


def main():
    if len(sys.argv) == 2 and sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            profile = json.load(file)
        result = with_io_uring(profile)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"tools/dist/seccomp.py: {sys.argv[1]} is no seccomp profile: {error}", file=sys.stderr)
        return 1
    json.dump(result, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
