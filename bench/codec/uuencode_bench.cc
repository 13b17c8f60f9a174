// uuencode, which has no kernels of its own, so that what that costs is known.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "ringmail/codec/uuencode.h"

namespace ringmail::codec {
namespace {

constexpr size_t kBytes = 65536;

std::string Encode(std::string_view in, std::string& room) {
  UuEncoder encoder(UuForm::kHistorical, 0644, "a.bin");
  size_t written = encoder.Feed(in, room.data());
  written += encoder.Finish(room.data() + written);
  return room.substr(0, written);
}

std::string Octets() {
  std::string octets(kBytes, '\0');
  uint32_t next = 1;
  for (char& octet : octets) {
    next = next * 1664525 + 1013904223;
    octet = static_cast<char>(next >> 24);
  }
  return octets;
}

void BM_UuEncode(benchmark::State& state) {
  const std::string in = Octets();
  std::string room(UuEncodedBytesMax(in.size()) + UuEncodedBytesMax(0), '\0');
  for (auto _ : state) {
    UuEncoder encoder(UuForm::kHistorical, 0644, "a.bin");
    size_t written = encoder.Feed(in, room.data());
    written += encoder.Finish(room.data() + written);
    benchmark::DoNotOptimize(written);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(in.size()));
}

// The rate is that of the text read.
void BM_UuDecode(benchmark::State& state) {
  std::string room(2 * kBytes, '\0');
  const std::string text = Encode(Octets(), room);
  std::vector<char> out(text.size());
  for (auto _ : state) {
    UuDecoder decoder;
    const UuDecoder::Step step = decoder.Feed(text, out);
    benchmark::DoNotOptimize(step);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

BENCHMARK(BM_UuEncode);
BENCHMARK(BM_UuDecode);

}  // namespace
}  // namespace ringmail::codec
