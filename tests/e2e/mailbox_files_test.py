#!/usr/bin/env python3
"""Mailboxes in files, into and out of a running server: `ringmail import` and `export`, with Python's `mailbox` module as
the program that wrote the files and reads them again.

RINGMAIL names the program.
"""

import json
import mailbox
import os
import signal
import subprocess
import time
import unittest
import urllib.parse

from server_test import FAILED, OK, PROGRAM, UNREACHABLE, USAGE, ServerCase, eventually

ACCOUNT = "bob@example.org"


def text_of(number, size=0):
    return (f"From: a@example.net\nTo: bob@example.org\nSubject: number {number}\n\nText {number}\nFrom here on\n"
            f">From there\n.dot\n" + "x" * size + "\n").encode()


def crlf(octets):
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class MailboxFiles(ServerCase):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.run_ok("domain", "add", "example.org")
        self.run_ok("account", "add", ACCOUNT, stdin=b"secret\n")
        self.files = os.path.join(str(self.dir), "files")
        os.mkdir(self.files)
        self.journal = os.path.join(str(self.dir), "journal")

    def run_ok(self, *arguments, stdin=b"", code=OK):
        done = self.run_program(*arguments, "--config", self.config, stdin=stdin)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done.stdout.decode() + done.stderr.decode()

    def bring(self, path, *more, code=OK):
        return self.run_ok("import", ACCOUNT, path, "--journal", self.journal, *more, code=code)

    def write_out(self, path, *more, code=OK):
        return self.run_ok("export", ACCOUNT, path, *more, code=code)

    def socket(self):
        return str(self.dir / "data" / "control.sock")

    def curl(self, resource, *more):
        return subprocess.run(
            ["curl", "-sS", "--unix-socket", self.socket(), *more,
             f"http://localhost/v1/accounts/{ACCOUNT}/{resource}"], stdout=subprocess.PIPE, check=True).stdout

    def mailboxes(self):
        return {one["name"]: one for one in json.loads(self.curl("mailboxes"))["mailboxes"]}

    def heads(self, name):
        lines = self.curl("messages?mailbox=" + urllib.parse.quote(name)).decode().splitlines()
        return [json.loads(line) for line in lines]

    def message(self, name, uid):
        return self.curl(f"messages/{uid}?mailbox=" + urllib.parse.quote(name))

    def texts(self, name):
        rest, texts = self.curl("export?mailbox=" + urllib.parse.quote(name)), []
        while rest:
            head, rest = rest.split(b"\n", 1)
            count = json.loads(head)["bytes"]
            texts.append(rest[:count])
            rest = rest[count:]
        return texts

    def make_maildir(self, count=25):
        root = mailbox.Maildir(os.path.join(self.files, "Maildir"), create=True)
        for number in range(count):
            one = mailbox.MaildirMessage(text_of(number))
            one.set_flags(["", "S", "RS", "FST", "D"][number % 5])
            one.set_subdir("cur")
            one.set_date(1_000_000_000 + number)
            root.add(one)
        folder = root.add_folder("Sent.Entw&APw-rfe")
        for number in range(3):
            folder.add(mailbox.MaildirMessage(text_of(100 + number, 300_000)))
        with open(os.path.join(self.files, "Maildir", "subscriptions"), "w") as file:
            file.write("Sent.Entw&APw-rfe\nINBOX\n")
        return os.path.join(self.files, "Maildir")

    def test_a_maildir_comes_with_flags_dates_folders_and_subscriptions(self):
        path = self.make_maildir()
        said = self.bring(path)
        self.assertIn("28 messages imported", said)
        self.assertEqual(self.mailboxes()["INBOX"]["messages"], 25)
        self.assertEqual(self.mailboxes()["Sent/Entw\u00fcrfe"]["messages"], 3)
        self.assertIn("Sent", self.mailboxes())
        self.assertEqual(json.loads(self.curl("mailboxes"))["subscriptions"], ["INBOX", "Sent/Entw\u00fcrfe"])
        self.assertEqual(sorted(self.texts("INBOX")), sorted(crlf(text_of(n)) for n in range(25)))
        self.assertEqual(sorted(self.texts("Sent/Entw\u00fcrfe")),
                         sorted(crlf(text_of(100 + n, 300_000)) for n in range(3)))
        flags = [[], ["\\Seen"], ["\\Seen", "\\Answered"], ["\\Seen", "\\Flagged", "\\Deleted"], ["\\Draft"]]
        for head in self.heads("INBOX"):
            number = head["date"] - 1_000_000_000
            self.assertEqual(head["flags"], flags[number % 5])

    def test_a_second_run_brings_only_what_is_new(self):
        path = self.make_maildir()
        self.bring(path)
        self.assertIn("0 messages imported", self.bring(path))
        maildir = mailbox.Maildir(path)
        maildir.add(mailbox.MaildirMessage(text_of(999)))
        said = self.bring(path)
        self.assertIn(" 1 messages imported", "\n " + said)
        self.assertIn("28 were there already", said)
        self.assertEqual(self.mailboxes()["INBOX"]["messages"], 26)

    def uids(self, name):
        """UIDVALIDITY, and the UID of each message by its number."""
        numbers = {crlf(text_of(number)): number for number in range(1000)}
        uids = {numbers[text]: head["uid"] for head, text in zip(self.heads(name), self.texts(name))}
        return self.mailboxes()[name]["uid_validity"], uids

    def write_uid_list(self, path, uid_validity, uid_next, uids):
        """As Dovecot writes it. `uids`: of the messages, by their numbers."""
        unique = {}
        for folder in ("cur", "new"):
            for name in os.listdir(os.path.join(path, folder)):
                with open(os.path.join(path, folder, name), "rb") as file:
                    number = int(file.read().split(b"Subject: number ")[1].split(b"\n")[0])
                unique[number] = name.split(":")[0]
        with open(os.path.join(path, "dovecot-uidlist"), "w") as file:
            file.write(f"3 V{uid_validity} N{uid_next} Gfeedfeed\n")
            for number, uid in sorted(uids.items(), key=lambda one: one[1]):
                file.write(f"{uid} G0000 :{unique[number]}\n")

    def deliver(self, number):
        self.curl("messages?mailbox=INBOX", "--data-binary", crlf(text_of(number)).decode())

    def test_uids_that_clients_know_are_kept(self):
        path = self.make_maildir(6)
        known = {5: 3, 0: 17, 1: 18, 2: 400}  # 3 and 4 nobody has seen yet
        self.write_uid_list(path, 1_234_567, 500, known)
        said = self.bring(path)
        self.assertIn("UIDs and UIDVALIDITY kept in 1 mailboxes", said)
        validity, uids = self.uids("INBOX")
        self.assertEqual(validity, 1_234_567)
        self.assertEqual({number: uids[number] for number in known}, known)
        self.assertEqual(sorted([uids[3], uids[4]]), [500, 501])
        # Of what left the source no UID comes again.
        self.deliver(900)
        self.assertEqual(self.uids("INBOX")[1][900], 502)
        # Old and new: what has come there since, and what has come here.
        maildir = mailbox.Maildir(path)
        for number in (600, 601):
            maildir.add(mailbox.MaildirMessage(text_of(number)))
        self.write_uid_list(path, 1_234_567, 601,
                            {**{number: uids[number] for number in range(6)}, 600: 502, 601: 600})
        said = self.bring(path)
        self.assertIn("1 messages got new UIDs", said)
        validity, uids = self.uids("INBOX")
        self.assertEqual((validity, uids[900], uids[601], uids[600]), (1_234_567, 502, 600, 601))
        self.assertEqual(len(uids), 9)

    def test_uids_are_new_where_they_would_mean_something_else(self):
        path = self.make_maildir(2)
        self.write_uid_list(path, 77, 12, {0: 10, 1: 11})
        self.deliver(900)  # clients may know it, and UID 1
        self.assertNotIn("kept", self.bring(path))
        validity, uids = self.uids("INBOX")
        self.assertNotEqual(validity, 77)
        self.assertEqual(uids, {900: 1, 0: 2, 1: 3})
        # A mailbox that is made can go on; where nobody wants that, it does not.
        self.journal += "2"
        self.bring(path, "--mailbox", "Old")
        self.assertEqual(self.uids("Old"), (77, {0: 10, 1: 11}))
        self.journal += "3"
        self.bring(path, "--mailbox", "New", "--new-uids")
        validity, uids = self.uids("New")
        self.assertEqual(uids, {0: 1, 1: 2})
        self.assertNotEqual(validity, 77)

    def test_an_mbox_keeps_its_uids_and_believes_no_message(self):
        path = os.path.join(self.files, "uids.mbox")
        fields = ["X-IMAPbase: 88 0000000030\nX-UID: 5\n", "X-UID: 30\n", "X-UID: 4000000000\nX-IMAPbase: 99 3\n"]
        with open(path, "wb") as file:
            for number, more in enumerate(fields):
                file.write(b"From a@example.net Thu Jan  1 00:00:00 2004\n" + more.encode() +
                           text_of(number).replace(b"\nFrom here", b"\n>From here") + b"\n")
        self.bring(path, "--mailbox", "Old", "--from-quoting", "mboxo")
        heads = self.heads("Old")
        self.assertEqual([head["uid"] for head in heads], [5, 30, 31])
        self.assertEqual(self.mailboxes()["Old"]["uid_validity"], 88)

    def test_an_mbox_that_python_wrote_comes_as_it_was(self):
        path = os.path.join(self.files, "old.mbox")
        box = mailbox.mbox(path)
        for number in range(5):
            one = mailbox.mboxMessage(text_of(number))
            one.set_flags(["", "R", "ROA", "RF", "D"][number])
            one.set_from("a@example.net", time.gmtime(1_100_000_000 + number))
            box.add(one)
        box.close()
        self.bring(path, "--mailbox", "Old/Mail", "--from-quoting", "mboxo")
        # Python quotes "From " alone, and takes nothing from ">From ".
        wanted = [crlf(text_of(n)) for n in range(5)]
        self.assertEqual(self.texts("Old/Mail"), [text.replace(b">From there", b"From there") for text in wanted])
        heads = self.heads("Old/Mail")
        self.assertEqual([head["date"] for head in heads], [1_100_000_000 + n for n in range(5)])
        self.assertEqual([head["flags"] for head in heads],
                         [[], ["\\Seen"], ["\\Seen", "\\Answered"], ["\\Seen", "\\Flagged"], ["\\Deleted"]])
        self.assertIn("0 messages imported", self.bring(path, "--mailbox", "Old/Mail", "--from-quoting", "mboxo"))

    def test_what_is_exported_python_reads_and_comes_back_the_same(self):
        self.bring(self.make_maildir())
        out = os.path.join(self.files, "out")
        self.assertIn("28 messages exported", self.write_out(out))
        read = mailbox.Maildir(out, create=False)
        self.assertEqual(len(read), 25)
        self.assertEqual(len(read.get_folder("Sent.Entw&APw-rfe")), 3)
        self.assertEqual(sorted(crlf(read.get_bytes(key)) for key in read.keys()),
                         sorted(crlf(text_of(n)) for n in range(25)))
        for one in read:
            number = int(one["Subject"].split()[1])
            self.assertEqual(one.get_flags(), "".join(sorted(["", "S", "RS", "FST", "D"][number % 5])))
            self.assertEqual(one.get_date(), 1_000_000_000 + number)
        # A second run writes nothing twice; flags come up to date by the file's name.
        self.assertIn("0 messages exported", self.write_out(out))
        self.assertEqual(len(mailbox.Maildir(out, create=False)), 25)
        self.run_ok("import", ACCOUNT, out, "--journal", self.journal + "2", "--mailbox", "Copy")
        self.assertEqual(sorted(self.texts("Copy")), sorted(self.texts("INBOX")))
        before = [(h["date"], h["flags"], h["keywords"], h["bytes"]) for h in self.heads("INBOX")]
        self.assertEqual([(h["date"], h["flags"], h["keywords"], h["bytes"]) for h in self.heads("Copy")], before)

    def test_an_mbox_export_goes_through_python_and_back(self):
        self.bring(self.make_maildir())
        out = os.path.join(self.files, "out")
        for quoting in ("mboxrd", "mboxcl2"):
            self.write_out(f"{out}-{quoting}", "--format", "mbox", "--from-quoting", quoting)
            self.assertIn("0 messages exported", self.write_out(f"{out}-{quoting}", "--format", "mbox",
                                                               "--from-quoting", quoting))
            self.run_ok("import", ACCOUNT, f"{out}-{quoting}", "--journal", self.journal + quoting, "--mailbox", quoting)
            self.assertEqual(self.texts(quoting), self.texts("INBOX"))
            self.assertEqual(self.texts(quoting + "/Sent/Entw\u00fcrfe"), self.texts("Sent/Entw\u00fcrfe"))
            self.assertEqual([(h["date"], h["flags"]) for h in self.heads(quoting)],
                             [(h["date"], h["flags"]) for h in self.heads("INBOX")])
        read = mailbox.mbox(f"{out}-mboxrd/INBOX.mbox", create=False)
        self.addCleanup(read.close)
        self.assertEqual(len(read), 25)
        self.assertEqual({one["Subject"] for one in read}, {f"number {n}" for n in range(25)})

    def test_an_export_goes_to_a_path_without_a_directory(self):
        self.bring(self.make_maildir(2))
        for form in ("mbox", "maildir"):
            done = self.run_program("export", ACCOUNT, form, "--format", form, "--config", self.config, cwd=self.files)
            self.assertEqual(done.returncode, OK, done.stderr)
            self.assertIn(b" 0 left out", done.stdout)
            done = self.run_program("import", ACCOUNT, form, "--config", self.config, "--mailbox", form, cwd=self.files)
            self.assertEqual(done.returncode, OK, done.stderr)
            self.assertEqual(self.texts(form), self.texts("INBOX"))

    def test_what_cannot_be_read_is_named_and_left_out(self):
        path = self.make_maildir(3)
        open(os.path.join(path, "cur", "1.empty.host:2,S"), "w").close()
        with open(os.path.join(path, "cur", "2.packed.host:2,S"), "wb") as file:
            file.write(b"\x1f\x8b packed")
        os.makedirs(os.path.join(path, ".a..b", "cur"))
        said = self.bring(path, code=FAILED)
        self.assertIn("1.empty.host:2,S: octet 0: an empty file: left out", said)
        self.assertIn("2.packed.host:2,S: octet 0: the message is compressed", said)
        self.assertIn(".a..b: octet 0: the folder's name is no mailbox's", said)
        self.assertIn("3 left out", said)
        self.assertEqual(self.mailboxes()["INBOX"]["messages"], 3)
        self.bring(path, "--keep-going")

    def test_killed_at_any_time_nothing_comes_twice_and_nothing_is_lost(self):
        path = self.make_maildir(0)
        maildir = mailbox.Maildir(path)
        names = [maildir.add_folder(f"box{n}") for n in range(3)]
        for number in range(1500):
            names[number % 3].add(mailbox.MaildirMessage(text_of(number, 2000)))
        wanted = {f"box{n}": sorted(crlf(text_of(m, 2000)) for m in range(1500) if m % 3 == n) for n in range(3)}
        arguments = [PROGRAM, "import", ACCOUNT, path, "--journal", self.journal, "--config", self.config]
        for turn in range(6):
            run = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            # However far it is: the size of the journal says that it is on its way.
            grown = os.path.getsize(self.journal) if os.path.exists(self.journal) else 0
            while run.poll() is None and (not os.path.exists(self.journal) or
                                          os.path.getsize(self.journal) < grown + 2000 * turn + 100):
                pass
            victim = run if turn % 2 == 0 else self.server
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            if victim is self.server:
                self.server = self.serve()
            run.communicate()
        self.bring(path)
        self.bring(path)
        for name, texts in wanted.items():
            self.assertEqual(len(self.texts(name)), 500)
            self.assertEqual(sorted(self.texts(name)), texts)

    def test_curl_appends_and_reads_one_message(self):
        text = os.path.join(self.files, "one")
        with open(text, "wb") as file:
            file.write(crlf(text_of(1)))
        said = json.loads(self.curl("messages?mailbox=INBOX&flag=%5CSeen&keyword=work&date=77", "--data-binary",
                                    "@" + text))
        uid = said["messages"][0]["uid"]
        self.assertEqual(said["uid_validity"], self.mailboxes()["INBOX"]["uid_validity"])
        self.assertEqual(self.message("INBOX", uid), crlf(text_of(1)))
        head = self.heads("INBOX")[-1]
        self.assertEqual((head["flags"], head["keywords"], head["date"]), (["\\Seen"], ["work"], 77))
        self.assertEqual(self.mailboxes()["INBOX"]["keywords"], ["work"])
        self.assertIn("no such mailbox", self.curl("messages?mailbox=None", "--data-binary", "@" + text).decode())
        self.assertIn("no such message", self.curl("messages/999?mailbox=INBOX").decode())

    def test_what_is_asked_wrongly_is_refused(self):
        path = self.make_maildir(1)
        self.run_ok("import", ACCOUNT, path, "--format", "tar", code=USAGE)
        self.run_ok("import", ACCOUNT, path + "-none", code=USAGE)
        self.run_ok("import", "nobody@example.org", path, "--journal", self.journal, code=FAILED)
        self.assertIn("journal of another import", self.bring(path, code=FAILED))
        self.run_ok("export", ACCOUNT, path, "--mailbox", "none", code=FAILED)
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        # What is left of a ring takes connections for a moment after its process has ended.
        eventually(lambda: self.run_program("import", ACCOUNT, path, "--journal", self.journal + "2", "--config",
                                            self.config).returncode == UNREACHABLE, "nobody answers")


if __name__ == "__main__":
    unittest.main()
