// The DATA scanner: every kernel, however the input is cut, says what the definition says. The
// first octets choose the cuts.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "ringmail/codec/kernel.h"
#include "support/codec/data_scan_reference.h"

namespace {

using ringmail::codec::Kernel;
using ringmail::codec::ReferenceScan;

bool Same(const ReferenceScan& a, const ReferenceScan& b) {
  return a.end == b.end && a.consumed == b.consumed && a.content == b.content &&
         a.dot_lines == b.dot_lines && a.flags == b.flags;
}

std::vector<size_t> Cuts(std::string_view choice, size_t bytes) {
  std::vector<size_t> cuts;
  size_t at = 0;
  for (size_t i = 0; i < 64; ++i) {
    at += static_cast<uint8_t>(choice[i % choice.size()]);
    if (at > bytes) break;
    cuts.push_back(at);
  }
  return cuts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kChoiceBytes = 4;
  if (size < kChoiceBytes) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view text = input.substr(kChoiceBytes);
  const std::vector<size_t> cuts = Cuts(input.substr(0, kChoiceBytes), text.size());
  const ReferenceScan data_scan = ringmail::codec::ReferenceDataScan(text);
  const ReferenceScan content_scan = ringmail::codec::ReferenceContentScan(text);
  for (const Kernel kernel : ringmail::codec::kKernels) {
    if (!ringmail::codec::ForceKernel(kernel)) continue;
    using ringmail::codec::ContentScanner;
    using ringmail::codec::DataScanner;
    if (!Same(ringmail::codec::ScanInPieces<DataScanner>(text, {}), data_scan) ||
        !Same(ringmail::codec::ScanInPieces<DataScanner>(text, cuts), data_scan) ||
        !Same(ringmail::codec::ScanInPieces<ContentScanner>(text, {}), content_scan) ||
        !Same(ringmail::codec::ScanInPieces<ContentScanner>(text, cuts), content_scan)) {
      std::abort();
    }
  }
  return 0;
}
