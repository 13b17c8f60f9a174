// What an operator writes as an address, and the ids that commands take: what parses is written,
// and what was written parses to the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ringmail/agent/transport.h"
#include "ringmail/base/ids.h"
#include "ringmail/io/endpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto endpoint = ringmail::io::Endpoint::Parse(text)) {
    if (ringmail::io::Endpoint::Parse(endpoint->ToString()) != endpoint) std::abort();
  }
  if (const auto hop = ringmail::agent::NextHop::Parse(text)) {
    if (hop->host.empty() || (hop->port == 0) != hop->unix_socket()) std::abort();
    if (hop->unix_socket() != hop->host.starts_with("unix:/")) std::abort();
    if (hop->host.find_first_of(" \r\n\t") != hop->host.npos) std::abort();
    if (ringmail::agent::NextHop::Parse(hop->ToString()) != hop) std::abort();
  }
  if (const auto id = ringmail::QueueId::Parse(text)) {
    if (!id->valid() || ringmail::QueueId::Parse(id->ToString()) != id) std::abort();
  }
  return 0;
}
