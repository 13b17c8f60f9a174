// The open kernels that codec is measured by: simdutf and aklomp/base64, each by its own choice of
// instructions, over the octets of base64_bench and utf8_bench in the same run. Built where
// pkg-config finds both; src/codec/README.md says how they were built.
#include <benchmark/benchmark.h>
#include <libbase64.h>
#include <simdutf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ringmail/codec/base64.h"

namespace ringmail::codec {
namespace {

// Octets at the start of a cache line, as base64_bench has them.
struct Buffer {
  explicit Buffer(size_t bytes) : room(bytes + 64) {}
  explicit Buffer(const std::string& octets) : Buffer(octets.size()) {
    octets.copy(data(), octets.size());
  }
  char* data() { return room.data() + (64 - reinterpret_cast<uintptr_t>(room.data()) % 64); }
  std::vector<char> room;
};

std::string Octets(size_t bytes) {
  std::string octets(bytes, '\0');
  uint32_t next = 1;
  for (char& octet : octets) {
    next = next * 1664525 + 1013904223;
    octet = static_cast<char>(next >> 24);
  }
  return octets;
}

std::string Encoded(size_t bytes, Base64Form form) {
  const std::string octets = Octets(bytes / 4 * 3);
  std::string text(Base64EncodedBytesMax(octets.size(), form), '\0');
  Base64Encoder encoder(form);
  size_t written = encoder.Feed(octets, text.data());
  written += encoder.Finish(text.data() + written);
  text.resize(written);
  return text;
}

void Rate(benchmark::State& state, size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

const simdutf::implementation* Simdutf(benchmark::State& state) {
  const char* const name = state.range(0) == 0 ? "haswell" : "icelake";
  const auto* chosen = simdutf::get_available_implementations()[name];
  if (chosen == nullptr || !chosen->supported_by_runtime_system()) {
    state.SkipWithError("this CPU lacks it");
    return nullptr;
  }
  state.SetLabel(name);
  return chosen;
}

void BM_SimdutfEncode(benchmark::State& state, simdutf::base64_options options) {
  const auto* const chosen = Simdutf(state);
  if (chosen == nullptr) return;
  const std::string octets = Octets(static_cast<size_t>(state.range(1)));
  Buffer in(octets), out(2 * octets.size());
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        chosen->binary_to_base64(in.data(), octets.size(), out.data(), options));
    benchmark::ClobberMemory();
  }
  Rate(state, octets.size());
}
void BM_SimdutfEncodeFlat(benchmark::State& state) {
  BM_SimdutfEncode(state, simdutf::base64_default);
}
void BM_SimdutfEncodeUrl(benchmark::State& state) { BM_SimdutfEncode(state, simdutf::base64_url); }

// LF after each 76 octets, which is as near as it comes to RFC 2045.
void BM_SimdutfEncodeLines(benchmark::State& state) {
  const auto* const chosen = Simdutf(state);
  if (chosen == nullptr) return;
  const std::string octets = Octets(static_cast<size_t>(state.range(1)));
  Buffer in(octets), out(2 * octets.size());
  for (auto _ : state) {
    benchmark::DoNotOptimize(chosen->binary_to_base64_with_lines(
        in.data(), octets.size(), out.data(), 76, simdutf::base64_default));
    benchmark::ClobberMemory();
  }
  Rate(state, octets.size());
}

void SimdutfDecode(benchmark::State& state, Base64Form form, simdutf::base64_options options) {
  const auto* const chosen = Simdutf(state);
  if (chosen == nullptr) return;
  const std::string text = Encoded(static_cast<size_t>(state.range(1)), form);
  Buffer in(text), out(text.size());
  for (auto _ : state) {
    const simdutf::result result = chosen->base64_to_binary(
        in.data(), text.size(), out.data(), options, simdutf::last_chunk_handling_options::loose);
    if (result.error != simdutf::error_code::SUCCESS) state.SkipWithError("not decoded");
    benchmark::ClobberMemory();
  }
  Rate(state, text.size());
}
void BM_SimdutfDecodeFlat(benchmark::State& state) {
  SimdutfDecode(state, Base64Form::kFlat, simdutf::base64_default);
}
void BM_SimdutfDecodeLines(benchmark::State& state) {
  SimdutfDecode(state, Base64Form::kMime, simdutf::base64_default);
}
void BM_SimdutfDecodeUrl(benchmark::State& state) {
  SimdutfDecode(state, Base64Form::kUrl, simdutf::base64_url);
}

void SimdutfUtf8(benchmark::State& state, std::string_view sentence) {
  const auto* const chosen = Simdutf(state);
  if (chosen == nullptr) return;
  const auto bytes = static_cast<size_t>(state.range(1));
  std::string text;
  while (text.size() < bytes) text += sentence;
  for (auto _ : state) benchmark::DoNotOptimize(chosen->validate_utf8(text.data(), text.size()));
  Rate(state, text.size());
}
void BM_SimdutfUtf8Ascii(benchmark::State& state) {
  SimdutfUtf8(state, "Nothing but plain ASCII. ");
}
void BM_SimdutfUtf8Mixed(benchmark::State& state) {
  SimdutfUtf8(state, "Grüße aus München, привет из Москвы, 世界 🎉 and ASCII. ");
}

constexpr int kAklomp[] = {BASE64_FORCE_AVX2, BASE64_FORCE_AVX512};
constexpr const char* kAklompNames[] = {"avx2", "avx512"};

void BM_AklompEncode(benchmark::State& state) {
  const std::string octets = Octets(static_cast<size_t>(state.range(1)));
  Buffer in(octets), out(2 * octets.size());
  state.SetLabel(kAklompNames[state.range(0)]);
  for (auto _ : state) {
    size_t written = 0;
    base64_encode(in.data(), octets.size(), out.data(), &written, kAklomp[state.range(0)]);
    benchmark::ClobberMemory();
  }
  Rate(state, octets.size());
}

void BM_AklompDecodeFlat(benchmark::State& state) {
  const std::string text = Encoded(static_cast<size_t>(state.range(1)), Base64Form::kFlat);
  Buffer in(text), out(text.size());
  state.SetLabel(kAklompNames[state.range(0)]);
  for (auto _ : state) {
    size_t written = 0;
    if (base64_decode(in.data(), text.size(), out.data(), &written, kAklomp[state.range(0)]) != 1) {
      state.SkipWithError("not decoded");
    }
    benchmark::ClobberMemory();
  }
  Rate(state, text.size());
}

const std::vector<std::vector<int64_t>> kArguments = {{0, 1}, {64 << 10, 64 << 20}};
BENCHMARK(BM_SimdutfEncodeFlat)->ArgsProduct(kArguments);
BENCHMARK(BM_SimdutfEncodeUrl)->ArgsProduct(kArguments);
BENCHMARK(BM_SimdutfEncodeLines)->ArgsProduct(kArguments);
BENCHMARK(BM_SimdutfDecodeFlat)->ArgsProduct(kArguments);
BENCHMARK(BM_SimdutfDecodeLines)->ArgsProduct(kArguments);
BENCHMARK(BM_SimdutfDecodeUrl)->ArgsProduct(kArguments);
BENCHMARK(BM_SimdutfUtf8Ascii)->ArgsProduct(kArguments);
BENCHMARK(BM_SimdutfUtf8Mixed)->ArgsProduct(kArguments);
BENCHMARK(BM_AklompEncode)->ArgsProduct(kArguments);
BENCHMARK(BM_AklompDecodeFlat)->ArgsProduct(kArguments);

}  // namespace
}  // namespace ringmail::codec
