#!/usr/bin/env python3
"""Accounts that others keep: files, data bases and directory services of their own programs.

RINGMAIL names the program; ringmail-backend lies beside it. PostgreSQL and slapd are Debian's, started here as nobody that
matters, on Unix sockets in a folder of the test; PAM needs root, for a file in /etc/pam.d.
"""

import os
import poplib
import pwd
import shutil
import signal
import smtplib
import sqlite3
import subprocess
import sys
import unittest
from pathlib import Path

from ports import free_port
from server_test import OK, PROGRAM, WAIT_SECONDS, ServerCase, eventually

def crypt(password):
    done = subprocess.run(["openssl", "passwd", "-6", "-salt", "saltstring", password], capture_output=True, check=True)
    return done.stdout.decode().strip()


class BackendCase(ServerCase):
    KNOWN, UNKNOWN, PASSWORD = "bob", "nobody-there", "pencil"

    def begin(self, backend, shards=2):
        self.pop = free_port()
        self.write_config(shards=shards, extra=f"""
[[listener]]
address = "127.0.0.1:{self.pop}"
protocol = "pop3"
auth = "always"
[[backend]]
name = "people"
domains = ["example.org"]
cache = "0s"
negative_cache = "0s"
password_cache = "0s"
deadline = "2s"
{backend}
[authentication]
failure_delay = "1s"
failures_per_network = 0
failures_per_name = 0
""")
        self.server = self.serve()

    def run_ok(self, *arguments, stdin=b""):
        done = self.run_program(*arguments, "--config", self.config, stdin=stdin)
        self.assertEqual(done.returncode, OK, (arguments, done.stdout, done.stderr))
        return done.stdout.decode()

    def exported(self):
        made = self.dir / "exported"
        made.unlink(missing_ok=True)
        self.run_ok("directory", "export", made)
        return made.read_text()

    def rcpt(self, name):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
            client.ehlo("elsewhere.example")
            client.mail("friend@elsewhere.example")
            code, text = client.rcpt(f"{name}@example.org")
            return code, text.split()[0].decode()

    def deliver(self, *names):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_SECONDS) as client:
            client.sendmail("friend@elsewhere.example", [f"{name}@example.org" for name in names],
                            "Subject: hello\r\n\r\nbody\r\n")

    def log_in(self, name, password):
        """What the server says to PASS: "" where it lets in."""
        box = poplib.POP3("127.0.0.1", self.pop, timeout=WAIT_SECONDS)
        box.user(f"{name}@example.org")
        try:
            box.pass_(password)
        except poplib.error_proto as refused:
            return refused.args[0].decode()
        finally:
            box.close()
        return ""

    def messages(self, name, password):
        box = poplib.POP3("127.0.0.1", self.pop, timeout=WAIT_SECONDS)
        box.user(f"{name}@example.org")
        box.pass_(password)
        found = [b"\r\n".join(box.retr(number)[1]) for number in range(1, box.stat()[0] + 1)]
        box.quit()
        return found

    def check_people(self):
        """Who is known gets mail and fetches it; who is not is refused, and neither has an entry."""
        self.assertEqual(self.rcpt(self.UNKNOWN), (550, "5.1.1"))
        self.assertEqual(self.rcpt(self.KNOWN), (250, "2.1.5"))
        self.assertEqual(self.rcpt(self.KNOWN + "+detail"), (250, "2.1.5"))
        self.assertRegex(self.log_in(self.KNOWN, "wrong"), r"^-ERR \[AUTH\]")
        self.assertRegex(self.log_in(self.UNKNOWN, self.PASSWORD), r"^-ERR \[AUTH\]")
        self.assertEqual(self.log_in(self.KNOWN, self.PASSWORD), "")
        self.deliver(self.KNOWN)
        self.deliver(self.KNOWN + "+detail")
        found = eventually(lambda: (lambda all: all if len(all) == 2 else None)(self.messages(self.KNOWN, self.PASSWORD)),
                           "both are there")
        for one in found:
            self.assertTrue(one.endswith(b"\r\n\r\nbody"), one)
        text = self.exported()
        self.assertRegex(text, rf"(?m)^account {self.KNOWN}@example\.org .*backend=people.* credentials=none")
        self.assertNotIn(self.UNKNOWN, text)

    def check_outage(self, stop, start):
        """What cannot be told is not refused for good, and is told again once it can."""
        stop()
        eventually(lambda: self.rcpt(self.KNOWN) == (451, "4.3.0"), "a known one is put off")
        self.assertEqual(self.rcpt(self.UNKNOWN), (451, "4.3.0"))
        self.assertRegex(self.log_in(self.KNOWN, self.PASSWORD), r"^-ERR \[SYS/TEMP\]")
        start()
        eventually(lambda: self.rcpt(self.KNOWN) == (250, "2.1.5"), "it is back")
        eventually(lambda: self.log_in(self.KNOWN, self.PASSWORD) == "", "it lets in")
        self.assertEqual(self.rcpt(self.UNKNOWN), (550, "5.1.1"))


