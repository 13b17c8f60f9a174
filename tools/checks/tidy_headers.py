"""Every header compiles alone. What passed is remembered by the content of the header and all it includes of ours."""

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess

from tidy_rules import Finding

FLAGS = ["-std=c++20", "-fsyntax-only", "-x", "c++", "-Wall", "-Wextra", "-Wno-unused-parameter",
         "-Wno-missing-field-initializers", "-Wno-pragma-once-outside-header", "-Wno-unused-const-variable",
         "-Wno-unused-function", "-Werror", "-fno-exceptions", "-fno-rtti",
         "-Iinclude", "-Isrc", "-Itests", "-I.", "-isystem", "/usr/include/android"]


def _closure(path, by_path, seen):
    """The paths of ours that a header reaches, itself first."""
    if path in seen or path not in by_path:
        return
    seen[path] = None
    for _, spelled in by_path[path].includes:
        name = spelled[1:]
        beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
        for place in (beside, "include/" + name, "src/" + name, "tests/" + name):
            _closure(place, by_path, seen)


def _compile(root, compiler, path):
    done = subprocess.run(compiler + FLAGS + [path], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return None
    first = re.search(r"(?m)^\S+: (?:fatal )?error: .*$", done.stdout)
    return first.group(0) if first else done.stdout.strip()[-300:]


def check(root, sources):
    compiler = shlex.split(os.environ.get("CXX", "clang++-16"))
    if not shutil.which(compiler[0]):
        return [Finding("tools/tidy", 1, "header", f"{compiler[0]} is not installed: run tools/deps")]
    by_path = {source.path: source for source in sources}
    headers = [source.path for source in sources
               if source.path.endswith(".h") and source.tree in ("include", "src", "tests")]
    kept_path = root / "build" / "tidy-headers.json"
    try:
        kept = set(json.loads(kept_path.read_text()))
    except (OSError, ValueError):
        kept = set()
    keys = {}
    for path in headers:
        seen = {}
        _closure(path, by_path, seen)
        keys[path] = hashlib.sha256("\0".join(
            [" ".join(compiler + FLAGS)] + [one + "\0" + by_path[one].text for one in seen]).encode()).hexdigest()
    todo = [path for path in headers if keys[path] not in kept]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        errors = dict(zip(todo, pool.map(lambda path: _compile(root, compiler, path), todo)))
    if kept_path.parent.is_dir():
        kept_path.write_text(json.dumps(sorted(key for path, key in keys.items() if not errors.get(path))))
    return [Finding(path, 1, "header", f"does not compile alone: include what it uses ({error})")
            for path, error in errors.items() if error]
