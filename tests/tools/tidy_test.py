#!/usr/bin/env python3
"""tools/tidy finds one planted violation of each kind, at its line, and finds none in clean code."""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

CLEAN_CONTRACT = """// A pair of numbers.
#pragma once

#include <cstdint>

namespace ringmail {
inline constexpr int kLimit = 7;
struct Pair {
  static constexpr int kWidth = 2;
  uint32_t first = 0;
};
uint32_t Sum(const Pair& pair);
}  // namespace ringmail
"""

CLEAN_SOURCE = """#include "ringmail/base/pair.h"

#include <chrono>

#include "absl/status/status.h"
#include "base/inner.h"

namespace ringmail {
namespace {

// A clock is read by io: steady_clock::now() in a comment is no call, nor is "getenv(" in a string.
constexpr const char* kText = "getenv(HOME) thread_local std::mutex";
const int kTable[] = {1, 2, 3};
static const char* const kNames[] = {"a", "b"};

class Room {
 public:
  Room() : size_{3}, text_(kText) {}
  void send(int amount);
  int time() const { return size_; }

 private:
  int size_;
  const char* text_;
};

Task<int> Later(Shard* shard) {
  auto made = [](Shard* s) -> Task<int> { co_return s->Number(); };
  co_await made(shard);
  auto plain = [shard](int a) { return a + shard->Number(); };
  int table[] = {1, 2};
  table[plain(0)] = 2;
  std::array<int, 2> both{{table[0], table[1]}};
  co_return shard->time() + both[0];
}

}  // namespace

uint32_t Sum(const Pair& pair) {
  static const uint32_t kExtra = 4;
  static constexpr uint32_t kMore = 4;
  return pair.first + kExtra + kMore + kTable[0];
}

}  // namespace ringmail
"""


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix="ringmail-tidy-"))
        self.addCleanup(shutil.rmtree, self.root)
        for name in ("src/README.md", "src/STYLE.md"):
            self.write(name, (ROOT / name).read_text())
        self.write("include/ringmail/base/pair.h", CLEAN_CONTRACT)
        self.write("src/base/inner.h", "#pragma once\n")
        self.write("src/base/pair.cc", CLEAN_SOURCE)
        for room in ("smtp", "pop3"):
            self.write(f"src/protocol/{room}/limits.h", "#pragma once\n")
        self.write("include/ringmail/protocol/pop3.h", "#pragma once\n")
        self.write("include/ringmail/server/server.h", "#pragma once\n")
        self.write("include/ringmail/io/stream.h", "#pragma once\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def tidy(self, *arguments):
        done = subprocess.run([sys.executable, str(ROOT / "tools" / "tidy"), "--root", str(self.root), *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        found = re.findall(r"(?m)^([^:\n]+):(\d+): ([\w-]+): (.+)$", done.stdout)
        return done.returncode, [(path, int(line), rule) for path, line, rule, what in found if what], done.stdout

    def assert_found(self, name, text, line, rule, *arguments):
        """`text` in the file `name` gives exactly this one finding."""
        self.write(name, text)
        code, found, output = self.tidy(*arguments)
        self.assertEqual(found, [(name, line, rule)], output)
        self.assertEqual(code, 1)

    def assert_clean(self, name, text, *arguments):
        self.write(name, text)
        code, found, output = self.tidy(*arguments)
        self.assertEqual((code, found), (0, []), output)

    def test_clean_code_passes(self):
        code, found, output = self.tidy("--headers")
        self.assertEqual((code, found), (0, []), output)

    # Floors and doors.

    def test_an_include_that_goes_up_is_found(self):
        self.assert_found("src/base/a.cc", '#include "ringmail/base/pair.h"\n#include "ringmail/server/server.h"\n', 2,
                          "floor")

    def test_a_contract_that_includes_upwards_is_found(self):
        self.assert_found("include/ringmail/message/a.h", '#pragma once\n#include "ringmail/io/stream.h"\n', 2, "floor")

    def test_an_include_between_floors_of_one_number_is_found(self):
        self.assert_found("src/codec/a.cc", '#include "ringmail/io/stream.h"\n', 1, "floor")

    def test_a_protocol_room_that_includes_another_is_found(self):
        self.assert_found("src/protocol/smtp/a.cc", '#include "protocol/pop3/limits.h"\n', 1, "floor")

    def test_a_protocol_room_that_includes_another_by_a_relative_path_is_found(self):
        self.assert_found("src/protocol/smtp/a.cc", '#include "../pop3/limits.h"\n', 1, "floor")

    def test_a_protocol_room_that_includes_the_contract_of_another_is_found(self):
        self.assert_found("src/protocol/smtp/a.cc", '\n#include "ringmail/protocol/pop3.h"\n', 2, "floor")

    def test_a_protocol_room_may_include_itself_and_what_lies_below(self):
        self.assert_clean("src/protocol/smtp/a.cc", '#include "limits.h"\n#include "protocol/smtp/limits.h"\n'
                          '#include "ringmail/io/stream.h"\n')

    def test_the_table_of_the_map_decides(self):
        text = (self.root / "src/README.md").read_text()
        self.write("src/README.md", re.sub(r"(?m)^(\| 2 \| codec \|.*\|) base \|$", r"\1 base io |", text))
        self.assert_clean("src/codec/a.cc", '#include "ringmail/io/stream.h"\n')

    def test_a_floor_outside_the_table_is_found(self):
        self.assert_found("src/attic/a.cc", "int Nothing();\n", 1, "floor")

    def test_a_private_header_used_from_another_floor_is_found(self):
        self.assert_found("src/server/a.cc", '#include "base/inner.h"\n', 1, "private")

    def test_a_private_header_reached_by_a_relative_path_is_found(self):
        self.assert_found("src/server/a.cc", '#include "../base/inner.h"\n', 1, "private")

    def test_a_contract_that_includes_a_private_header_is_found(self):
        self.assert_found("include/ringmail/base/a.h", '#pragma once\n#include "base/inner.h"\n', 2, "private")

    def test_a_unit_test_or_benchmark_that_sees_into_another_floor_is_found(self):
        self.assert_found("bench/codec/a_bench.cc", '#include "base/inner.h"\n', 1, "private")
        (self.root / "bench/codec/a_bench.cc").unlink()
        self.assert_clean("tests/unit/base/a_test.cc", '#include "base/inner.h"\n')
        self.assert_found("tests/unit/server/a_test.cc", '#include "base/inner.h"\n', 1, "private")

    # System calls, clocks, random numbers.

    def test_each_system_call_clock_and_random_source_outside_io_is_found(self):
        for code in ("#include <unistd.h>", "#include <sys/socket.h>", "#include <fcntl.h>", "#include <time.h>",
                     "#include <thread>", "#include <filesystem>", "#include <random>", "#include <liburing.h>",
                     "auto A() { return std::chrono::steady_clock::now(); }", "auto A() { return absl::Now(); }",
                     "auto A() { return time(nullptr); }", "auto A() { return std::time(nullptr); }",
                     "void A(timespec* t) { clock_gettime(0, t); }", "void A() { std::random_device device; }",
                     "void A() { absl::BitGen bits; }", "int A() { return rand(); }", "auto A() { return getenv(kName); }",
                     "auto A() { return std::getenv(kName); }", "int A() { return ::open(kName, 0); }",
                     "int A(int f) { return fsync(f); }", "void A() { std::thread([] {}).join(); }",
                     "void A() { usleep(1); }", "void A() { std::ifstream file(kName); }",
                     "int A() { return ::socket(1, 2, 3); }", "void A(int f) { ::close(f); }",
                     "int A(int f) { return epoll_wait(f, nullptr, 0, 0); }", "int A() { return ::getpid(); }"):
            with self.subTest(code):
                self.assert_found("src/storage/a.cc", "\n" + code + "\n", 2, "system-call")

    def test_a_lock_above_base_is_found(self):
        self.assert_found("src/agent/a.cc", "class A {\n  std::mutex mutex_;\n};\n", 2, "system-call")
        self.assert_found("src/agent/a.cc", "#include <mutex>\n", 1, "system-call")

    def test_io_may_make_system_calls(self):
        self.assert_clean("src/io/a.cc", "#include <unistd.h>\n#include <mutex>\nstatic thread_local int count = 0;\n"
                          "auto A() { return std::chrono::steady_clock::now(); }\nint B(int f) { return fsync(f); }\n")

    def test_a_failed_check_may_write_its_line(self):
        self.assert_clean("src/base/check.cc", "#include <unistd.h>\nvoid A() { ::write(2, kName, 1); }\n")

    # Globals.

    def test_each_mutable_global_is_found(self):
        for code in ("int count = 0;", "static int count;", "namespace { std::string name; }", "inline Map map{};",
                     "std::atomic<int> count{0};", "const char* name = nullptr;", "struct A { static int count; };",
                     "void A() { static int count = 0; }", "constinit static long total = 0;",
                     "thread_local int count = 0;", "void A() { static std::vector<int> all; }",
                     "extern \"C\" { int count; }"):
            with self.subTest(code):
                self.assert_found("src/agent/a.cc", "\n" + code + "\n", 2, "global")

    def test_constants_and_declarations_are_no_globals(self):
        self.assert_clean("src/agent/a.cc", "constexpr int kOne = 1;\nconst std::string kName = \"a\";\nint Count();\n"
                          "using Map = std::map<int, int>;\nclass Later;\nenum class Way { kUp, kDown };\n"
                          "template <typename T>\nT Made(T made = T{});\ntemplate <>\nint Made<int>(int made);\n"
                          "extern \"C\" int Outside(int a);\nstruct B {\n  int count = 0;\n  static B Make();\n};\n"
                          "void Register(B* b = nullptr);\nstatic_assert(sizeof(B) == 4);\n")

    # Length.

    def test_a_file_over_1000_lines_is_found(self):
        self.assert_clean("src/base/a.cc", "// text\n" * 1000)
        self.assert_found("src/base/a.cc", "// text\n" * 1001, 1, "long")
        self.assert_clean("src/base/a.cc", "// long: a table of the RFC, one row a line\n" + "// text\n" * 1001)

    def test_a_function_over_70_lines_is_found(self):
        body = "  Call();\n"
        self.assert_clean("src/base/a.cc", "void A() {\n" + body * 68 + "}\n")
        self.assert_found("src/base/a.cc", "\nvoid A() {\n" + body * 69 + "}\n", 2, "long")
        self.assert_clean("src/base/a.cc", "// long: one row a verb\nvoid A() {\n" + body * 69 + "}\n")
        self.assert_clean("src/base/a.cc", "void A() {  // long: one row a verb\n" + body * 69 + "}\n")

    def test_a_reason_is_needed_for_length(self):
        self.assert_found("src/base/a.cc", "// long:\nvoid A() {\n" + "  Call();\n" * 69 + "}\n", 2, "long")

    def test_a_long_member_function_is_found_in_a_test_too(self):
        self.assert_found("tests/unit/base/a.cc", "struct A {\n  void B() const noexcept {\n" + "    Call();\n" * 69 +
                          "  }\n};\n", 2, "long")

    def test_long_types_and_namespaces_are_no_functions(self):
        self.assert_clean("src/base/a.cc", "namespace a {\nstruct A {\n" + "  int Count();\n" * 90 + "};\n}\n")

    # Names.

    def test_each_banned_folder_is_found(self):
        for folder in ("common", "util", "helpers", "misc"):
            with self.subTest(folder):
                self.write(f"src/base/{folder}/a.cc", "\n")
                code, found, output = self.tidy()
                self.assertEqual((code, found), (1, [(f"src/base/{folder}", 1, "folder")]), output)
                shutil.rmtree(self.root / "src/base" / folder)

    def test_each_banned_word_is_found(self):
        for code in ("int ParseHelper();", "int helper_count();", "class StringUtils;", "// TODO: later",
                     "// Good enough for now.", "int kMiscLimit();", "// The whitelist."):
            with self.subTest(code):
                self.assert_found("src/base/a.cc", "\n" + code + "\n", 2, "word")

    def test_a_banned_word_in_a_file_name_is_found(self):
        self.assert_found("src/base/string_util.cc", "\n", 1, "word")

    def test_words_that_contain_a_banned_word_pass(self):
        self.assert_clean("src/base/a.cc", "// Utility and futility; miscounted; mutilated.\nint Utilisation();\n")

    def test_a_limits_header_that_hides_the_c_library_is_found(self):
        build = "src/protocol/smtp/meson.build"
        self.assert_found(build, "smtp = static_library('ringmail_smtp')\n", 1, "shadow")
        self.assert_clean(build, "smtp = static_library('ringmail_smtp', implicit_include_directories: false)\n")

    # Coroutines.

    def test_a_capturing_lambda_that_is_a_coroutine_is_found(self):
        for code in ("auto a = [&]() -> Task<int> { co_return 1; };", "Spawn([this] { co_await Next(); });",
                     "Spawn([x = 1](int a) mutable -> Task<void> { if (a) { co_await Next(x); } });",
                     "return [=] { co_yield 1; };"):
            with self.subTest(code):
                self.assert_found("src/agent/a.cc", "void A() {\n  " + code + "\n}\n", 2, "lambda")

    def test_a_lambda_coroutine_without_captures_passes(self):
        self.assert_clean("src/agent/a.cc", "void A() {\n  Run([&] { Spawn([](int a) -> Task<int> { co_return a; }(1)); });"
                          "\n}\n")

    def test_a_subscript_is_no_lambda(self):
        self.assert_clean("src/agent/a.cc", "Task<int> A() {\n  if (table[index]) { co_return 1; }\n  co_return 2;\n}\n")

    # Tests.

    def test_a_unit_test_that_sleeps_is_found(self):
        self.assert_found("tests/unit/base/a_test.cc", "\nvoid A() { sleep(1); }\n", 2, "sleep")

    # Headers.

    def test_a_header_that_does_not_compile_alone_is_found(self):
        self.assert_found("src/base/a.h", "#pragma once\nstd::string Name();\n", 1, "header", "--headers")

    def test_a_header_is_compiled_again_when_what_it_includes_changed(self):
        (self.root / "build").mkdir()
        self.write("src/base/b.h", "#pragma once\nusing Number = int;\n")
        self.assert_clean("src/base/a.h", '#pragma once\n#include "base/b.h"\nNumber Count();\n', "--headers")
        self.write("src/base/b.h", "#pragma once\n")
        code, found, output = self.tidy("--headers")
        self.assertEqual((code, found), (1, [("src/base/a.h", 1, "header")]), output)

    # The tool itself.

    def test_a_map_without_its_table_is_an_error_that_says_so(self):
        self.write("src/README.md", "# The map\n")
        code, found, output = self.tidy()
        self.assertEqual((code, found), (2, []))
        self.assertIn("no table", output)


if __name__ == "__main__":
    unittest.main()
