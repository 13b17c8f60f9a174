#!/usr/bin/env python3
"""Every tool explains itself and refuses what it does not know; tools/test counts what really happened."""

import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools" / "checks"))
sys.dont_write_bytecode = True
import run_tests  # noqa: E402

TOOLS = sorted(path.name for path in (ROOT / "tools").iterdir() if path.is_file() and "." not in path.name)


def run(*command, **more):
    return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, **more)


class EveryToolTest(unittest.TestCase):
    def test_the_tools_of_the_readme_are_there_and_no_others(self):
        named = set(re.findall(r"(?m)`tools/(\w+)", (ROOT / "README.md").read_text()))
        self.assertEqual(sorted(named), TOOLS)

    def test_each_tool_has_help_and_exits_0(self):
        for tool in TOOLS:
            with self.subTest(tool):
                done = run(ROOT / "tools" / tool, "--help")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stdout, rf"(?i)^usage: (tools/)?{tool}\b")
                self.assertRegex(done.stdout, r"Exit code")

    def test_each_tool_refuses_an_unknown_argument_with_exit_code_2(self):
        for tool in TOOLS:
            with self.subTest(tool):
                done = run(ROOT / "tools" / tool, "--no-such-argument")
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(tool, done.stderr)

    def test_each_tool_works_from_any_folder(self):
        for tool in ("fuzz", "deps"):
            with self.subTest(tool):
                done = run(ROOT / "tools" / tool, "--list", cwd="/")
                self.assertEqual(done.returncode, 0, done.stderr)


class DepsTest(unittest.TestCase):
    """On a machine as a pretended dpkg-query describes it; apt-get and sudo only record that they were called."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ringmail-deps-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.called = self.folder / "called"
        for name in ("apt-get", "sudo", "debconf-set-selections"):
            self.program(name, f'echo "{name} $*" >> {self.called}')
        self.program("npm", f'echo "npm $*" >> {self.called}')
        everything = run(ROOT / "tools/deps", "--list", "--tests", env={**self.environment(), "EMPTY": "1"})
        self.assertEqual(everything.returncode, 0, everything.stderr)
        self.packages = everything.stdout.split()

    def environment(self):
        # Without EMPTY, what is installed is everything but the packages named in MISSING.
        self.program("dpkg-query", 'if [ -z "${EMPTY:-}" ]; then for one in $ALL; do '
                                   'case " $MISSING " in *" $one "*) ;; *) echo "installed $one" ;; esac; done; fi')
        (self.folder / "node/node_modules/nodemailer").mkdir(parents=True, exist_ok=True)
        return {"PATH": f"{self.folder}:/usr/bin:/bin", "HOME": "/", "NODE_FOLDER": str(self.folder / "node")}

    def program(self, name, script):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def deps(self, missing, **more):
        done = run(ROOT / "tools/deps", "--tests", env={**self.environment(), "ALL": " ".join(self.packages),
                                                        "MISSING": missing}, **more)
        return done, self.called.read_text() if self.called.exists() else ""

    def test_the_compiler_and_the_libraries_are_asked_for(self):
        for package in ("clang-16", "lld-16", "liburing-dev", "android-libboringssl-dev", "postfix", "swaks"):
            self.assertIn(package, self.packages)

    def test_nothing_is_called_where_nothing_is_missing(self):
        done, called = self.deps("")
        self.assertEqual((done.returncode, called), (0, ""), done.stderr)

    def test_only_what_is_missing_is_installed(self):
        done, called = self.deps("swaks lld-16")
        self.assertEqual(done.returncode, 0, done.stderr)
        install = [line for line in called.split("\n") if " install " in line]
        self.assertEqual(len(install), 1, called)
        self.assertEqual({word for word in install[0].split() if word in self.packages}, {"swaks", "lld-16"})

    def test_nodemailer_comes_from_npm_and_may_fail_to(self):
        self.program("npm", f'echo "npm $*" >> {self.called}; exit 1')
        environment = {**self.environment(), "ALL": " ".join(self.packages), "MISSING": "", "NODE_FOLDER": str(self.folder / "none")}
        done = run(ROOT / "tools/deps", "--tests", env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(self.called.read_text(), r"^npm install .* nodemailer@\S+\n$")
        self.assertIn("tests that need it are skipped", done.stderr)

    @unittest.skipIf(Path("/usr/bin/sudo").exists(), "this machine has sudo")
    def test_without_root_and_sudo_the_packages_and_the_command_are_named(self):
        (self.folder / "sudo").unlink()
        self.program("id", "echo 1000")
        done, called = self.deps("lld-16")
        self.assertEqual(called, "")
        self.assertEqual(done.returncode, 1)
        self.assertIn("apt-get install lld-16", done.stderr)


class CountTest(unittest.TestCase):
    def count(self, result, text):
        return str(run_tests.count_output(result, text))

    GOOGLE = ("[ RUN      ] A.One\n[       OK ] A.One (0 ms)\n[ RUN      ] A.Two\n[  SKIPPED ] A.Two (0 ms)\n"
              "[  SKIPPED ] 1 test, listed below:\n[  SKIPPED ] A.Two\n")

    def test_the_cases_of_googletest_are_counted(self):
        self.assertEqual(self.count("OK", self.GOOGLE), "1 passed, 0 failed, 1 skipped")
        self.assertEqual(self.count("FAIL", self.GOOGLE + "[ RUN      ] A.C\n[  FAILED  ] A.C, where x = 1 (3 ms)\n"
                                    "[  FAILED  ] 1 test, listed below:\n[  FAILED  ] A.C, where x = 1\n"),
                         "1 passed, 1 failed, 1 skipped")

    def test_a_crash_after_cases_that_passed_is_a_failure(self):
        self.assertEqual(self.count("FAIL", self.GOOGLE + "[ RUN      ] A.Three\n"), "1 passed, 1 failed, 1 skipped")

    def test_a_timeout_that_says_nothing_is_a_failure(self):
        self.assertEqual(self.count("TIMEOUT", ""), "0 passed, 1 failed, 0 skipped")

    def test_a_program_that_ends_well_after_a_failed_case_is_not_believed(self):
        self.assertEqual(self.count("OK", "[ RUN      ] A.C\n[  FAILED  ] A.C (3 ms)\n"), "0 passed, 1 failed, 0 skipped")

    def test_the_cases_of_unittest_are_counted(self):
        self.assertEqual(self.count("FAIL", "Ran 7 tests in 0.1s\n\nFAILED (failures=1, errors=1, skipped=2)\n"),
                         "3 passed, 2 failed, 2 skipped")
        self.assertEqual(self.count("OK", "Ran 7 tests in 0.1s\n\nOK\n"), "7 passed, 0 failed, 0 skipped")

    def test_a_program_may_state_its_counts(self):
        self.assertEqual(self.count("OK", "x\n5 passed, 0 failed\n"), "5 passed, 0 failed, 0 skipped")
        self.assertEqual(self.count("FAIL", "5 passed, 0 failed\n"), "5 passed, 1 failed, 0 skipped")

    def test_a_silent_program_is_one_case(self):
        self.assertEqual(self.count("OK", "hello"), "1 passed, 0 failed, 0 skipped")
        self.assertEqual(self.count("SKIP", ""), "0 passed, 0 failed, 1 skipped")


if __name__ == "__main__":
    unittest.main()
