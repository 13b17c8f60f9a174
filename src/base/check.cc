#include "ringmail/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace ringmail {

void CheckFailed(const char* what, const char* file, int line) {
  // One call, so that two threads that fail together do not mix their lines.
  std::fprintf(stderr, "CHECK failed: %s at %s:%d\n", what, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace ringmail
