"""The rules of tools/tidy, each a function from one source file to findings."""

import os
import re
from pathlib import Path
from typing import NamedTuple

import cpp_text

FILE_LINES_MAX = 1000
FUNCTION_LINES_MAX = 70
BANNED_FOLDERS = {"common", "util", "utils", "utility", "helper", "helpers", "misc"}
TREES = ("include", "src", "tests", "bench", "tools")

# One place each that does what its floor may not, and why.
EXEMPT = {
    ("src/base/check.cc", "system-call"): "a failed CHECK writes its line and aborts without any other room",
    ("src/base/canary.cc", "global"): "which fault a canary build plants is one choice for the whole process",
    ("src/codec/kernel.cc", "global"): "which kernels the CPU can run is the same for the whole process",
}


class Finding(NamedTuple):
    path: str
    line: int
    rule: str
    what: str


class House(NamedTuple):
    may_include: dict  # floor -> set of floors, itself among them
    words: dict  # banned word -> what to say instead
    rooms: set  # of protocol


class Source:
    def __init__(self, root, path):
        self.path = path
        self.folder = (root / path).parent
        self.text = (root / path).read_text(encoding="utf-8", errors="replace")
        self.code = cpp_text.blank(self.text)
        self.lines = cpp_text.Lines(self.text)
        self.includes = [(self.lines.of(m.start()), m.group(1)) for m in re.finditer(
            r'(?m)^[ \t]*#[ \t]*include[ \t]*([<"][^>"\n]+)', self.text)]
        parts = Path(path).parts
        self.tree = parts[0]
        rest = parts[2:] if parts[:2] == ("include", "ringmail") else parts[1:]
        self.floor = rest[0] if self.tree in ("include", "src") and len(rest) > 1 else ""
        self.inside = "/".join(rest[1:])  # the path within its floor


def _tables(path):
    """The rows of every table in a Markdown file, as lists of cells."""
    rows = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if re.match(r"\|[\s:|-]+\|?$", line):
            continue  # The rule under a header.
        if line.startswith("|"):
            rows.append([cell.strip().strip("`") for cell in line.strip().strip("|").split("|")])
        else:
            rows.append([])
    return rows


def _table(path, header):
    rows = iter(_tables(path))
    for row in rows:
        if row[:len(header)] == header:
            break
    else:
        raise ValueError(f"{path}: no table that begins with | {' | '.join(header)} |")
    found = []
    for row in rows:
        if not row:
            break
        found.append(row)
    if not found:
        raise ValueError(f"{path}: the table that begins with | {' | '.join(header)} | is empty")
    return found


def read_house(root):
    may_include = {}
    rows = _table(root / "src" / "README.md", ["floor", "folder", "what it knows", "may include"])
    folders = [row[1] for row in rows]
    for row in rows:
        names = row[3] if len(row) > 3 else ""
        if names == "all":
            allowed = set(folders)
        elif names.startswith("all but "):
            allowed = set(folders) - set(names[len("all but "):].split())
        else:
            allowed = set(names.split())
        unknown = allowed - set(folders)
        if unknown:
            raise ValueError(f"src/README.md: {row[1]} may include {sorted(unknown)}, which is no folder of the table")
        may_include[row[1]] = allowed | {row[1]}
    words = {row[0]: row[1] for row in _table(root / "src" / "STYLE.md", ["banned word", "say instead"])}
    protocol = root / "src" / "protocol"
    rooms = {path.name for path in protocol.iterdir() if path.is_dir()} if protocol.is_dir() else set()
    return House(may_include, words, rooms)


def read_sources(root):
    sources = []
    for tree in TREES:
        for folder, folders, files in os.walk(root / tree):
            folders.sort()
            for name in sorted(files):
                if name.endswith((".h", ".cc")):
                    sources.append(Source(root, str(Path(folder, name).relative_to(root))))
    return sources


