// quoted-printable beside memcpy of the same octets in the same run (BM_Memcpy of base64_bench).
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "ringmail/codec/kernel.h"
#include "ringmail/codec/quoted_printable.h"

namespace ringmail::codec {
namespace {

// Words in lines of no more than `line_max` octets, of which `per_mille` octets need an escape.
std::string Text(size_t bytes, size_t line_max, uint32_t per_mille) {
  std::string text;
  uint32_t next = 1;
  size_t line = 0, line_bytes = line_max;
  while (text.size() < bytes) {
    next = next * 1664525 + 1013904223;
    const uint32_t draw = next >> 8;
    if (line >= line_bytes && text.back() != ' ') {
      text += "\r\n";
      line = 0;
      line_bytes = line_max - draw % (line_max / 4);
      continue;
    }
    const bool escape = draw % 1000 < per_mille;
    text += escape                 ? '\xE4'
            : draw / 1000 % 6 == 0 ? ' '
                                   : static_cast<char>('a' + draw / 7000 % 26);
    ++line;
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

std::string Encoded(const std::string& in) {
  std::string out(QuotedPrintableEncodedBytesMax(in.size()), '\0');
  QuotedPrintableEncoder encoder(QuotedPrintableInput::kText);
  size_t written = encoder.Feed(in, out.data());
  written += encoder.Finish(out.data() + written);
  out.resize(written);
  return out;
}

// state.range(1): octets in 1000 that need an escape.
void Encode(benchmark::State& state, size_t line_max) {
  if (!Force(state)) return;
  const std::string in =
      Text(static_cast<size_t>(state.range(2)), line_max, static_cast<uint32_t>(state.range(1)));
  std::vector<char> out(QuotedPrintableEncodedBytesMax(in.size()));
  for (auto _ : state) {
    QuotedPrintableEncoder encoder(QuotedPrintableInput::kText);
    size_t written = encoder.Feed(in, out.data());
    written += encoder.Finish(out.data() + written);
    benchmark::DoNotOptimize(written);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(in.size()));
}
void BM_QuotedPrintableEncode(benchmark::State& state) { Encode(state, 72); }
void BM_QuotedPrintableEncodeParagraphs(benchmark::State& state) { Encode(state, 600); }

void BM_QuotedPrintableDecode(benchmark::State& state) {
  if (!Force(state)) return;
  const std::string text = Encoded(
      Text(static_cast<size_t>(state.range(2)), 600, static_cast<uint32_t>(state.range(1))));
  std::vector<char> out(QuotedPrintableDecodedBytesMax(text.size()));
  for (auto _ : state) {
    QuotedPrintableDecoder decoder;
    size_t written = decoder.Feed(text, out.data());
    written += decoder.Finish(out.data() + written);
    benchmark::DoNotOptimize(written);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

const std::vector<std::vector<int64_t>> kArguments = {{0, 1, 2, 3}, {0, 20, 300}, {64 << 10}};
BENCHMARK(BM_QuotedPrintableDecode)->ArgsProduct(kArguments);
BENCHMARK(BM_QuotedPrintableEncode)->ArgsProduct(kArguments);
BENCHMARK(BM_QuotedPrintableEncodeParagraphs)->ArgsProduct(kArguments);
BENCHMARK(BM_QuotedPrintableDecode)->ArgsProduct({{2, 3}, {20}, {64 << 20}});
BENCHMARK(BM_QuotedPrintableEncode)->ArgsProduct({{2, 3}, {20}, {64 << 20}});

}  // namespace
}  // namespace ringmail::codec
