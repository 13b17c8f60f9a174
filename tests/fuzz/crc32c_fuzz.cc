// CRC-32C: every kernel, in one piece and in two, gives what the definition gives. The first two
// octets are the cut.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ringmail/codec/crc32c.h"
#include "ringmail/codec/kernel.h"
#include "support/codec/crc32c_reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t cut = (size_t{data[0]} << 8 | data[1]) % (text.size() + 1);
  const uint32_t want = ringmail::codec::ReferenceCrc32c(0, text);
  for (const ringmail::codec::Kernel kernel : ringmail::codec::kKernels) {
    if (!ringmail::codec::ForceKernel(kernel)) continue;
    if (ringmail::codec::Crc32c(0, text) != want) std::abort();
    const uint32_t begin = ringmail::codec::Crc32c(0, text.substr(0, cut));
    if (ringmail::codec::Crc32c(begin, text.substr(cut)) != want) std::abort();
  }
  return 0;
}
