#include "ringmail/codec/quoted_printable.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "support/codec/kernel_test.h"
#include "support/codec/quoted_printable_reference.h"

namespace ringmail::codec {
namespace {

using QuotedPrintableTest = KernelTest;
INSTANTIATE_TEST_SUITE_P(Kernels, QuotedPrintableTest, ::testing::ValuesIn(kKernels),
                         KernelTestName);

constexpr QuotedPrintableInput kInputs[] = {QuotedPrintableInput::kText,
                                            QuotedPrintableInput::kBinary};

// Runs one step with exactly the room that the contract asks for, and a fence behind it.
template <class StepFunction>
void Append(size_t room, StepFunction step, std::string& all) {
  std::string out(room + 64, '#');
  const size_t written = step(out.data());
  EXPECT_LE(written, room);
  EXPECT_EQ(out.substr(room), std::string(64, '#'));
  all += out.substr(0, written);
}

std::string Encode(std::string_view in, QuotedPrintableInput input,
                   const std::vector<size_t>& cuts) {
  QuotedPrintableEncoder encoder(input);
  std::string all;
  size_t at = 0;
  const auto piece = [&](size_t end) {
    const std::string_view part = in.substr(at, end - at);
    Append(
        QuotedPrintableEncodedBytesMax(part.size()),
        [&](char* out) { return encoder.Feed(part, out); }, all);
    at = end;
  };
  for (const size_t cut : cuts) piece(cut);
  piece(in.size());
  Append(
      QuotedPrintableEncodedBytesMax(0), [&](char* out) { return encoder.Finish(out); }, all);
  return all;
}

ReferenceQuotedPrintable Decode(std::string_view in, const std::vector<size_t>& cuts) {
  QuotedPrintableDecoder decoder;
  ReferenceQuotedPrintable result;
  size_t at = 0;
  const auto piece = [&](size_t end) {
    const std::string_view part = in.substr(at, end - at);
    Append(
        QuotedPrintableDecodedBytesMax(part.size()),
        [&](char* out) { return decoder.Feed(part, out); }, result.octets);
    at = end;
  };
  for (const size_t cut : cuts) piece(cut);
  piece(in.size());
  Append(
      QuotedPrintableDecodedBytesMax(0), [&](char* out) { return decoder.Finish(out); },
      result.octets);
  result.departures = decoder.departures();
  return result;
}

testing::AssertionResult Same(const ReferenceQuotedPrintable& got,
                              const ReferenceQuotedPrintable& want) {
  if (got.octets != want.octets) {
    return testing::AssertionFailure() << testing::PrintToString(got.octets) << "\nnot\n"
                                       << testing::PrintToString(want.octets);
  }
  if (got.departures != want.departures) {
    return testing::AssertionFailure()
           << "departures " << got.departures << ", not " << want.departures;
  }
  return testing::AssertionSuccess();
}

// Text of many kinds: mostly plain, with escapes, with line ends, with octets over 127.
std::string SomeText(std::mt19937_64& random, size_t bytes) {
  constexpr std::string_view kPieces[] = {"\r\n", " \r\n",  "=",   "=3D",  "=\r\n", "\t",
                                          "\n",   "\r",     "=e4", "é",    "=4",    " ",
                                          "  ",   "= \r\n", "==",  "\x7F", "日本"};
  std::string text;
  const unsigned plain = 1 + static_cast<unsigned>(random() % 80);
  while (text.size() < bytes) {
    text.append(random() % plain, static_cast<char>('a' + random() % 26));
    if (random() % 4 != 0) {
      text += kPieces[random() % 2 == 0 ? random() % 5 : random() % std::size(kPieces)];
    }
  }
  text.resize(bytes);
  return text;
}

TEST_P(QuotedPrintableTest, EverySizeAndEveryAlignmentGivesWhatTheReferenceGives) {
  std::mt19937_64 random(1);
  for (size_t bytes = 0; bytes <= 512; ++bytes) {
    const std::string text = SomeText(random, bytes);
    const ReferenceQuotedPrintable decoded = ReferenceQuotedPrintableDecode(text);
    const std::string encoded[] = {
        ReferenceQuotedPrintableEncode(text, QuotedPrintableInput::kText),
        ReferenceQuotedPrintableEncode(text, QuotedPrintableInput::kBinary)};
    for (size_t alignment = 0; alignment < 64; ++alignment) {
      const std::string moved = std::string(alignment, '=') + text;
      const std::string_view view = std::string_view(moved).substr(alignment);
      ASSERT_TRUE(Same(Decode(view, {}), decoded)) << bytes << " at " << alignment;
      for (const QuotedPrintableInput input : kInputs) {
        ASSERT_EQ(Encode(view, input, {}), encoded[static_cast<size_t>(input)])
            << bytes << " at " << alignment;
      }
    }
  }
}

TEST_P(QuotedPrintableTest, EveryCutGivesWhatTheWholeGives) {
  std::mt19937_64 random(2);
  for (size_t bytes = 0; bytes <= 512; bytes += bytes < 140 ? 3 : 31) {
    const std::string text = SomeText(random, bytes);
    const ReferenceQuotedPrintable decoded = ReferenceQuotedPrintableDecode(text);
    for (const QuotedPrintableInput input : kInputs) {
      const std::string encoded = ReferenceQuotedPrintableEncode(text, input);
      std::vector<size_t> every;
      for (size_t cut = 0; cut <= bytes; ++cut) {
        every.push_back(cut);
        ASSERT_EQ(Encode(text, input, {cut}), encoded) << bytes << " cut " << cut;
        ASSERT_TRUE(Same(Decode(text, {cut}), decoded)) << bytes << " cut " << cut;
      }
      ASSERT_EQ(Encode(text, input, every), encoded) << bytes;
      ASSERT_TRUE(Same(Decode(text, every), decoded)) << bytes;
    }
  }
}

TEST_P(QuotedPrintableTest, RandomTextInRandomPiecesGivesWhatTheReferenceGives) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    std::mt19937_64 random(seed);
    const std::string text = random() % 4 == 0
                                 ? RandomText(random, random() % 2000, "abc d=\r\n\t3D", 20)
                                 : SomeText(random, random() % 4000);
    std::vector<size_t> cuts;
    for (size_t at = random() % 600; at < text.size(); at += random() % 600) cuts.push_back(at);
    ASSERT_TRUE(Same(Decode(text, cuts), ReferenceQuotedPrintableDecode(text))) << seed;
    for (const QuotedPrintableInput input : kInputs) {
      const std::string encoded = Encode(text, input, cuts);
      ASSERT_EQ(encoded, ReferenceQuotedPrintableEncode(text, input)) << seed;
      ASSERT_TRUE(Same(Decode(encoded, cuts), {text, 0})) << seed;
    }
  }
}

