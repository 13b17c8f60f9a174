#!/usr/bin/env python3
"""The conversations of tests/dialog/smtp, which the simulator holds, held with the real program over TCP.

Each file gets a server of its own, configured as its `config:` lines ask. Those that wait for minutes are the simulator's.
"""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

from server_test import ServerCase

DIALOGS = Path(__file__).resolve().parent.parent / "dialog"

# A dialog's settings, as the configuration says them.
LISTENER = {"protocol", "bare_newline", "path_spacing", "helo_syntax", "auth"}
RATES = {"messages_per_hour", "recipients_per_hour"}
OTHERS = {"account", "scram"}  # who has an account has the password "secret"
LIMITS = {"message_bytes_max": "message_size", "recipients_max": "recipients", "errors_max": "errors",
          "transactions_max": "transactions", "sessions_max": "connections"}


class Dialogs(ServerCase):
    def configure(self, settings):
        listener = "".join(f'{key} = "{value}"\n' for key, value in settings.items() if key in LISTENER)
        rates = "".join(f"{key} = {value}\n" for key, value in settings.items() if key in RATES)
        limits = "".join(f'{LIMITS[key]} = {value}\n' if key != "message_bytes_max" else f'message_size = "{value}B"\n'
                         for key, value in settings.items() if key in LIMITS)
        # No client is trusted, and one domain may be sent to: what the simulated server of the dialogs has.
        self.config.write_text(f"""hostname = "mx.example.org"
data_dir = "{self.dir}/data"
shards = 1
[[listener]]
address = "127.0.0.1:{self.port}"
{listener}
[relay]
domains = ["example.net"]
postmaster = "root@example.net"
next_hop = "127.0.0.1:{self.next_port}"
[submission]
{rates}
[limits]
{limits}
[store]
segment_size = "2MiB"
[log]
path = "{self.log}"
""")
        expect = self.dir / "expect"
        expect.write_text(f"""#!{sys.executable}
import json, subprocess, sys
key, value = sys.argv[1:]
out = subprocess.run([{os.environ["RINGMAIL"]!r}, "queue", "list", "--json", "--config", {str(self.config)!r}],
                     capture_output=True, check=True).stdout
held = len(json.loads(out)["messages"])
sys.exit(0 if key == "queued" and str(held) == value else f"the queue holds {{held}}")
""")
        expect.chmod(0o755)
        return expect

    def hold(self, path):
        settings = dict(re.findall(r"^config: (\w+) = (\S+)$", path.read_text(), re.MULTILINE))
        unknown = set(settings) - LISTENER - RATES - OTHERS - set(LIMITS)
        self.assertFalse(unknown, "config: keys that this test cannot set")
        if re.search(r"^(wait|patience) \d+m$", path.read_text(), re.MULTILINE):
            self.skipTest("it waits for minutes: the simulator's")
        if int(settings.get("message_bytes_max", 1 << 20)) < 64 << 10:
            self.skipTest("it wants a message size under RFC 5321's minimum, which no configuration may set")
        if "scram" in settings:
            self.skipTest("it wants an account with the keys of SCRAM")
        expect = self.configure(settings)
        if settings.get("auth") == "encrypted":
            self.skipTest("it wants a server without a certificate that no configuration may have")
        self.serve()
        if "account" in settings:
            for command in (["domain", "add", settings["account"].split("@")[1]], ["account", "add", settings["account"]]):
                done = self.run_program(*command, "--config", self.config, stdin=b"secret\n")
                self.assertEqual(done.returncode, 0, done.stderr)
        have = [f"--have={key}={value}" for key, value in settings.items()]
        done = subprocess.run([sys.executable, DIALOGS / "run.py", "--server", f"127.0.0.1:{self.port}", "--set",
                               "host=mx.example.org", "--expect-command", expect, *have, path], capture_output=True,
                              text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("1 held, 0 failed, 0 skipped, 0 expectations not checked", done.stdout)


for file in sorted((DIALOGS / "smtp").glob("*.dialog")):
    setattr(Dialogs, f"test_{file.stem}", lambda self, path=file: self.hold(path))
del file, ServerCase  # or its own tests would run here once more

if __name__ == "__main__":
    unittest.main(verbosity=2)
