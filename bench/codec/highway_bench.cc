// base64 and line scanning as Google Highway has one write them, to be read beside base64_bench and
// dots_bench of the same run: one source for all targets, octets dealt out by interleaved loads.
// Built where libhwy is installed; src/codec/README.md has the figures that decided against it.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>
#include <vector>

#include "codec/kernels.h"
#include "codec/line_blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "highway_bench.cc"
#define HWY_WANT_AVX3_DL 1
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ringmail::codec::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Octets = hn::ScalableTag<uint8_t>;
using Vector = hn::Vec<Octets>;

HWY_ATTR Vector TextOf(Octets d, Vector sextets) {
  alignas(16) static constexpr uint8_t kOffsets[16] = {65,  71,  252, 252, 252, 252, 252, 252,
                                                       252, 252, 252, 252, 237, 240, 0,   0};
  const Vector runs = hn::Sub(hn::SaturatedSub(sextets, hn::Set(d, 51)),
                              hn::VecFromMask(d, hn::Gt(sextets, hn::Set(d, 25))));
  return hn::Add(sextets, hn::TableLookupBytes(hn::LoadDup128(d, kOffsets), runs));
}

HWY_ATTR size_t Encode(std::string_view in, char* out) {
  const Octets d;
  const size_t lanes = hn::Lanes(d);
  const Vector low = hn::Set(d, 63);
  const auto* from = reinterpret_cast<const uint8_t*>(in.data());
  auto* to = reinterpret_cast<uint8_t*>(out);
  size_t at = 0;
  for (; in.size() - at >= 3 * lanes; at += 3 * lanes, to += 4 * lanes) {
    Vector a, b, c;
    hn::LoadInterleaved3(d, from + at, a, b, c);
    hn::StoreInterleaved4(
        TextOf(d, hn::ShiftRight<2>(a)),
        TextOf(d, hn::And(hn::Or(hn::ShiftLeft<4>(a), hn::ShiftRight<4>(b)), low)),
        TextOf(d, hn::And(hn::Or(hn::ShiftLeft<2>(b), hn::ShiftRight<6>(c)), low)),
        TextOf(d, hn::And(c, low)), d, to);
  }
  return at;
}

// The value of each octet; `bad` gathers what is none.
HWY_ATTR Vector SextetOf(Octets d, Vector text, Vector& bad) {
  alignas(16) static constexpr uint8_t kLow[16] = {0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                                                   0x11, 0x11, 0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A};
  alignas(16) static constexpr uint8_t kHigh[16] = {0x10, 0x10, 1,    2,    4,    8,    4,    8,
                                                    0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10};
  alignas(16) static constexpr uint8_t kOffsets[16] = {0, 16, 19, 4, 191, 191, 185, 185,
                                                       0, 0,  0,  0, 0,   0,   0,   0};
  const Vector high = hn::ShiftRight<4>(text), low = hn::And(text, hn::Set(d, 15));
  bad = hn::Or(bad, hn::And(hn::TableLookupBytes(hn::LoadDup128(d, kLow), low),
                            hn::TableLookupBytes(hn::LoadDup128(d, kHigh), high)));
  const Vector run = hn::Add(hn::VecFromMask(d, hn::Eq(text, hn::Set(d, '/'))), high);
  return hn::Add(text, hn::TableLookupBytes(hn::LoadDup128(d, kOffsets), run));
}

HWY_ATTR size_t Decode(std::string_view in, char* out) {
  const Octets d;
  const size_t lanes = hn::Lanes(d);
  const auto* from = reinterpret_cast<const uint8_t*>(in.data());
  auto* to = reinterpret_cast<uint8_t*>(out);
  size_t at = 0;
  for (; in.size() - at >= 4 * lanes; at += 4 * lanes, to += 3 * lanes) {
    Vector w, x, y, z, bad = hn::Zero(d);
    hn::LoadInterleaved4(d, from + at, w, x, y, z);
    w = SextetOf(d, w, bad);
    x = SextetOf(d, x, bad);
    y = SextetOf(d, y, bad);
    z = SextetOf(d, z, bad);
    if (!hn::AllTrue(d, hn::Eq(bad, hn::Zero(d)))) break;
    hn::StoreInterleaved3(hn::Or(hn::ShiftLeft<2>(w), hn::ShiftRight<4>(x)),
                          hn::Or(hn::ShiftLeft<4>(x), hn::ShiftRight<2>(y)),
                          hn::Or(hn::ShiftLeft<6>(y), z), d, to);
  }
  return at;
}

