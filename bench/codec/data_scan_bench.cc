// What the DATA scanner costs per octet: 16 KiB buffers, as the server reads them.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <string>

#include "ringmail/codec/data_scan.h"
#include "ringmail/codec/kernel.h"

namespace ringmail::codec {
namespace {

constexpr size_t kBufferBytes = 16384;

std::string Text(size_t line_bytes, size_t lines_per_dot) {
  std::string text;
  for (size_t line = 1; text.size() < kBufferBytes; ++line) {
    if (lines_per_dot != 0 && line % lines_per_dot == 0) text += "..";
    text.append(line_bytes, 'x');
    text += "\r\n";
  }
  return text;
}

template <typename Scanner>
void Scan(benchmark::State& state, const std::string& text) {
  if (!ForceKernel(static_cast<Kernel>(state.range(0)))) {
    state.SkipWithError("this CPU lacks it");
    return;
  }
  state.SetLabel(std::string(KernelName(ActiveKernel())));
  Scanner scanner;
  DataScanner::Step step;
  for (auto _ : state) {
    std::string_view rest = text;
    while (!rest.empty()) {
      scanner.Feed(rest, step);
      benchmark::DoNotOptimize(step);
      rest.remove_prefix(step.consumed);
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

void BM_DataText(benchmark::State& state) { Scan<DataScanner>(state, Text(76, 0)); }
void BM_DataDotEvery20Lines(benchmark::State& state) { Scan<DataScanner>(state, Text(76, 20)); }
void BM_DataDotOnEveryLine(benchmark::State& state) { Scan<DataScanner>(state, Text(76, 1)); }
void BM_DataShortLines(benchmark::State& state) { Scan<DataScanner>(state, Text(6, 0)); }
void BM_ContentText(benchmark::State& state) { Scan<ContentScanner>(state, Text(76, 0)); }

BENCHMARK(BM_DataText)->DenseRange(0, 3);
BENCHMARK(BM_DataDotEvery20Lines)->DenseRange(0, 3);
BENCHMARK(BM_DataDotOnEveryLine)->DenseRange(0, 3);
BENCHMARK(BM_DataShortLines)->DenseRange(0, 3);
BENCHMARK(BM_ContentText)->DenseRange(0, 3);

}  // namespace
}  // namespace ringmail::codec