class PasswdFile(BackendCase):
    def setUp(self):
        super().setUp()
        self.file = self.dir / "people"

    def replace(self, text):
        made = self.dir / "people.new"
        made.write_text(text)
        os.replace(made, self.file)

    def test_dovecot(self):
        self.replace(f"# people\nbob@example.org:{{SHA512-CRYPT}}{crypt('pencil')}:1000:1000::/home/bob::"
                     "userdb_quota_rule=*:storage=1G proxy_maybe=y\n")
        self.begin(f'kind = "passwd_file"\nfile = "{self.file}"')
        self.check_people()
        self.assertRegex(self.exported(), r"(?m)^account bob@example\.org .*quota=1GiB")

    def test_a_default_scheme_and_users_without_a_domain(self):
        self.replace("bob:pencil\nann:graphite\n")
        self.begin(f'kind = "passwd_file"\nfile = "{self.file}"\ndefault_scheme = "PLAIN"')
        self.check_people()

    def test_courier(self):
        self.replace(f"bob@example.org\thome=/home/bob|systempw={crypt('pencil')}|uid=1000|quota=1000000S\n")
        self.begin(f'kind = "passwd_file"\nformat = "courier"\nfile = "{self.file}"')
        self.check_people()

    def test_passwd(self):
        self.replace(f"root:x:0:0:root:/root:/bin/bash\nbob:{crypt('pencil')}:1000:1000:Bob:/home/bob:/bin/sh\n")
        self.begin(f'kind = "passwd_file"\nformat = "passwd"\nfile = "{self.file}"')
        self.check_people()
        self.assertRegex(self.log_in("root", "x"), r"^-ERR \[AUTH\]")

    def test_a_file_that_changes_is_read_again_and_a_broken_one_is_not(self):
        self.replace("bob:{PLAIN}pencil\n")
        self.begin(f'kind = "passwd_file"\nfile = "{self.file}"')
        self.assertEqual(self.rcpt("bob"), (250, "2.1.5"))  # he has an entry from now on
        self.assertEqual(self.rcpt("ann"), (550, "5.1.1"))
        self.replace("bob:{PLAIN}pencil\nann:{PLAIN}graphite\n")
        eventually(lambda: self.rcpt("ann") == (250, "2.1.5"), "ann is known")
        self.replace("bob:{PLAIN}pencil\nthis is no line\n")
        eventually(lambda: self.rcpt("ann") and "line 2: has no colon" in self.log.read_text(), "the log says where")
        self.assertEqual(self.rcpt("ann"), (250, "2.1.5"))
        self.replace("ann:{PLAIN}graphite\n")
        eventually(lambda: self.rcpt("bob") == (550, "5.1.1"), "bob is gone")
        self.assertRegex(self.log_in("bob", "pencil"), r"^-ERR \[AUTH\]")
        # What came for bob stays until the operator deletes it.
        self.assertIn("bob@example.org", self.exported())
        self.run_ok("account", "delete", "bob@example.org")
        self.assertEqual(self.rcpt("bob"), (550, "5.1.1"))

    def test_a_new_password_counts_before_the_cache_ends(self):
        self.replace("bob:{PLAIN}pencil\n")
        self.begin(f'kind = "passwd_file"\nfile = "{self.file}"')
        text = Path(self.config).read_text().replace('cache = "0s"\nneg', 'cache = "1h"\nneg')
        Path(self.config).write_text(text)
        self.stop(self.server)
        self.server = self.serve()
        self.assertEqual(self.log_in("bob", "pencil"), "")
        self.replace("bob:{PLAIN}graphite\n")
        eventually(lambda: self.log_in("bob", "graphite") == "", "the new one lets in")

    def test_check_says_what_is_wrong_with_the_file(self):
        self.replace("bob:{PLAIN}pencil\nthis is no line\n")
        self.pop = free_port()
        self.write_config(extra=f'[[backend]]\nname = "people"\ndomains = ["example.org"]\nkind = "passwd_file"\n'
                                f'file = "{self.file}"\n')
        done = self.run_program("check", "--config", self.config)
        self.assertNotEqual(done.returncode, OK)
        self.assertIn(f"[[backend]] people: {self.file}: line 2: has no colon behind the user".encode(), done.stderr)