def check(house, sources):
    findings = []
    private = {source.path[len("src/"):] for source in sources if source.tree == "src"}
    for source in sources:
        for rule in (lambda s: includes(house, private, s), system_calls, globals_, lengths,
                     lambda s: names(house, s), coroutine_lambdas, sleeps, shadows):
            findings += [finding for finding in rule(source) if (source.path, finding.rule) not in EXEMPT]
    return findings + list(folders(sources))


def _room(house, inside):
    """The protocol room that a path within the protocol floor belongs to: its folder, or its name's beginning."""
    first = re.sub(r"\.(h|cc)$", "", inside.split("/")[0])
    if "/" in inside:
        return first
    named = [room for room in house.rooms if first == room or first.startswith(room + "_")]
    return max(named, key=len, default="")


def mirrored_includes(house, private, source):
    """A unit test or benchmark of a floor sees into that floor only."""
    mirrored = re.match(r"(?:tests/unit|bench)/(\w+)/", source.path)
    if not mirrored or mirrored.group(1) not in house.may_include:
        return
    for line, spelled in source.includes:
        floor = spelled[1:].split("/")[0]
        if spelled[0] == '"' and spelled[1:] in private and floor != mirrored.group(1):
            yield Finding(source.path, line, "private", f'"{spelled[1:]}" is private to src/{floor}: test it there, or use '
                          f'"ringmail/{floor}/..."')


def includes(house, private, source):
    if not source.floor:
        yield from mirrored_includes(house, private, source)
        return
    if source.floor not in house.may_include:
        yield Finding(source.path, 1, "floor", f"'{source.floor}' is not in the table of src/README.md: add it there")
        return
    for line, spelled in source.includes:
        if spelled[0] != '"':
            continue
        name = spelled[1:]
        if name.startswith("ringmail/"):
            floor, _, inside = name[len("ringmail/"):].partition("/")
            yield from _contract(house, source, line, floor, inside)
            continue
        if name not in private:  # Not from src/: then from the folder of the file itself.
            beside = os.path.normpath(os.path.join(os.path.dirname(source.path), name))
            if not beside.startswith("src/") or beside[len("src/"):] not in private:
                if name.split("/")[0] in house.may_include:  # Otherwise it is a library's.
                    yield Finding(source.path, line, "private", f'no "{name}" in src/: correct the include')
                continue
            name = beside[len("src/"):]
        floor, _, inside = name.partition("/")
        if source.tree == "include":
            yield Finding(source.path, line, "private",
                          f'"{name}" is private to src/{floor}: a contract includes only contracts')
        elif floor != source.floor:
            yield Finding(source.path, line, "private", f'"{name}" is private to src/{floor}: across floors include '
                          f'only "ringmail/{floor}/...", and move there what this needs')
        else:
            yield from _sideways(house, source, line, floor, inside)


def _contract(house, source, line, floor, inside):
    if floor not in house.may_include:
        yield Finding(source.path, line, "floor", f"'{floor}' is no floor of the table in src/README.md")
    elif floor not in house.may_include[source.floor]:
        yield Finding(source.path, line, "floor", f"{source.floor} may not include {floor} (table in src/README.md): "
                      "move what both need down a floor, or pass it in")
    else:
        yield from _sideways(house, source, line, floor, inside)


def _sideways(house, source, line, floor, inside):
    if floor != "protocol" or source.floor != "protocol":
        return
    mine, other = _room(house, source.inside), _room(house, inside)
    if mine and other and mine != other:
        yield Finding(source.path, line, "floor", f"protocol room {mine} includes room {other}: move what both need "
                      "down a floor, under a true name")


_SYSTEM_HEADERS = re.compile(
    r"(?:unistd|fcntl|poll|time|signal|pthread|netdb|dlfcn|ifaddrs|pwd|grp|sched|spawn|syslog|termios|dirent|liburing)\.h"
    r"|(?:sys|linux|netinet|arpa|net)/.*|liburing/.*|openssl/rand\.h"
    r"|ctime|csignal|thread|fstream|filesystem|future|random|stop_token")
