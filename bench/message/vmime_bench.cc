// The same messages through VMime, which keeps bodies as offsets, and values of fields as text.
#include <benchmark/benchmark.h>

#include <string>
#include <vmime/vmime.hpp>

#include "samples.h"

namespace ringmail::message {
namespace {

void Parse(benchmark::State& state, const std::string& text) {
  for (auto _ : state) {
    auto message = vmime::make_shared<vmime::message>();
    message->parse(text);
    benchmark::DoNotOptimize(message.get());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
  state.SetItemsProcessed(state.iterations());
}

void BM_VMimeSmall2KiB(benchmark::State& state) { Parse(state, SmallMessage(2048)); }
void BM_VMimeAttachments50KiB(benchmark::State& state) {
  Parse(state, MessageWithAttachments(50 << 10));
}

BENCHMARK(BM_VMimeSmall2KiB);
BENCHMARK(BM_VMimeAttachments50KiB);

}  // namespace
}  // namespace ringmail::message
