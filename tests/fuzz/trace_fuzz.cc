// Hops: the count does not depend on how the header section is cut. The first octet chooses the
// cuts.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ringmail/message/trace.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const size_t step = 1 + data[0] % 31;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  ringmail::message::HopCounter whole("mx.example.org"), pieces("mx.example.org");
  whole.Feed(text);
  for (size_t at = 0; at < text.size(); at += step) pieces.Feed(text.substr(at, step));
  if (whole.received_count() != pieces.received_count() ||
      whole.own_count() != pieces.own_count() || whole.header_ended() != pieces.header_ended() ||
      whole.own_count() > whole.received_count()) {
    std::abort();
  }
  return 0;
}
