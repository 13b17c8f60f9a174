// The search for lines that begin with "--", and the count of LF, beside memcpy of the same octets
// in the same run (BM_Memcpy of base64_bench).
#include <benchmark/benchmark.h>

#include <string>

#include "ringmail/codec/dash_line.h"
#include "ringmail/codec/kernel.h"

namespace ringmail::codec {
namespace {

std::string Lines(size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += std::string(74, 'x') + "-x\r\n";
  return text;
}

template <class Function>
void Run(benchmark::State& state, Function function) {
  if (!ForceKernel(static_cast<Kernel>(state.range(0)))) {
    state.SkipWithError("this CPU lacks it");
    return;
  }
  state.SetLabel(std::string(KernelName(ActiveKernel())));
  const std::string text = Lines(static_cast<size_t>(state.range(1)));
  for (auto _ : state) benchmark::DoNotOptimize(function(text));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

void BM_FindDashLine(benchmark::State& state) {
  Run(state, [](std::string_view text) { return FindDashLine(text, 0); });
}
void BM_CountLf(benchmark::State& state) { Run(state, CountLf); }

BENCHMARK(BM_FindDashLine)->ArgsProduct({{0, 1, 2, 3}, {64 << 10}});
BENCHMARK(BM_CountLf)->ArgsProduct({{0, 1, 2, 3}, {64 << 10}});

}  // namespace
}  // namespace ringmail::codec
