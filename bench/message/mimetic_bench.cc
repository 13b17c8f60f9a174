// The same messages through mimetic, which copies headers and bodies into its own objects.
#include <benchmark/benchmark.h>
#include <mimetic/mimetic.h>

#include <string>

#include "samples.h"

namespace ringmail::message {
namespace {

void Parse(benchmark::State& state, const std::string& text) {
  for (auto _ : state) {
    mimetic::MimeEntity entity(text.begin(), text.end());
    benchmark::DoNotOptimize(&entity);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
  state.SetItemsProcessed(state.iterations());
}

void BM_MimeticSmall2KiB(benchmark::State& state) { Parse(state, SmallMessage(2048)); }
void BM_MimeticAttachments50KiB(benchmark::State& state) {
  Parse(state, MessageWithAttachments(50 << 10));
}

BENCHMARK(BM_MimeticSmall2KiB);
BENCHMARK(BM_MimeticAttachments50KiB);

}  // namespace
}  // namespace ringmail::message
