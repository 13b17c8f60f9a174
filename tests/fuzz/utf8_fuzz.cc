// UTF-8: every kernel, however the text is cut, says what the grammar says. The first two octets
// are the cut.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ringmail/codec/kernel.h"
#include "ringmail/codec/utf8.h"
#include "support/codec/utf8_reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t cut = (size_t{data[0]} << 8 | data[1]) % (text.size() + 1);
  const size_t prefix = ringmail::codec::ReferenceUtf8ValidPrefix(text);
  const bool can_go_on = ringmail::codec::ReferenceUtf8CanGoOn(text);
  for (const ringmail::codec::Kernel kernel : ringmail::codec::kKernels) {
    if (!ringmail::codec::ForceKernel(kernel)) continue;
    if (ringmail::codec::Utf8ValidPrefix(text) != prefix) std::abort();
    ringmail::codec::Utf8Validator validator;
    validator.Feed(text.substr(0, cut));
    validator.Feed(text.substr(cut));
    if (validator.valid() != (prefix == text.size())) std::abort();
    if (validator.failed() == can_go_on) std::abort();
  }
  return 0;
}
