// Bodies: every kernel, however cut, counts the same lines, says the same of them, and stops at the
// same dashes as the definition. The first octet chooses the cuts.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/body_scan.h"
#include "ringmail/codec/kernel.h"
#include "support/codec/body_scan_reference.h"

namespace {

using namespace ringmail::codec;  // NOLINT: the whole room is under test

void Require(bool condition) {
  if (!condition) std::abort();
}

void RequireAsDefined(const BodyScanner& scanner, std::string_view text) {
  const ReferenceBody expected = ReferenceBodyScan(text);
  Require(scanner.lines() == expected.lines && scanner.flags() == expected.flags);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  // Beyond the size from which kernels begin with what comes before an aligned block.
  if ((data[0] & 0x80) != 0) text.insert(text.size() / 2, std::string(1100, 'x'));
  const std::string_view all = text;
  const size_t cut = std::min<size_t>((data[0] & 0x7F) * size_t{3}, all.size());
  for (const Kernel kernel : kKernels) {
    if (!ForceKernel(kernel)) continue;
    BodyScanner whole;
    whole.Feed(all.substr(0, cut));
    whole.Feed(all.substr(cut));
    RequireAsDefined(whole, all);

    BodyScanner until;
    until.Feed(all.substr(0, cut));
    const size_t lf = until.FeedUntilDashes(all.substr(cut));
    Require(lf == all.substr(cut).find("\n--"));
    std::string_view read = lf == std::string_view::npos ? all : all.substr(0, cut + lf);
    if (lf != std::string_view::npos && read.ends_with('\r')) read.remove_suffix(1);
    RequireAsDefined(until, read);
  }
  return 0;
}
