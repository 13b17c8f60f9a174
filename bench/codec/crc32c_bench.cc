// What a checksum costs: one message of 4 KiB, and a large record.
#include <benchmark/benchmark.h>

#include <string>

#include "ringmail/codec/crc32c.h"
#include "ringmail/codec/kernel.h"

namespace ringmail::codec {
namespace {

void BM_Crc32c(benchmark::State& state) {
  if (!ForceKernel(static_cast<Kernel>(state.range(0)))) {
    state.SkipWithError("this CPU lacks it");
    return;
  }
  state.SetLabel(std::string(KernelName(ActiveKernel())));
  const std::string bytes(static_cast<size_t>(state.range(1)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(Crc32c(0, bytes));
  state.SetBytesProcessed(state.iterations() * state.range(1));
}
BENCHMARK(BM_Crc32c)->ArgsProduct({{0, 1}, {64, 512, 4096, 65536, 1 << 20}});

}  // namespace
}  // namespace ringmail::codec
