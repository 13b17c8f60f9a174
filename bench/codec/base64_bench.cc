// base64 beside memcpy of the same octets in the same run: 64 KiB in cache and 64 MiB out of it.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "ringmail/codec/base64.h"
#include "ringmail/codec/kernel.h"

namespace ringmail::codec {
namespace {

std::string Octets(size_t bytes) {
  std::string octets(bytes, '\0');
  uint32_t next = 1;
  for (char& octet : octets) {
    next = next * 1664525 + 1013904223;
    octet = static_cast<char>(next >> 24);
  }
  return octets;
}

// Octets at the start of a cache line: what is measured is not how two buffers happen to lie.
class Buffer {
 public:
  explicit Buffer(std::string_view octets) : Buffer(octets.size()) {
    octets.copy(data(), octets.size());
  }
  explicit Buffer(size_t bytes) : bytes_(bytes), room_(bytes + 64) {}
  char* data() { return room_.data() + (64 - reinterpret_cast<uintptr_t>(room_.data()) % 64); }
  std::string_view view() { return {data(), bytes_}; }

 private:
  size_t bytes_;
  std::vector<char> room_;
};

bool Force(benchmark::State& state) {
  if (ForceKernel(static_cast<Kernel>(state.range(0)))) {
    state.SetLabel(std::string(KernelName(ActiveKernel())));
    return true;
  }
  state.SkipWithError("this CPU lacks it");
  return false;
}

void BM_Memcpy(benchmark::State& state) {
  Buffer buffer(Octets(static_cast<size_t>(state.range(1))));
  const std::string_view in = buffer.view();
  Buffer out(in.size());
  for (auto _ : state) {
    std::memcpy(out.data(), in.data(), in.size());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(in.size()));
}

template <Base64Form kForm>
void BM_Encode(benchmark::State& state) {
  if (!Force(state)) return;
  Buffer buffer(Octets(static_cast<size_t>(state.range(1))));
  const std::string_view in = buffer.view();
  Buffer out(Base64EncodedBytesMax(in.size(), kForm));
  for (auto _ : state) {
    Base64Encoder encoder(kForm);
    size_t written = encoder.Feed(in, out.data());
    written += encoder.Finish(out.data() + written);
    benchmark::DoNotOptimize(written);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(in.size()));
}

// The rate is that of the text read.
template <Base64Form kForm>
void BM_Decode(benchmark::State& state) {
  if (!Force(state)) return;
  const std::string octets = Octets(static_cast<size_t>(state.range(1)) / 4 * 3);
  std::string text(Base64EncodedBytesMax(octets.size(), kForm), '\0');
  Base64Encoder encoder(kForm);
  size_t written = encoder.Feed(octets, text.data());
  written += encoder.Finish(text.data() + written);
  text.resize(written);
  Buffer buffer(text);
  Buffer out(Base64DecodedBytesMax(text.size()));
  for (auto _ : state) {
    Base64Decoder decoder(kForm);
    benchmark::DoNotOptimize(decoder.Feed(buffer.view(), out.data()));
    decoder.Finish();
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

constexpr int64_t kInCache = 64 << 10, kOutOfCache = 64 << 20;
BENCHMARK(BM_Memcpy)->Args({0, kInCache})->Args({0, kOutOfCache});
BENCHMARK(BM_Encode<Base64Form::kFlat>)->ArgsProduct({{0, 1, 2, 3}, {kInCache, kOutOfCache}});
BENCHMARK(BM_Encode<Base64Form::kMime>)->ArgsProduct({{0, 1, 2, 3}, {kInCache, kOutOfCache}});
BENCHMARK(BM_Decode<Base64Form::kFlat>)->ArgsProduct({{0, 1, 2, 3}, {kInCache, kOutOfCache}});
BENCHMARK(BM_Decode<Base64Form::kMime>)->ArgsProduct({{0, 1, 2, 3}, {kInCache, kOutOfCache}});
BENCHMARK(BM_Encode<Base64Form::kUrl>)->ArgsProduct({{0, 1, 2, 3}, {kInCache}});
BENCHMARK(BM_Decode<Base64Form::kUrl>)->ArgsProduct({{0, 1, 2, 3}, {kInCache}});

}  // namespace
}  // namespace ringmail::codec
