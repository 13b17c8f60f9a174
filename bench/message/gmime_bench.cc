// The same messages through GMime, which reads them into its own objects.
#include <benchmark/benchmark.h>
#include <gmime/gmime.h>

#include <string>

#include "samples.h"

namespace ringmail::message {
namespace {

void Parse(benchmark::State& state, const std::string& text) {
  static const bool started = (g_mime_init(), true);
  benchmark::DoNotOptimize(started);
  for (auto _ : state) {
    GMimeStream* stream = g_mime_stream_mem_new_with_buffer(text.data(), text.size());
    GMimeParser* parser = g_mime_parser_new_with_stream(stream);
    g_object_unref(stream);
    GMimeMessage* message = g_mime_parser_construct_message(parser, nullptr);
    benchmark::DoNotOptimize(message);
    g_object_unref(parser);
    g_object_unref(message);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
  state.SetItemsProcessed(state.iterations());
}

void BM_GMimeSmall2KiB(benchmark::State& state) { Parse(state, SmallMessage(2048)); }
void BM_GMimeAttachments50KiB(benchmark::State& state) {
  Parse(state, MessageWithAttachments(50 << 10));
}

BENCHMARK(BM_GMimeSmall2KiB);
BENCHMARK(BM_GMimeAttachments50KiB);

}  // namespace
}  // namespace ringmail::message
