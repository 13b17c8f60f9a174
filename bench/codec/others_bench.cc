// What a user would pick instead: OpenSSL's EVP, glib and GMime's filters, over the octets of
// base64_bench and quoted_printable_bench in the same run. Built where they are installed.
#include <benchmark/benchmark.h>
#include <gmime/gmime-encodings.h>
#include <openssl/evp.h>

#include <string>
#include <vector>

#include "ringmail/codec/base64.h"
#include "ringmail/codec/quoted_printable.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::codec {
namespace {

constexpr size_t kBytes = 64 << 10;

std::string Octets(size_t bytes) {
  std::string octets(bytes, '\0');
  uint32_t next = 1;
  for (char& octet : octets) {
    next = next * 1664525 + 1013904223;
    octet = static_cast<char>(next >> 24);
  }
  return octets;
}

// Words, with an octet in fifty that needs an escape, in lines of 72.
std::string Text(size_t bytes) {
  std::string text;
  uint32_t next = 1;
  while (text.size() < bytes) {
    next = next * 1664525 + 1013904223;
    const uint32_t draw = next >> 8;
    text += draw % 50 == 0 ? '\xE4' : static_cast<char>('a' + draw / 50 % 26);
    if (text.size() % 74 == 72) text += "\r\n";
  }
  return text;
}

std::string Lines(std::string_view octets) {
  std::string text(Base64EncodedBytesMax(octets.size(), Base64Form::kMime), '\0');
  Base64Encoder encoder(Base64Form::kMime);
  size_t written = encoder.Feed(octets, text.data());
  written += encoder.Finish(text.data() + written);
  text.resize(written);
  return text;
}

void Rate(benchmark::State& state, size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

const unsigned char* In(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

void BM_OpensslEncodeFlat(benchmark::State& state) {
  const std::string in = Octets(kBytes);
  std::vector<unsigned char> out(2 * kBytes);
  for (auto _ : state) {
    benchmark::DoNotOptimize(EVP_EncodeBlock(out.data(), In(in), static_cast<int>(in.size())));
  }
  Rate(state, in.size());
}

void BM_OpensslDecodeLines(benchmark::State& state) {
  const std::string in = Lines(Octets(kBytes / 4 * 3));
  std::vector<unsigned char> out(2 * kBytes);
  EVP_ENCODE_CTX* context = EVP_ENCODE_CTX_new();
  for (auto _ : state) {
    int written = 0;
    EVP_DecodeInit(context);
    EVP_DecodeUpdate(context, out.data(), &written, In(in), static_cast<int>(in.size()));
    benchmark::DoNotOptimize(written);
  }
  EVP_ENCODE_CTX_free(context);
  Rate(state, in.size());
}

void BM_GlibEncodeLines(benchmark::State& state) {
  const std::string in = Octets(kBytes);
  std::vector<char> out(2 * kBytes);
  for (auto _ : state) {
    int held = 0, save = 0;
    benchmark::DoNotOptimize(
        g_base64_encode_step(In(in), in.size(), TRUE, out.data(), &held, &save));
  }
  Rate(state, in.size());
}

void BM_GlibDecodeLines(benchmark::State& state) {
  const std::string in = Lines(Octets(kBytes / 4 * 3));
  std::vector<unsigned char> out(kBytes);
  for (auto _ : state) {
    int held = 0;
    unsigned save = 0;
    benchmark::DoNotOptimize(g_base64_decode_step(in.data(), in.size(), out.data(), &held, &save));
  }
  Rate(state, in.size());
}

void BM_GlibUtf8(benchmark::State& state) {
  std::string in;
  while (in.size() < kBytes) in += "Grüße aus München, привет из Москвы, 世界 🎉 and ASCII. ";
  for (auto _ : state) {
    benchmark::DoNotOptimize(g_utf8_validate(in.data(), static_cast<gssize>(in.size()), nullptr));
  }
  Rate(state, in.size());
}

void Gmime(benchmark::State& state, const std::string& in, GMimeContentEncoding encoding,
           bool encode) {
  std::vector<char> out(4 * in.size() + 4096);
  for (auto _ : state) {
    GMimeEncoding step;
    if (encode) {
      g_mime_encoding_init_encode(&step, encoding);
    } else {
      g_mime_encoding_init_decode(&step, encoding);
    }
    benchmark::DoNotOptimize(g_mime_encoding_step(&step, in.data(), in.size(), out.data()));
  }
  Rate(state, in.size());
}

void BM_GmimeBase64EncodeLines(benchmark::State& state) {
  Gmime(state, Octets(kBytes), GMIME_CONTENT_ENCODING_BASE64, true);
}
void BM_GmimeBase64DecodeLines(benchmark::State& state) {
  Gmime(state, Lines(Octets(kBytes / 4 * 3)), GMIME_CONTENT_ENCODING_BASE64, false);
}
void BM_GmimeQuotedPrintableEncode(benchmark::State& state) {
  Gmime(state, Text(kBytes), GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE, true);
}
void BM_GmimeQuotedPrintableDecode(benchmark::State& state) {
  const std::string in = Text(kBytes);
  std::string text(QuotedPrintableEncodedBytesMax(in.size()), '\0');
  QuotedPrintableEncoder encoder(QuotedPrintableInput::kText);
  size_t written = encoder.Feed(in, text.data());
  written += encoder.Finish(text.data() + written);
  text.resize(written);
  Gmime(state, text, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE, false);
}

BENCHMARK(BM_OpensslEncodeFlat);
BENCHMARK(BM_OpensslDecodeLines);
BENCHMARK(BM_GlibEncodeLines);
BENCHMARK(BM_GlibDecodeLines);
BENCHMARK(BM_GlibUtf8);
BENCHMARK(BM_GmimeBase64EncodeLines);
BENCHMARK(BM_GmimeBase64DecodeLines);
BENCHMARK(BM_GmimeQuotedPrintableEncode);
BENCHMARK(BM_GmimeQuotedPrintableDecode);

}  // namespace
}  // namespace ringmail::codec