TEST_P(QuotedPrintableTest, NoLineThatIsWrittenIsLongerThan76Octets) {
  std::mt19937_64 random(4);
  for (size_t count = 0; count < 300; ++count) {
    const std::string text = SomeText(random, random() % 3000);
    for (const QuotedPrintableInput input : kInputs) {
      const std::string encoded = Encode(text, input, {});
      size_t begin = 0;
      while (begin < encoded.size()) {
        const size_t end = std::min(encoded.find("\r\n", begin), encoded.size());
        ASSERT_LE(end - begin, 76u);
        begin = end + 2;
      }
    }
  }
}

TEST_P(QuotedPrintableTest, ALineOf76OctetsIsWrittenAsItIsAndOneOf77IsBroken) {
  const std::string fits = std::string(76, 'x') + "\r\n", wide = std::string(77, 'x') + "\r\n";
  for (size_t lines = 1; lines < 6; ++lines) {
    std::string text, broken;
    for (size_t i = 0; i < lines; ++i) {
      text += fits;
      broken += std::string(75, 'x') + "=\r\nxx\r\n";
    }
    EXPECT_EQ(Encode(text, QuotedPrintableInput::kText, {}), text);
    std::string wide_text;
    for (size_t i = 0; i < lines; ++i) wide_text += wide;
    EXPECT_EQ(Encode(wide_text, QuotedPrintableInput::kText, {}), broken);
  }
}

TEST_P(QuotedPrintableTest, ARunOfBlanksThatMayEndALineWaitsForWhatFollows) {
  for (const size_t blanks : {1u, 63u, 64u, 65u, 200u, 999u, 1000u, 1001u, 3000u}) {
    for (const std::string_view after : {"\r\n", "x\r\n", "", "=20\r\n", "\n", "=\r\n"}) {
      for (const std::string_view before : {"", "a", "=", "=4"}) {
        const std::string text =
            std::string(before) + std::string(blanks, ' ') + std::string(after) + "next";
        const ReferenceQuotedPrintable want = ReferenceQuotedPrintableDecode(text);
        ASSERT_TRUE(Same(Decode(text, {}), want)) << blanks;
        ASSERT_TRUE(Same(Decode(text, {blanks / 2, blanks}), want)) << blanks;
      }
    }
  }
}

TEST_P(QuotedPrintableTest, EachDepartureIsNamedAndTheRestIsDecoded) {
  const auto expect = [](std::string_view text, std::string_view octets, unsigned departures) {
    EXPECT_TRUE(Same(Decode(text, {}), {std::string(octets), departures})) << text;
    const std::string padding(200, 'p');
    const std::string padded = padding + "\r\n" + std::string(text);
    EXPECT_TRUE(Same(Decode(padded, {}), {padding + "\r\n" + std::string(octets), departures}))
        << text;
  };
  expect("a=3Db=\r\nc\r\n", "a=bc\r\n", 0);
  expect("=3d", "=", kQuotedPrintableLowerHex);
  expect("a\nb=\nc", "a\nbc", kQuotedPrintableBareLineEnd);
  expect("a\rb=\rc", "a\rbc", kQuotedPrintableBareLineEnd);
  expect("100 = x", "100 = x", kQuotedPrintableInvalidEscape);
  expect("=4", "=4", kQuotedPrintableInvalidEscape);
  expect("=4g==41", "=4g=A", kQuotedPrintableInvalidEscape);
  expect("a \t\r\nb= \r\nc ", "a\r\nbc", kQuotedPrintableTrailingBlanks);
  expect("caf\xC3\xA9\x01", "caf\xC3\xA9\x01", kQuotedPrintableRawOctet);
  expect("a=", "a", kQuotedPrintableTruncated);
  expect("a= ", "a", kQuotedPrintableTruncated | kQuotedPrintableTrailingBlanks);
}

TEST_P(QuotedPrintableTest, TheExampleOfRfc2045IsDecoded) {
  EXPECT_TRUE(Same(Decode("Now's the time =\r\nfor all folk to come=\r\n to the aid of their "
                          "country.",
                          {}),
                   {"Now's the time for all folk to come to the aid of their country.", 0}));
}

}  // namespace
}  // namespace ringmail::codec
