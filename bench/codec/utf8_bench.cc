// UTF-8 validation beside memcpy of the same octets in the same run (BM_Memcpy of base64_bench).
#include <benchmark/benchmark.h>

#include <string>

#include "ringmail/codec/kernel.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::codec {
namespace {

void Validate(benchmark::State& state, std::string_view sentence) {
  if (!ForceKernel(static_cast<Kernel>(state.range(0)))) {
    state.SkipWithError("this CPU lacks it");
    return;
  }
  state.SetLabel(std::string(KernelName(ActiveKernel())));
  const auto bytes = static_cast<size_t>(state.range(1));
  std::string text;
  while (text.size() < bytes) text += sentence;
  text.resize(Utf8ValidPrefix(std::string_view(text).substr(0, bytes)));
  for (auto _ : state) benchmark::DoNotOptimize(Utf8Valid(text));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

void BM_Utf8Ascii(benchmark::State& state) { Validate(state, "Nothing but plain ASCII. "); }
void BM_Utf8Mixed(benchmark::State& state) {
  Validate(state, "Grüße aus München, привет из Москвы, 世界 🎉 and ASCII. ");
}

BENCHMARK(BM_Utf8Ascii)->ArgsProduct({{0, 1, 2, 3}, {64 << 10, 64 << 20}});
BENCHMARK(BM_Utf8Mixed)->ArgsProduct({{0, 1, 2, 3}, {64 << 10, 64 << 20}});

}  // namespace
}  // namespace ringmail::codec
