// Dots and lines beside memcpy of the same octets in the same run (BM_Memcpy of base64_bench).
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "ringmail/codec/dots.h"
#include "ringmail/codec/kernel.h"

namespace ringmail::codec {
namespace {

// Lines of 76 octets; every twentieth has one dot more than it should be sent with.
std::string Text(size_t bytes) {
  std::string text;
  for (size_t line = 1; text.size() < bytes; ++line) {
    if (line % 20 == 0) text += "..";
    text.append(76, 'x');
    text += "\r\n";
  }
  return text;
}

bool Force(benchmark::State& state) {
  if (ForceKernel(static_cast<Kernel>(state.range(0)))) {
    state.SetLabel(std::string(KernelName(ActiveKernel())));
    return true;
  }
  state.SkipWithError("this CPU lacks it");
  return false;
}

void Rate(benchmark::State& state, size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

void BM_Stuff(benchmark::State& state) {
  if (!Force(state)) return;
  const std::string in = Text(static_cast<size_t>(state.range(1)));
  std::vector<char> out(2 * in.size());
  for (auto _ : state) {
    DotStuffer stuffer;
    benchmark::DoNotOptimize(stuffer.Feed(in, out.data()));
    benchmark::ClobberMemory();
  }
  Rate(state, in.size());
}

void BM_Unstuff(benchmark::State& state) {
  if (!Force(state)) return;
  const std::string in = Text(static_cast<size_t>(state.range(1)));
  std::vector<char> out(in.size() + 1);
  for (auto _ : state) {
    DotUnstuffer unstuffer;
    benchmark::DoNotOptimize(unstuffer.Feed(in, out.data()));
    benchmark::ClobberMemory();
  }
  Rate(state, in.size());
}

void BM_Lines(benchmark::State& state) {
  if (!Force(state)) return;
  const std::string in = Text(static_cast<size_t>(state.range(1)));
  for (auto _ : state) {
    LineScanner scanner;
    scanner.Feed(in);
    benchmark::DoNotOptimize(scanner.facts());
  }
  Rate(state, in.size());
}

BENCHMARK(BM_Stuff)->ArgsProduct({{0, 1, 2, 3}, {64 << 10, 64 << 20}});
BENCHMARK(BM_Unstuff)->ArgsProduct({{0, 1, 2, 3}, {64 << 10, 64 << 20}});
BENCHMARK(BM_Lines)->ArgsProduct({{0, 1, 2, 3}, {64 << 10, 64 << 20}});

}  // namespace
}  // namespace ringmail::codec
