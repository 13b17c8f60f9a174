#!/usr/bin/env python3
"""Each fault planted in the product (ringmail/base/canary.h) is found by the simulator within a stated number of seeds.

usage: canary_test.py [MAIL_SIM [NAME...]]

MAIL_SIM is the simulator of a build with -Dcanaries=true; without it, one is made in build-canary. Found means a violation, or a check of the product that fails: the
program says which seed it was. Without any canary the same seeds must be good, or finding would say nothing.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# Where to look, and in how many seeds at most.
SEEDS = 300
SCENARIOS = {
    "stop-at-damage": "rot",
    "lose-cross-shard-job": "storm",
    "warn-again-after-restart": "time",
    "expire-when-overdue": "storm",
    "compaction-drops-record": "storm",
    "dns-failure-is-final": "time",
    "skip-directory-sync": "chain",
    "evict-lent-content": "large",
    "cache-over-limit": "large",
    "report-failure-forgotten": "full",
    "no-rewind": "peers",
    "uid-twice": "boxes",
    "forget-hold": "boxes",
    "replay-skips": "boxes",
    "checkpoint-forgets-page": "boxes",
    "free-held": "boxes",
    "unwritten-is-delivered": "boxes",
    "alias-loses-target": "boxes",
    "deleted-before-durable": "boxes",
    "delete-without-quit": "boxes",
    "maildrop-moves": "boxes",
    "maildrop-shared": "boxes",
}


def play(program, scenario, seeds, canary=None):
    """The seed that failed and why; (None, '') where all were good."""
    command = [program, "--scenario", scenario, "--seeds", f"1..{seeds}", "--no-shrink"]
    if canary:
        command += ["--canary", canary]
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=1800)
    if run.returncode == 0:
        return None, ""
    where = re.search(r"(?:FAILED|playing): --scenario \S+ --seed (\d+)|while playing --scenario \S+ --seed (\d+)",
                      run.stdout + run.stderr)
    if not where:
        sys.exit(f"canary_test: {' '.join(command)} ended with {run.returncode}:\n{run.stdout}{run.stderr}")
    seed = int(where.group(1) or where.group(2))
    said = [line.strip() for line in (run.stdout + run.stderr).splitlines() if line.startswith("  ") or "CHECK" in line]
    return seed, said[0] if said else "the process died"


def main():
    if len(sys.argv) < 2:
        subprocess.run([ROOT / "tools" / "sim", "--canaries"], stdout=subprocess.DEVNULL, check=True)
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build-canary" / "tests" / "sim" / "mail_sim"
    names = sys.argv[2:]
    listed = subprocess.run([program, "--canaries"], capture_output=True, text=True, check=True).stdout.splitlines()
    canaries = [line.split()[0] for line in listed]
    if len(canaries) < 12:
        sys.exit("canary_test: this build has no canaries: configure it with -Dcanaries=true")
    failed = 0
    for scenario in sorted({SCENARIOS.get(name, "mix") for name in canaries}):
        seed, why = play(program, scenario, 20)
        if seed is not None:
            failed += 1
            print(f"without a canary: {scenario} seed {seed} fails: {why}")
    for name in names or canaries:
        scenario, seeds = SCENARIOS.get(name, "mix"), SEEDS
        seed, why = play(program, scenario, seeds, name)
        if seed is None:
            failed += 1
            print(f"{name:28} NOT FOUND in {seeds} seeds of {scenario}")
        else:
            print(f"{name:28} {scenario} seed {seed}: {why[:150]}")
        sys.stdout.flush()
    print(f"{len(names or canaries) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
