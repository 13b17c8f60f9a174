// How fast the tree is built: whole messages, and pieces as a socket gives them.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "ringmail/message/mime_tree.h"
#include "samples.h"

namespace ringmail::message {
namespace {

void BuildAll(benchmark::State& state, const std::string& text, size_t piece_bytes) {
  Tree tree;
  TreeBuilder builder({});
  for (auto _ : state) {
    builder.Start(tree);
    const std::string_view all = text;
    for (size_t at = 0; at < all.size(); at += piece_bytes) {
      builder.Feed(all.substr(at, piece_bytes));
    }
    builder.Finish();
    benchmark::DoNotOptimize(tree.parts.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
  state.SetItemsProcessed(state.iterations());
  state.counters["parts"] = static_cast<double>(tree.parts.size());
}

void BM_TreeSmall2KiB(benchmark::State& state) {
  BuildAll(state, SmallMessage(2048), SIZE_MAX / 2);
}
void BM_TreeAttachments50KiB(benchmark::State& state) {
  BuildAll(state, MessageWithAttachments(50 << 10), SIZE_MAX / 2);
}
void BM_TreeAttachments50KiBPieces(benchmark::State& state) {
  BuildAll(state, MessageWithAttachments(50 << 10), static_cast<size_t>(state.range(0)));
}
void BM_TreeAttachments25MiB(benchmark::State& state) {
  BuildAll(state, MessageWithAttachments(25 << 20), SIZE_MAX / 2);
}

BENCHMARK(BM_TreeSmall2KiB);
BENCHMARK(BM_TreeAttachments50KiB);
BENCHMARK(BM_TreeAttachments50KiBPieces)->Arg(100)->Arg(1460)->Arg(16384);
BENCHMARK(BM_TreeAttachments25MiB);

}  // namespace
}  // namespace ringmail::message
