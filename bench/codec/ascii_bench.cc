// A search without regard to case beside memcpy of the same octets (BM_Memcpy of base64_bench), and
// beside the C library's own.
#include <benchmark/benchmark.h>
#include <string.h>  // strcasestr

#include <string>

#include "ringmail/codec/ascii.h"
#include "ringmail/codec/kernel.h"

namespace ringmail::codec {
namespace {

std::string Text(size_t bytes) {
  std::string text;
  uint32_t next = 1;
  while (text.size() < bytes) {
    next = next * 1664525 + 1013904223;
    const uint32_t draw = next >> 8;
    text += draw % 6 == 0 ? ' ' : static_cast<char>((draw % 20 == 1 ? 'A' : 'a') + draw / 6 % 26);
  }
  return text;
}

constexpr std::string_view kNeedle = "invoice-4711";

void BM_FindNoCase(benchmark::State& state) {
  if (!ForceKernel(static_cast<Kernel>(state.range(0)))) {
    state.SkipWithError("this CPU lacks it");
    return;
  }
  state.SetLabel(std::string(KernelName(ActiveKernel())));
  const std::string text = Text(static_cast<size_t>(state.range(1)));
  for (auto _ : state) benchmark::DoNotOptimize(AsciiFindNoCase(text, kNeedle, 0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

void BM_Strcasestr(benchmark::State& state) {
  const std::string text = Text(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(strcasestr(text.c_str(), kNeedle.data()));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

BENCHMARK(BM_FindNoCase)->ArgsProduct({{0, 1, 2, 3}, {64 << 10}});
BENCHMARK(BM_Strcasestr)->Arg(64 << 10);

}  // namespace
}  // namespace ringmail::codec
