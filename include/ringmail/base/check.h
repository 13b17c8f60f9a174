// CHECK: what must hold if our own code is right. Always on, in release too.
//
// A CHECK is never reachable by what a peer, a disk, a file or a DNS answer says (src/STYLE.md,
// "Four kinds of wrong"). On failure it writes one line to standard error and aborts: the log on
// disk is what recovery trusts, not this process.
#pragma once

namespace ringmail {

// Writes "CHECK failed: <what> at <file>:<line>" and aborts.
[[noreturn]] void CheckFailed(const char* what, const char* file, int line);

}  // namespace ringmail

#define CHECK(condition)                             \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::ringmail::CheckFailed(#condition, __FILE__, __LINE__))
#define CHECK_EQ(a, b) CHECK((a) == (b))
#define CHECK_NE(a, b) CHECK((a) != (b))
#define CHECK_LE(a, b) CHECK((a) <= (b))
#define CHECK_LT(a, b) CHECK((a) < (b))
#define CHECK_GE(a, b) CHECK((a) >= (b))
#define CHECK_GT(a, b) CHECK((a) > (b))