_LOCK_HEADERS = re.compile(r"mutex|shared_mutex|condition_variable|semaphore|latch|barrier")
_SYSTEM_WORDS = [
    (re.compile(r"::now\s*\(|\b(?:clock_gettime|gettimeofday|timespec_get|localtime(?:_r)?|mktime|strftime)\s*\("
                r"|\babsl::(?:Now|GetCurrentTimeNanos|LocalTimeZone)\b|(?<![\w.>:])(?:std::|::)?(?:time|clock)\s*"
                r"\(\s*(?:nullptr|NULL|0|&\w+)?\s*\)"),
     "reads a clock: take the time from the shard (ringmail/io)"),
    (re.compile(r"\bstd::random_device\b|\babsl::(?:Insecure)?BitGen\b|(?<![\w.>:])(?:std::|::)?(?:rand|srand|random)\s*"
                r"\(|\b(?:getrandom|getentropy|arc4random\w*|RAND_bytes|drand48|rand_r)\s*\("),
     "draws a random number: take it from the shard (ringmail/io), which a seed can replay"),
    (re.compile(r"\b(?:secure_)?getenv\s*\(|\bsetenv\s*\(|\bputenv\s*\("),
     "reads the environment: what configures the program is its configuration"),
    (re.compile(r"\bstd::(?:jthread|thread|this_thread|async)\b|\bpthread_\w+\s*\(|\babsl::SleepFor\b"
                r"|\b(?:usleep|nanosleep|clock_nanosleep)\s*\(|(?<![\w.>:])(?:::)?sleep\s*\("),
     "starts or stops a thread: shards and the blocking pool of io are the only ones"),
    (re.compile(r"\bstd::(?:ifstream|ofstream|fstream|filesystem)\b|\b(?:fopen|freopen|fdopen|popen|opendir|tmpfile|"
                r"mkstemp|openat|pread|preadv|pwrite|pwritev|fsync|fdatasync|sync_file_range|fallocate|posix_fallocate|"
                r"ftruncate|unlinkat|renameat|mkdir|rmdir|flock|fstat|statx?|mmap|munmap|madvise)\s*\("),
     "touches a file: use the files of ringmail/io"),
    (re.compile(r"\b(?:socketpair|getaddrinfo|getnameinfo|gethostname|recvmsg|sendmsg|recvfrom|sendto|getsockopt|setsockopt"
                r"|getsockname|getpeername|epoll_\w+|eventfd|timerfd_\w+|signalfd|io_uring_\w+|ioctl|syscall|prctl|fcntl"
                r"|sigaction|sigprocmask|getrlimit|setrlimit|setuid|setgid|setgroups|getuid|getpid|fork|vfork|waitpid"
                r"|execv\w*|execl\w*|posix_spawn\w*|dlopen|sched_\w+)\s*\("
                r"|(?<![\w>:])::(?:open|close|read|write|socket|bind|listen|accept4?|connect|send|recv|shutdown|poll|ppoll"
                r"|select|kill|signal|unlink|rename|stat|pipe2?|dup[23]?|truncate|access|chmod|chown|system|exit|_exit)\s*\("
                r"|\bstd::(?:system|signal|remove|rename)\s*\(\s*[^)]"),
     "makes a system call: only io does; use or extend a contract in ringmail/io"),
]
_LOCKS = re.compile(r"\bstd::(?:(?:shared_|recursive_|timed_)*mutex|condition_variable\w*|counting_semaphore|latch|barrier"
                    r"|call_once|once_flag)\b|\babsl::(?:Mutex|CondVar|once_flag|call_once)\b")


# Floors that are about the system: io for the server, and a program of its own that links none of the server.
_SYSTEM_FLOORS = ("", "io", "backend_process")


