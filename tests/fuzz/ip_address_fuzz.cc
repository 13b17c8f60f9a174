// Addresses and networks: what parses is written, and what was written parses to the same value.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ringmail/base/ip_address.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto address = ringmail::IpAddress::Parse(text)) {
    if (ringmail::IpAddress::Parse(address->ToString()) != address) {
      std::abort();
    }
  }
  if (const auto network = ringmail::IpNetwork::Parse(text)) {
    if (!network->Contains(network->address)) {
      std::abort();
    }
  }
  return 0;
}