class Sqlite(BackendCase):
    QUERY = "SELECT password, quota, forward FROM users WHERE name = :local_part AND domain = :domain"

    def setUp(self):
        super().setUp()
        self.file = self.dir / "people.sqlite"
        with sqlite3.connect(self.file) as people:
            people.execute("CREATE TABLE users (name TEXT, domain TEXT, password TEXT, quota INTEGER, forward TEXT)")
            people.executemany("INSERT INTO users VALUES (?, 'example.org', ?, ?, ?)",
                               [("bob", "{SHA512-CRYPT}" + crypt("pencil"), 1 << 20, None),
                                ("ann", "{PLAIN}graphite", None, None),
                                ("both", None, None, "bob@example.org, ann@example.org"),
                                ("copy", "{PLAIN}x", None, "copy@example.org ann@example.org")])
        people.close()

    def begin_sqlite(self, query=QUERY):
        self.begin(f'kind = "sqlite"\nfile = "{self.file}"\nquery = "{query}"')

    def test_people(self):
        self.begin_sqlite()
        self.check_people()
        self.assertRegex(self.exported(), r"(?m)^account bob@example\.org .*quota=1MiB")

    def test_mail_goes_where_the_data_base_sends_it(self):
        self.begin_sqlite()
        self.run_ok("alias", "add", "all@example.org", "both@example.org", "copy@example.org")
        self.deliver("all")
        for name, password in (("bob", "pencil"), ("ann", "graphite"), ("copy", "x")):
            eventually(lambda: len(self.messages(name, password)) == 1, f"{name} has one")

    def test_a_data_base_that_is_away_or_locked_puts_everybody_off(self):
        self.begin_sqlite()
        self.assertEqual(self.rcpt("bob"), (250, "2.1.5"))
        aside = self.dir / "aside"
        self.check_outage(lambda: os.rename(self.file, aside), lambda: os.rename(aside, self.file))
        locker = sqlite3.connect(self.file, isolation_level=None)
        self.check_outage(lambda: locker.execute("BEGIN EXCLUSIVE"), lambda: locker.execute("ROLLBACK"))
        locker.close()

    def test_another_file_in_its_place_is_seen(self):
        self.begin_sqlite()
        self.assertEqual(self.rcpt("eve"), (550, "5.1.1"))
        other = self.dir / "other"
        shutil.copy(self.file, other)
        with sqlite3.connect(other) as people:
            people.execute("INSERT INTO users VALUES ('eve', 'example.org', '{PLAIN}x', NULL, NULL)")
        people.close()
        os.replace(other, self.file)
        self.assertEqual(self.rcpt("eve"), (250, "2.1.5"))

    def test_check_names_the_backend_and_the_fault(self):
        for query, fault in (("SELECT secret FROM users", "no such column: secret"),
                             ("SELECT password FROM users WHERE name = :user", "parameter :user"),
                             ("DELETE FROM users", "changes the data base")):
            self.write_config(extra=f'[[backend]]\nname = "people"\ndomains = ["example.org"]\nkind = "sqlite"\n'
                                    f'file = "{self.file}"\nquery = "{query}"\n')
            done = self.run_program("check", "--config", self.config)
            self.assertNotEqual(done.returncode, OK)
            self.assertIn("[[backend]] people: ", done.stderr.decode())
            self.assertIn(fault, done.stderr.decode())


def find(name, *folders):
    """A program of Debian's that is not on everybody's path."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *map(str, folders)]))


def some_user():
    """Servers that refuse to run as root run as this."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


class ProcessCase(BackendCase):
    PROCESS = Path(PROGRAM).parent / "ringmail-backend"

    def setUp(self):
        super().setUp()
        if not self.PROCESS.exists():
            self.skipTest("ringmail-backend was not built")
        os.chmod(self.dir, 0o755)
        self.room = self.dir / "service"
        self.room.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.room, "nobody", "nogroup")

    def processes(self):
        """Those of ringmail-backend that this test's server has started."""
        found = []
        for one in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(one / "exe") != str(self.PROCESS):
                    continue
                parent = int((one / "stat").read_text().rsplit(")", 1)[1].split()[1])
                found.append((int(one.name), parent))
            except OSError:
                continue
        watchers = [number for number, parent in found if parent == self.server.pid]
        return watchers, [number for number, parent in found if parent in watchers]

    def check_process(self):
        """One that is killed is started again; none outlives the server."""
        watchers, workers = self.processes()
        self.assertEqual((len(watchers), len(workers)), (1, 1))
        os.kill(workers[0], signal.SIGKILL)
        eventually(lambda: self.rcpt(self.KNOWN) == (250, "2.1.5"), "another answers")
        self.assertNotEqual(self.processes()[1], workers)
        self.stop(self.server)
        eventually(lambda: not any(Path(f"/proc/{number}").exists() for number in watchers), "they are gone")