def system_calls(source):
    if source.floor in _SYSTEM_FLOORS:
        return
    for line, spelled in source.includes:
        name = spelled[1:]
        if spelled[0] == "<" and _SYSTEM_HEADERS.fullmatch(name):
            yield Finding(source.path, line, "system-call", f"<{name}> outside io: use the contracts in ringmail/io")
        elif spelled[0] == "<" and source.floor != "base" and _LOCK_HEADERS.fullmatch(name):
            yield Finding(source.path, line, "system-call", f"<{name}>: no lock above base; send a message to the shard")
    for pattern, what in _SYSTEM_WORDS:
        for match in pattern.finditer(source.code):
            # `Type name(...)` declares, `object.name(...)` calls a member: neither is the C library's.
            before = source.code[max(0, match.start() - 40):match.start()]
            if re.search(r"(?:\.|->|[\w>&*]\s+)$", before) and not match.group(0).startswith("::") and not re.search(
                    r"\b(?:return|co_return|co_await|co_yield|else|case)\s+$", before):
                continue
            word = " ".join(match.group(0).split()).rstrip("( ")
            yield Finding(source.path, source.lines.of(match.start()), "system-call", f"'{word}' {what}")
    if source.floor != "base":
        for match in _LOCKS.finditer(source.code):
            yield Finding(source.path, source.lines.of(match.start()), "system-call",
                          f"'{match.group(0)}': no lock above base; send a message to the shard")


_NO_VARIABLE = re.compile(
    r"(?:using|typedef|template|friend|static_assert|class|struct|union|enum|namespace|return|goto|case|concept|requires"
    r"|export|extern\s*$)\b|[A-Z][A-Z0-9_]+\s*\(|[}#]")


def _declares_mutable(text):
    """Whether a declaration makes a variable that can change. Functions are told by a parenthesis before any `=`."""
    text = re.sub(r"\[\[.*?\]\]|\balignas\s*\([^)]*\)|\b(?:ABSL_\w+|__attribute__)\s*(?:\([^)]*\))?", " ", text)
    declared = re.split(r"[={]", text, maxsplit=1)[0]
    if "(" in declared or "operator" in declared or not re.search(r"\w[\s&*>]+\w", declared):
        return False
    if re.search(r"\bconstexpr\b", declared):
        return False
    last = declared.rsplit("*", 1)  # What follows the last star says whether the pointer itself is constant.
    return not re.search(r"\bconst\b", last[-1] if len(last) == 2 else declared)


def globals_(source):
    if source.floor in ("", "io"):
        return
    for match in re.finditer(r"\bthread_local\b", source.code):
        yield Finding(source.path, source.lines.of(match.start()), "global",
                      "thread_local outside io: keep it in the object that the shard owns")
    for statement in cpp_text.parse(source.code)[0]:
        text = statement.text
        is_static = re.match(r"(?:inline\s+|constinit\s+)*static\b", text)
        if "thread_local" in text:
            continue
        if statement.scope == "namespace":
            mutable = not _NO_VARIABLE.match(text) and _declares_mutable(text)
        elif statement.scope == "function" and is_static:
            mutable = _declares_mutable(re.sub(r"\([^=]*$", "", text) if "=" not in text else text)
        else:
            mutable = is_static and _declares_mutable(text)
        if mutable:
            yield Finding(source.path, source.lines.of(statement.start), "global",
                          "a mutable global: make it const, or a member of what the shard owns")


def lengths(source):
    lines = source.text.split("\n")
    count = len(lines) - (1 if lines[-1] == "" else 0)
    functions = sorted(cpp_text.parse(source.code)[1])
    first = source.lines.of(functions[0].start) if functions else count
    if count > FILE_LINES_MAX and not _says_long(lines[:max(first - 1, 1)]):
        yield Finding(source.path, 1, "long", f"{count} lines, {FILE_LINES_MAX} at most: split the file, or write "
                      "`// long: why` above its first function")
    for function in functions:
        start, brace, end = (source.lines.of(at) for at in function)
        if end - start + 1 > FUNCTION_LINES_MAX and not _says_long(lines[max(0, start - 4):brace]):
            yield Finding(source.path, start, "long", f"a function of {end - start + 1} lines, {FUNCTION_LINES_MAX} at "
                          "most: split it, or write `// long: why` above it")


