// Lines that begin with "--": every kernel finds what the definition finds, wherever it begins, and
// counts the same LF. The first two octets say where.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ringmail/codec/dash_line.h"
#include "ringmail/codec/kernel.h"
#include "support/codec/dash_line_reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t from = (size_t{data[0]} << 8 | data[1]) % (text.size() + 1);
  for (const ringmail::codec::Kernel kernel : ringmail::codec::kKernels) {
    if (!ringmail::codec::ForceKernel(kernel)) continue;
    size_t at = from;
    while (true) {
      const size_t want = ringmail::codec::ReferenceDashLine(text, at);
      if (ringmail::codec::FindDashLine(text, at) != want) std::abort();
      if (want == std::string_view::npos) break;
      at = want + 1;
    }
    const std::string_view rest = text.substr(from);
    if (ringmail::codec::CountLf(rest) != ringmail::codec::ReferenceCountLf(rest)) std::abort();
  }
  return 0;
}
