// Hexadecimal beside memcpy of the same octets in the same run (BM_Memcpy of base64_bench).
#include <benchmark/benchmark.h>

#include <string>

#include "ringmail/codec/hex.h"
#include "ringmail/codec/kernel.h"

namespace ringmail::codec {
namespace {

bool Force(benchmark::State& state) {
  if (ForceKernel(static_cast<Kernel>(state.range(0)))) {
    state.SetLabel(std::string(KernelName(ActiveKernel())));
    return true;
  }
  state.SkipWithError("this CPU lacks it");
  return false;
}

void BM_HexEncode(benchmark::State& state) {
  if (!Force(state)) return;
  const std::string in(static_cast<size_t>(state.range(1)), '\xA7');
  std::string out(2 * in.size(), '\0');
  for (auto _ : state) {
    benchmark::DoNotOptimize(HexEncode(in, HexCase::kLower, out.data()));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(in.size()));
}

// The rate is that of the text read.
void BM_HexDecode(benchmark::State& state) {
  if (!Force(state)) return;
  std::string in;
  while (in.size() < static_cast<size_t>(state.range(1))) in += "0123456789abcdefABCDEF90";
  std::string out(in.size() / 2, '\0');
  for (auto _ : state) {
    benchmark::DoNotOptimize(HexDecode(in, out.data()));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(in.size()));
}

BENCHMARK(BM_HexEncode)->ArgsProduct({{0, 1, 2, 3}, {64 << 10}});
BENCHMARK(BM_HexDecode)->ArgsProduct({{0, 1, 2, 3}, {64 << 10}});

}  // namespace
}  // namespace ringmail::codec