def _says_long(lines):
    return any(re.search(r"//.*\blong: \S", line) for line in lines)


def _word_pattern(word):
    if word.islower() and word.isalpha():  # As a whole part of a name, in any of our ways to write names.
        capital = word.capitalize()
        return rf"(?<![A-Za-z]){word}(?![a-z])|(?<![A-Z]){capital}(?![a-z])|(?<![A-Za-z])k?{capital}(?![a-z])"
    return rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])"


def names(house, source):
    if not source.floor or not house.words:
        return
    pattern = re.compile("|".join(f"(?P<w{i}>{_word_pattern(word)})" for i, word in enumerate(house.words)))
    instead = list(house.words.items())
    for match in pattern.finditer(source.text):
        word, say = instead[int(match.lastgroup[1:])]
        yield Finding(source.path, source.lines.of(match.start()), "word", f"'{match.group(0)}': {say}")
    stem = Path(source.path).stem
    match = pattern.search(stem)
    if match:
        word, say = instead[int(match.lastgroup[1:])]
        yield Finding(source.path, 1, "word", f"the file's name holds '{word}': {say}")


def folders(sources):
    seen = set()
    for source in sources:
        for parent in Path(source.path).parents:
            if parent.name.lower() in BANNED_FOLDERS and parent not in seen:
                seen.add(parent)
                yield Finding(str(parent), 1, "folder", f"a folder named {parent.name} says nothing: give it the name of "
                              "what it holds, or move its files to where they belong")


_C_HEADERS = {"assert.h", "ctype.h", "errno.h", "fcntl.h", "float.h", "limits.h", "locale.h", "math.h", "poll.h",
              "regex.h", "sched.h", "search.h", "signal.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h",
              "time.h", "wchar.h"}


def shadows(source):
    """Meson puts a target's own folder on the include path, where <climits> then finds a room's limits.h."""
    build = source.folder / "meson.build"
    if source.tree != "src" or os.path.basename(source.path) not in _C_HEADERS or not build.exists():
        return
    text = build.read_text()
    if re.search(r"\b(?:static_library|executable)\(", text) and "implicit_include_directories: false" not in text:
        yield Finding(str(Path(source.path).parent / "meson.build"), 1, "shadow",
                      f"{os.path.basename(source.path)} hides the C library's: give the target "
                      "`implicit_include_directories: false`")


def coroutine_lambdas(source):
    found = cpp_text.lambdas(source.code)
    guilty = set()
    for match in re.finditer(r"\bco_(?:await|return|yield)\b", source.code):
        around = [one for one in found if one.body < match.start() < one.end]
        if around:
            innermost = max(around, key=lambda one: one.body)
            if innermost.captures:
                guilty.add(innermost)
    for one in guilty:
        yield Finding(source.path, source.lines.of(one.start), "lambda",
                      f"a coroutine captures [{' '.join(one.captures.split())}], and the captures die with the lambda: "
                      "pass them as parameters")


_SLEEPS = re.compile(r"\b(?:sleep_for|sleep_until|usleep|nanosleep|SleepFor)\s*\(|(?<![\w.>])(?:::)?sleep\s*\("
                     r"|\b(?:steady|system|high_resolution)_clock::now\s*\(|\babsl::Now\s*\(")


def sleeps(source):
    if not source.path.startswith("tests/unit/") or source.path.startswith("tests/unit/io/"):
        return
    for match in _SLEEPS.finditer(source.code):
        yield Finding(source.path, source.lines.of(match.start()), "sleep",
                      "a unit test neither sleeps nor reads a real clock: use the in-memory io's clock")
