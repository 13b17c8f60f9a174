#!/usr/bin/env python3
"""Runs the checks, the tests of a build directory and the fuzzers, and counts what passed (tools/test calls it)."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

FUZZ_SECONDS = 10
# A test may say its own counts in a last line of the same form as tools/test.
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)

BUILD_STEP = re.compile(r"\[\d+/\d+\] (?!.*FAILED)")


class Counts:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def count_output(result, text):
    """The cases inside one test program. Where its output tells of none, the program is one case."""
    counts = Counts()
    stated = COUNTS.findall(text)
    unittest = re.search(r"^Ran (\d+) tests? in [\d.]+s\n\n(?:OK|FAILED)(?: \((.*)\))?$", text, re.M)
    if re.search(r"^\[ RUN      \] ", text, re.M):  # GoogleTest
        counts.passed = len(re.findall(r"^\[       OK \] .*\)$", text, re.M))
        counts.skipped = len(re.findall(r"^\[  SKIPPED \] .* \(\d+ ms\)$", text, re.M))
        counts.failed = len(re.findall(r"^\[  FAILED  \] .* \(\d+ ms\)$", text, re.M))
    elif stated:
        passed, failed, skipped = stated[-1]
        counts = Counts(int(passed), int(failed), int(skipped or 0))
    elif unittest:  # Python's unittest
        detail = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", unittest.group(2) or "")}
        counts.failed = detail.get("failures", 0) + detail.get("errors", 0)
        counts.skipped = detail.get("skipped", 0)
        counts.passed = int(unittest.group(1)) - counts.failed - counts.skipped
    if result == "SKIP":
        counts.skipped = max(counts.skipped, 1)
    elif result in ("OK", "EXPECTEDFAIL"):
        # A program that says all is well while a case of it failed is not believed.
        if counts.passed + counts.failed + counts.skipped == 0:
            counts.passed = 1
    elif counts.failed == 0:
        counts.failed = 1  # A crash or a timeout: no case says it, the program does.
    return counts


def report(name, counts, seconds, detail=""):
    word = "FAIL" if counts.failed else ("ok" if counts.passed else "skip")
    cases = "" if counts.passed + counts.failed + counts.skipped == 1 else f"  ({counts})"
    print(f"{word:4} {name}  {seconds:.1f} s{cases}", flush=True)
    if counts.failed and detail.strip():
        lines = [line for line in detail.rstrip().split("\n") if not BUILD_STEP.match(line)]
        # What went wrong stands near the end, what was asked near the beginning.
        if len(lines) > 120:
            lines = lines[:10] + [f"... {len(lines) - 120} lines left out ..."] + lines[-110:]
        print("\n".join("     | " + line for line in lines), flush=True)


def run_check(name, command):
    start = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    counts = Counts(passed=1) if done.returncode == 0 else Counts(failed=1)
    report(name, counts, time.monotonic() - start, done.stdout)
    return counts


def chosen_tests(directory, only):
    listed = json.loads(subprocess.check_output(
        ["meson", "introspect", "--tests", directory], text=True))
    return [test["name"] for test in listed if not only or re.search(only, test["name"])]


def shown_detail(test):
    text = test.get("stdout", "") + test.get("stderr", "")
    if "[ RUN      ]" not in text:
        return text
    # Of a GoogleTest program only the cases that failed, and what followed the last case.
    parts = re.split(r"(?m)^(?=\[ RUN      \] )", text)
    last = len(parts) - 1
    return "".join(part for index, part in enumerate(parts)
                   if "[  FAILED  ]" in part or (index == last and "[       OK ]" not in part)
                   or (index == last and test["result"] not in ("OK", "FAIL")))


def run_meson(directory, variant, names):
    total = Counts()
    log = os.path.join(directory, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.remove(log)
    output = tempfile.TemporaryFile("w+", errors="replace")
    process = subprocess.Popen(
        ["meson", "test", "-C", directory, "--no-rebuild", "--num-processes", str(os.cpu_count() or 1),
         "--timeout-multiplier", "1" if variant == "release" else "5", *names],
        stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    seen = 0
    while True:
        ended = process.poll() is not None
        if os.path.exists(log):  # One JSON object a line, each written when its test ends.
            with open(log, errors="replace") as lines:
                tests = [json.loads(line) for line in lines.read().split("\n")[:-1]]
            for test in tests[seen:]:
                counts = count_output(test["result"], test.get("stdout", "") + test.get("stderr", ""))
                total.add(counts)
                report(test["name"].split(" / ")[-1], counts, test["duration"], shown_detail(test))
            seen = len(tests)
        if ended:
            break
        time.sleep(0.5)
    if process.returncode != 0 and total.failed == 0:
        total.failed += 1
        output.seek(0)
        print(output.read())
        print(f"meson test ended with {process.returncode}")
    if seen != len(names):
        total.failed += 1
        print(f"FAIL {len(names)} tests were to run and {seen} reported")
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--variant", default="release")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    total = Counts()
    start = time.monotonic()
    if not arguments.only and arguments.variant == "release":
        total.add(run_check("tidy", ["tools/tidy", "--headers"]))
        total.add(run_check("fmt", ["tools/fmt", "--check"]))
    names = chosen_tests(arguments.dir, arguments.only)
    if names:
        total.add(run_meson(arguments.dir, arguments.variant, names))
    elif arguments.only:
        print(f"tools/test: no test's name holds '{arguments.only}'")
        total.failed += 1
    if not arguments.only and arguments.variant == "release":
        for name in subprocess.run(["tools/fuzz", "--list"], stdout=subprocess.PIPE, text=True,
                                   stdin=subprocess.DEVNULL).stdout.split():
            total.add(run_check(f"fuzz {name}", ["tools/fuzz", name, "--seconds", str(FUZZ_SECONDS), "--seed", "1"]))
        total.add(run_check("canaries", ["python3", "tests/sim/canary_test.py"]))
    print(f"tools/test: {time.monotonic() - start:.0f} s")
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