class Postgresql(ProcessCase):
    QUERY = "SELECT password, quota, forward FROM users WHERE name = :local_part AND domain = :domain::varchar"

    def setUp(self):
        super().setUp()
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        self.initdb, self.postgres = find("initdb", *versions), find("postgres", *versions)
        if not self.initdb or not self.postgres:
            self.skipTest("PostgreSQL is not installed")
        self.data = self.room / "data"
        subprocess.run([self.initdb, "-D", self.data, "-U", "nobody", "--auth=trust", "--no-sync", "-E", "UTF8"],
                       check=True, capture_output=True, cwd=self.room, **some_user())
        self.start_postgresql()
        self.sql("CREATE TABLE users (name varchar, domain varchar, password varchar, quota bigint, forward varchar);"
                 f"INSERT INTO users VALUES ('bob', 'example.org', '{{SHA512-CRYPT}}{crypt('pencil')}', 1048576, NULL),"
                 "('both', 'example.org', NULL, NULL, 'bob@example.org')")

    def start_postgresql(self):
        self.service = subprocess.Popen(
            [self.postgres, "-D", self.data, "-k", self.room, "-c", "listen_addresses=", "-c", "fsync=off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.room, **some_user())
        self.addCleanup(self.stop_postgresql)
        eventually(lambda: self.psql("SELECT 1").returncode == 0, "PostgreSQL answers")

    def stop_postgresql(self):
        if self.service.poll() is None:
            self.service.send_signal(signal.SIGQUIT)
        self.service.wait(WAIT_SECONDS)

    def psql(self, text):
        return subprocess.run([find("psql"), "-h", self.room, "-U", "nobody", "-d", "postgres", "-v", "ON_ERROR_STOP=1",
                               "-c", text], capture_output=True)

    def sql(self, text):
        done = self.psql(text)
        self.assertEqual(done.returncode, 0, done.stderr)

    def begin_postgresql(self):
        self.begin(f'kind = "postgresql"\nuri = "host={self.room} user=nobody dbname=postgres"\nquery = "{self.QUERY}"')
        eventually(lambda: self.rcpt(self.KNOWN)[0] == 250, "the process is there")

    def test_people(self):
        self.begin_postgresql()
        self.check_people()
        self.assertRegex(self.exported(), r"(?m)^account bob@example\.org .*quota=1MiB")
        self.assertEqual(self.rcpt("bob' OR 'a'='a"), (501, "5.1.3"))
        self.assertEqual(self.rcpt("o'hara"), (550, "5.1.1"))
        before = len(self.messages("bob", "pencil"))
        self.deliver("both")
        eventually(lambda: len(self.messages("bob", "pencil")) == before + 1, "it is sent on")

    def test_a_server_that_is_away_puts_everybody_off(self):
        self.begin_postgresql()
        self.check_outage(self.stop_postgresql, self.start_postgresql)
        self.check_process()

    def test_a_query_that_waits_ends_at_the_deadline(self):
        self.begin_postgresql()
        locker = subprocess.Popen([find("psql"), "-h", self.room, "-U", "nobody", "-d", "postgres"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        self.addCleanup(locker.wait, WAIT_SECONDS)
        self.addCleanup(locker.stdout.close)

        def lock():
            locker.stdin.write(b"BEGIN; LOCK TABLE users; SELECT 'locked';\n")
            locker.stdin.flush()
            while b"locked" not in locker.stdout.readline():
                pass
        self.check_outage(lock, locker.stdin.close)


class Ldap(ProcessCase):
    def setUp(self):
        super().setUp()
        self.slapd = find("slapd")
        if not self.slapd or not find("ldapadd"):
            self.skipTest("slapd and ldap-utils are not installed")
        (self.room / "db").mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.room / "db", "nobody", "nogroup")
        self.conf = self.room / "slapd.conf"
        self.conf.write_text(f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {self.room}/pid
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw secret
directory {self.room}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=reader,dc=example,dc=org" read by anonymous auth by * none
""")
        self.uri = "ldapi://" + str(self.room / "ldapi").replace("/", "%2F")
        self.start_slapd()
        person = "dn: uid={0},dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: {0}\ncn: {0}\nsn: {0}\n" \
                 "mail: {0}@example.org\nuserPassword: {1}\n{2}\n"
        self.add("dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: e\ndc: example\n\n"
                 "dn: cn=reader,dc=example,dc=org\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"
                 "cn: reader\nuserPassword: readers\n\n" +
                 person.format("bob", "pencil", "") + person.format("both", "x", "description: bob@example.org\n"))
        (self.dir / "secret").write_text("readers\n")
        os.chmod(self.dir / "secret", 0o644)

    def start_slapd(self):
        command = [self.slapd, "-f", self.conf, "-h", self.uri, "-d", "0"]
        self.service = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.room,
                                        **some_user())
        self.addCleanup(self.stop_slapd)
        eventually(lambda: subprocess.run([find("ldapwhoami"), "-x", "-H", self.uri], capture_output=True).returncode == 0,
                   "slapd answers")

    def stop_slapd(self):
        if self.service.poll() is None:
            self.service.terminate()
        self.service.wait(WAIT_SECONDS)

    def add(self, text):
        done = subprocess.run([find("ldapadd"), "-x", "-H", self.uri, "-D", "cn=admin,dc=example,dc=org", "-w", "secret"],
                              input=text.encode(), capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def begin_ldap(self):
        self.begin(f"""kind = "ldap"
uri = "{self.uri}"
bind_dn = "cn=reader,dc=example,dc=org"
secret_file = "{self.dir}/secret"
base = "dc=example,dc=org"
filter = "(&(objectClass=inetOrgPerson)(mail={{address}}))"
forward_attribute = "description"
""")
        eventually(lambda: self.rcpt(self.KNOWN)[0] == 250, "the process is there")

    def test_people_prove_themselves_by_a_bind(self):
        self.begin_ldap()
        self.check_people()
        self.assertEqual(self.rcpt("*"), (550, "5.1.1"))
        before = len(self.messages("bob", "pencil"))
        self.deliver("both")
        eventually(lambda: len(self.messages("bob", "pencil")) == before + 1, "it is sent on")

    def test_a_server_that_is_away_puts_everybody_off(self):
        self.begin_ldap()
        self.check_outage(self.stop_slapd, self.start_slapd)
        self.check_process()


class Libraries(ProcessCase):
    def test_the_server_loads_none_that_brings_another_tls(self):
        for program, theirs in ((PROGRAM, r"libcrypto\.so\.[13]|libssl\.so\.[13]|libpq|libldap|libpam"),
                                (self.PROCESS, r"android")):
            done = subprocess.run(["ldd", program], capture_output=True, check=True)
            self.assertNotRegex(done.stdout.decode(), theirs)


@unittest.skipUnless(os.geteuid() == 0, "PAM reads its services from /etc/pam.d, which only root may write to")
class Pam(ProcessCase):
    # Of the system's own users one that is nobody.
    KNOWN = "games"

    def setUp(self):
        super().setUp()
        try:
            pwd.getpwnam(self.KNOWN)
        except KeyError:
            self.skipTest(f"there is no user {self.KNOWN}")
        self.passwords, self.script = self.dir / "pencil", self.dir / "check"
        self.passwords.write_text("pencil")
        self.script.write_text(f'#!/bin/sh\n[ "$(tr -d \'\\0\')" = "$(cat {self.passwords})" ]\n')
        os.chmod(self.script, 0o755)
        self.service_name = f"ringmail-e2e-{os.getpid()}"
        self.service = Path("/etc/pam.d") / self.service_name
        self.addCleanup(self.service.unlink, missing_ok=True)
        self.install()

    def install(self):
        self.service.write_text(f"auth [success=1 default=ignore] pam_exec.so expose_authtok quiet {self.script}\n"
                                "auth requisite pam_deny.so\nauth required pam_permit.so\naccount required pam_permit.so\n")

    def test_people_of_the_system(self):
        self.begin(f'kind = "pam"\nservice = "{self.service_name}"')
        eventually(lambda: self.rcpt(self.KNOWN)[0] == 250, "the process is there")
        self.check_people()
        # Who is there is known without PAM; the password is not.
        self.service.write_text("auth required pam_that_is_not_there.so\n")
        self.assertRegex(self.log_in(self.KNOWN, self.PASSWORD), r"^-ERR \[SYS/TEMP\]")
        self.install()
        self.assertEqual(self.log_in(self.KNOWN, self.PASSWORD), "")
        self.check_process()


if __name__ == "__main__":
    unittest.main(verbosity=1)