HWY_ATTR uint64_t Bits(Octets d, const uint8_t* at, uint8_t octet) {
  const size_t lanes = hn::Lanes(d);
  alignas(8) uint8_t bytes[16] = {};
  for (size_t i = 0; i < 64; i += lanes) {
    hn::StoreMaskBits(d, hn::Eq(hn::LoadU(d, at + i), hn::Set(d, octet)), bytes + i / 8);
  }
  uint64_t bits;
  memcpy(&bits, bytes, sizeof(bits));
  return bits;
}

// The DATA scanner's loop, whose marks alone are Highway's.
HWY_ATTR size_t ReadLines(std::string_view in, LineState& state) {
  const Octets d;
  const size_t lanes = hn::Lanes(d);
  lines::Carry carry = lines::Begin(state);
  Vector least = hn::Set(d, 0xFF), all = hn::Zero(d);
  size_t at = 0;
  for (; in.size() - at >= 64; at += 64) {
    const auto* block = reinterpret_cast<const uint8_t*>(in.data() + at);
    const lines::Marks marks = {Bits(d, block, '\r'), Bits(d, block, '\n'), Bits(d, block, '.')};
    if (!lines::ReadBlock(marks, at, carry)) break;
    for (size_t i = 0; i < 64; i += lanes) {
      const Vector octets = hn::LoadU(d, block + i);
      least = hn::Min(least, octets);
      all = hn::Or(all, octets);
    }
  }
  lines::End(carry, at, !hn::AllFalse(d, hn::Eq(least, hn::Zero(d))),
             !hn::AllFalse(d, hn::Ne(hn::And(all, hn::Set(d, 0x80)), hn::Zero(d))), state);
  return at;
}

}  // namespace ringmail::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ringmail::codec {
namespace {

HWY_EXPORT(Encode);
HWY_EXPORT(Decode);
HWY_EXPORT(ReadLines);

bool Target(benchmark::State& state) {
  const int64_t target = state.range(0);
  hwy::SetSupportedTargetsForTest(0);
  if ((hwy::SupportedTargets() & target) == 0) {
    state.SkipWithError("this CPU, or this build of Highway, lacks it");
    return false;
  }
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  state.SetLabel(hwy::TargetName(target));
  return true;
}

constexpr size_t kBytes = 64 << 10;

void BM_HighwayEncode(benchmark::State& state) {
  if (!Target(state)) return;
  std::string in(kBytes, 'x'), out(2 * kBytes, '\0');
  for (size_t i = 0; i < kBytes; ++i) in[i] = static_cast<char>(i * 2654435761u >> 13);
  for (auto _ : state) {
    benchmark::DoNotOptimize(HWY_DYNAMIC_DISPATCH(Encode)(in, out.data()));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kBytes));
}

void BM_HighwayDecode(benchmark::State& state) {
  if (!Target(state)) return;
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string in(kBytes, 'x'), out(kBytes, '\0');
  for (size_t i = 0; i < kBytes; ++i) in[i] = kAlphabet[(i * 2654435761u >> 13) % 64];
  for (auto _ : state) {
    benchmark::DoNotOptimize(HWY_DYNAMIC_DISPATCH(Decode)(in, out.data()));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kBytes));
}

std::string Lines() {
  std::string text;
  while (text.size() < kBytes) text += std::string(76, 'x') + "\r\n";
  return text;
}

void BM_HighwayReadLines(benchmark::State& state) {
  if (!Target(state)) return;
  const std::string in = Lines();
  for (auto _ : state) {
    LineState line;
    benchmark::DoNotOptimize(HWY_DYNAMIC_DISPATCH(ReadLines)(in, line));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(in.size()));
}

// Ours, the same loop over the same text.
void BM_OwnReadLines(benchmark::State& state) {
  constexpr ReadLinesKernel kOwn[] = {ReadLinesSse42, ReadLinesAvx2, ReadLinesAvx512};
  const ReadLinesKernel kernel = kOwn[state.range(0)];
  const std::string in = Lines();
  for (auto _ : state) {
    LineState line;
    benchmark::DoNotOptimize(kernel(in, line));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(in.size()));
}

const std::vector<int64_t> kTargets = {HWY_SSE4, HWY_AVX2, HWY_AVX3, HWY_AVX3_DL};
BENCHMARK(BM_HighwayEncode)->ArgsProduct({kTargets});
BENCHMARK(BM_HighwayDecode)->ArgsProduct({kTargets});
BENCHMARK(BM_HighwayReadLines)->ArgsProduct({kTargets});
BENCHMARK(BM_OwnReadLines)->DenseRange(0, 2);

}  // namespace
}  // namespace ringmail::codec
#endif
