#!/usr/bin/env python3
"""The directory as an operator meets it: domain, account, alias and directory commands on a running server.

RINGMAIL names the program.
"""

import json
import os
import signal
import sys
import unittest

from server_test import FAILED, OK, UNREACHABLE, USAGE, ServerCase, eventually


class Directory(ServerCase):
    def setUp(self):
        super().setUp()
        self.server = self.serve()

    def run_ok(self, *arguments, stdin=b""):
        done = self.run_program(*arguments, "--config", self.config, stdin=stdin)
        self.assertEqual(done.returncode, OK, (arguments, done.stdout, done.stderr))
        return done.stdout.decode()

    def refused(self, *arguments, stdin=b"", code=FAILED):
        done = self.run_program(*arguments, "--config", self.config, stdin=stdin)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done.stderr.decode()

    def household(self):
        self.run_ok("domain", "add", "Example.org", "--comment", "ours")
        self.run_ok("account", "add", "Bob@Example.org", "--name", "Bob B.", "--quota", "10GiB", stdin=b"secret\n")
        self.run_ok("alias", "add", "sales@example.org", "bob@example.org", "eve@elsewhere.example")

    def lookup(self, address):
        return json.loads(self.run_ok("directory", "lookup", address))

    def test_accounts_are_made_shown_changed_and_removed(self):
        self.household()
        shown = json.loads(self.run_ok("account", "show", "bob@example.org", "--json"))
        self.assertEqual((shown["address"], shown["name"], shown["quota_bytes"], shown["enabled"]),
                         ("bob@example.org", "Bob B.", 10 << 30, True))
        self.assertEqual([one["scheme"] for one in shown["credentials"]], ["ARGON2ID", "SCRAM-SHA-256", "SCRAM-SHA-1"])
        self.assertNotIn("$argon2", self.run_ok("account", "show", "bob@example.org"))
        self.run_ok("account", "set", "bob@example.org", "--disable", "--quota", "0B")
        self.assertIn("disabled", self.run_ok("account", "list"))
        self.run_ok("account", "passwd", "bob@example.org", "--app", "phone", stdin=b"other\n")
        self.run_ok("account", "passwd", "bob@example.org", stdin=b"new\n")
        shown = json.loads(self.run_ok("account", "show", "bob@example.org", "--json"))
        self.assertEqual(sorted(one["kind"] for one in shown["credentials"]), ["app", "password", "scram", "scram"])
        self.run_ok("account", "passwd", "bob@example.org", "--app", "phone", "--revoke")
        self.assertIn("app password", self.refused("account", "passwd", "bob@example.org", "--app", "phone", "--revoke"))
        self.assertIn("still has", self.refused("domain", "delete", "example.org"))
        self.run_ok("alias", "delete", "sales@example.org")
        self.run_ok("account", "delete", "bob@example.org")
        self.run_ok("domain", "delete", "example.org")
        self.assertEqual(json.loads(self.run_ok("domain", "list", "--json"))["domains"], [])

    def test_a_lookup_says_what_becomes_of_mail(self):
        self.household()
        self.run_ok("alias", "add", "@example.org", "bob@example.org")
        self.run_ok("alias", "add", "old@example.org", "new@elsewhere.example", "--moved")
        self.assertEqual(self.lookup("BOB+lists@example.org")["detail"], "lists")
        self.assertEqual(self.lookup("sales@example.org")["accounts"], ["bob@example.org"])
        self.assertEqual(self.lookup("sales@example.org")["foreign"], ["eve@elsewhere.example"])
        self.assertTrue(self.lookup("anybody@example.org")["catch_all"])
        self.assertEqual(self.lookup("old@example.org")["new_address"], "new@elsewhere.example")
        self.assertEqual(self.lookup("who@elsewhere.example")["kind"], "foreign")
        self.run_ok("alias", "delete", "sales@example.org", "bob@example.org")
        self.assertEqual(self.lookup("sales@example.org")["accounts"], [])

    def test_what_was_done_survives_a_kill_and_another_number_of_shards(self):
        self.household()
        before = self.run_ok("directory", "export", "-")
        for shards in (3, 1):
            self.server.send_signal(signal.SIGKILL)
            self.server.wait()
            self.write_config(shards=shards)
            self.server = self.serve()
            self.assertEqual(self.run_ok("directory", "export", "-"), before)
        self.stop(self.server)
        checked = self.run_program("fsck", self.dir / "data")
        self.assertEqual(checked.returncode, OK, checked.stdout)
        self.assertIn(b"3 entries in the directory", checked.stdout)

    def test_export_and_import_round_trip_with_the_file_as_the_source_of_truth(self):
        self.household()
        file = self.dir / "directory.txt"
        self.run_ok("directory", "export", file)
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        self.assertIn("0 added, 0 changed, 0 removed, 3 unchanged",
                      self.run_ok("directory", "import", file, "--prune", "--dry-run"))
        text = file.read_text().replace("quota=10GiB", "quota=5GiB")
        text = "".join(line for line in text.splitlines(True) if not line.startswith("alias"))
        file.write_text(text + "account eve@example.org name=\"Eve E.\"\n")
        dry = self.run_ok("directory", "import", file, "--prune", "--dry-run").splitlines()
        self.assertEqual(dry[:3], ["+ account eve@example.org", "- alias sales@example.org",
                                   "~ account bob@example.org: quota"])
        self.assertEqual(self.lookup("sales@example.org")["kind"], "alias")
        self.assertEqual(self.run_ok("directory", "import", file), "1 added, 1 changed, 0 removed, 1 unchanged\n")
        self.assertEqual(self.lookup("sales@example.org")["kind"], "alias")
        self.assertEqual(self.run_ok("directory", "import", file, "--prune"),
                         "0 added, 0 changed, 1 removed, 3 unchanged\n")
        self.assertEqual(self.lookup("sales@example.org")["kind"], "unknown")

    def test_a_file_with_faults_changes_nothing_and_every_line_is_named(self):
        self.household()
        file = self.dir / "wrong.txt"
        file.write_text("account new@example.org\nacount x@example.org\naccount y@example.org qota=1GiB\n")
        errors = self.refused("directory", "import", file)
        self.assertIn(f"{file}:2: 'acount' is none of", errors)
        self.assertIn(f"{file}:3: unknown key 'qota'; did you mean 'quota'?", errors)
        file.write_text("account new@example.org\naccount x@nowhere.example\n")
        self.assertIn("x@nowhere.example is in no domain of ours", self.refused("directory", "import", file))
        self.assertEqual(self.lookup("new@example.org")["kind"], "unknown")

    def test_an_import_of_many_is_one_transaction(self):
        file = self.dir / "many.txt"
        file.write_text("domain example.org\n" + "".join(
            f"account user{i}@example.org password={{SHA512-CRYPT}}$6${'x' * 90}\n" for i in range(50_000)))
        self.assertEqual(self.run_ok("directory", "import", file), "50001 added, 0 changed, 0 removed, 0 unchanged\n")
        self.assertEqual(self.lookup("user49999@example.org")["kind"], "account")

    def test_a_configured_domain_is_local_until_the_file_says_otherwise(self):
        self.assertEqual(self.lookup("x@conf.example")["kind"], "foreign")
        self.config.write_text(self.config.read_text() + '[[domain]]\nname = "Conf.example"\n')
        self.server.send_signal(signal.SIGHUP)
        eventually(lambda: self.lookup("x@conf.example")["kind"] == "unknown", "the domain is local")
        self.run_ok("account", "add", "x@conf.example", "--no-password")
        self.assertEqual(self.lookup("x@conf.example")["kind"], "account")

    def test_wrong_use_is_told_apart_and_a_password_is_never_an_argument(self):
        self.household()
        self.assertIn("there already", self.refused("account", "add", "bob@example.org", stdin=b"x\n"))
        self.assertIn("no account", self.refused("account", "delete", "nobody@example.org"))
        self.assertIn("no account", self.refused("account", "delete", "sales@example.org"))
        self.assertIn("no domain of ours", self.refused("account", "add", "a@nowhere.example", "--no-password"))
        self.assertIn("no password", self.refused("account", "add", "c@example.org", code=USAGE))
        self.refused("account", "add", "c@example.org", "secret", code=USAGE)
        self.refused("account", "lits", code=USAGE)
        self.refused("alias", "add", "x@example.org", code=USAGE)
        self.refused("directory", "import", code=USAGE)
        self.assertNotIn("secret", self.log.read_text())
        self.stop(self.server)
        self.refused("account", "list", code=UNREACHABLE)


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1] + sys.argv[1:])
