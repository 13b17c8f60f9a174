// Headers of the PROXY protocol: however little has come nothing behind a header is taken, and what
// was understood means the same once it is written again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/session/proxy_header.h"

namespace {

using namespace ringmail::session;

void Require(bool condition) {
  if (!condition) std::abort();
}

// Once done or bad, more octets change nothing; until then each beginning needs more.
void CheckBeginnings(std::string_view input) {
  const ProxyReadResult whole = ReadProxyHeader(input);
  bool decided = false;
  const size_t most = input.size() < 300 ? input.size() : 300;
  for (size_t bytes = 0; bytes <= most; ++bytes) {
    const ProxyReadResult part = ReadProxyHeader(input.substr(0, bytes));
    if (decided) Require(part.state != ProxyRead::kNeedMore);
    if (part.state == ProxyRead::kNeedMore) {
      Require(whole.state != ProxyRead::kDone || bytes < whole.bytes);
      continue;
    }
    decided = true;
    Require(part.state == whole.state);
    Require(part.bytes == whole.bytes && part.problem == whole.problem);
  }
}

void CheckWritten(const ProxyHeader& header) {
  const ProxyReadResult again = ReadProxyHeader(WriteProxyV2(header));
  Require(again.state == ProxyRead::kDone);
  Require(again.header.source == header.source && again.header.destination == header.destination);
  const ProxyReadResult line = ReadProxyHeader(WriteProxyV1(header));
  Require(line.state == ProxyRead::kDone);
  Require(line.header.own || line.header.source == header.source);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const ProxyReadResult result = ReadProxyHeader(input);
  if (result.state == ProxyRead::kDone) {
    Require(result.bytes <= input.size() && result.bytes <= kProxyV2BytesMax);
    Require(result.problem.empty());
    const bool pair = result.header.source.ip.family == result.header.destination.ip.family;
    if (!result.header.own && pair) CheckWritten(result.header);
  } else {
    Require(result.bytes == 0);
    Require(result.problem.empty() == (result.state == ProxyRead::kNeedMore));
    if (result.state == ProxyRead::kNeedMore) Require(input.size() < kProxyV2BytesMax);
  }
  CheckBeginnings(input);
  return 0;
}
