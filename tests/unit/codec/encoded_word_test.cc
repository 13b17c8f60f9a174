#include "ringmail/codec/encoded_word.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "ringmail/codec/utf8.h"
#include "support/codec/encoded_word_reference.h"
#include "support/codec/kernel_test.h"

namespace ringmail::codec {
namespace {

constexpr EncodedWordEncoding kEncodings[] = {EncodedWordEncoding::kQ, EncodedWordEncoding::kB};
constexpr EncodedWordPlace kPlaces[] = {EncodedWordPlace::kText, EncodedWordPlace::kComment,
                                        EncodedWordPlace::kPhrase};

std::string Decode(EncodedWordEncoding encoding, std::string_view text, unsigned departures) {
  std::string out(text.size() + 3 + 8, '#');
  const DecodedWord word = DecodeWord(encoding, text, out.data());
  EXPECT_EQ(word.departures, departures) << text;
  EXPECT_EQ(out.substr(text.size() + 3), "########");
  return out.substr(0, word.bytes);
}

std::string DecodeAll(std::string_view text) {
  const auto word = ReadEncodedWord(text, EncodedWordRule::kStrict);
  if (!word || word->bytes != text.size()) return "no encoded word";
  return Decode(word->encoding, word->text, 0);
}

TEST(EncodedWordTest, TheExamplesOfRfc2047AreRead) {
  EXPECT_EQ(DecodeAll("=?US-ASCII?Q?Keith_Moore?="), "Keith Moore");
  EXPECT_EQ(DecodeAll("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?="), "Keld J\xF8rn Simonsen");
  EXPECT_EQ(DecodeAll("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?="),
            "If you can read this yo");
  EXPECT_EQ(DecodeAll("=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="),
            "u understand the example.");
  EXPECT_EQ(DecodeAll("=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?="),
            "\xED\xE5\xEC\xF9 \xEF\xE1 \xE9\xEC\xE8\xF4\xF0");
  EXPECT_EQ(DecodeAll("=?ISO-8859-1?Q?a_b?="), "a b");
}

TEST(EncodedWordTest, TheLanguageOfRfc2231IsTold) {
  const auto word = ReadEncodedWord("=?US-ASCII*EN?Q?Keith_Moore?= rest", EncodedWordRule::kStrict);
  ASSERT_TRUE(word);
  EXPECT_EQ(word->charset, "US-ASCII");
  EXPECT_EQ(word->language, "EN");
  EXPECT_EQ(word->text, "Keith_Moore");
  EXPECT_EQ(word->bytes, 29u);
}

TEST(EncodedWordTest, WhatIsNoEncodedWordIsNotTakenForOne) {
  for (const std::string_view text :
       {"", "=", "=?", "=?utf-8", "=?utf-8?Q", "=?utf-8?Q?", "=?utf-8?Q?a", "=?utf-8?Q?a?",
        "=?utf-8?X?a?=",
        "=?"
        "?Q?a?=",
        "=?*en?Q?a?=", "=?utf 8?Q?a?=", "=?utf-8?Q?a b?=", "=?utf-8?Q?a?b?=",
        "=?utf-8?Q?"
        "?=",
        "=?utf-8?QQ?a?=", "?utf-8?Q?a?=", "=?utf-8?Q?caf\xC3\xA9?="}) {
    EXPECT_FALSE(ReadEncodedWord(text, EncodedWordRule::kStrict)) << text;
  }
  const std::string longest = "=?utf-8?Q?" + std::string(63, 'x') + "?=";
  EXPECT_TRUE(ReadEncodedWord(longest, EncodedWordRule::kStrict));
  const std::string longer = "=?utf-8?Q?" + std::string(64, 'x') + "?=";
  EXPECT_FALSE(ReadEncodedWord(longer, EncodedWordRule::kStrict));
  EXPECT_TRUE(ReadEncodedWord(longer, EncodedWordRule::kAnyBlank));
}

TEST(EncodedWordTest, ThoseWhoSendBlanksWithinAreReadWhereThatIsAllowed) {
  const auto word = ReadEncodedWord("=?utf-8?Q?two words, what?=", EncodedWordRule::kAnyBlank);
  ASSERT_TRUE(word);
  EXPECT_EQ(word->text, "two words, what");
  EXPECT_EQ(Decode(word->encoding, word->text, kWordForeign), "two words, what");
}

TEST(EncodedWordTest, EachDepartureIsNamedAndTheRestIsDecoded) {
  EXPECT_EQ(Decode(EncodedWordEncoding::kQ, "=e4", kWordLowerHex), "\xE4");
  EXPECT_EQ(Decode(EncodedWordEncoding::kQ, "a=b=", kWordInvalidEscape), "a=b=");
  EXPECT_EQ(Decode(EncodedWordEncoding::kB, "Zm 9v", kWordForeign), "foo");
  EXPECT_EQ(Decode(EncodedWordEncoding::kB, "Zm8", kWordUnpadded), "fo");
  EXPECT_EQ(Decode(EncodedWordEncoding::kB, "Zh==", kWordOtherDeparture), "f");
}

// Every word by itself: whole characters, no more than 75 octets, its text decodes to its part.
void HoldWords(std::string_view text, const EncodedWordOptions& options, size_t room) {
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string out(kEncodedWordBytesMax + 8, '#');
    const EncodeStep step = EncodeWord(rest, options, room, out.data());
    ASSERT_GT(step.consumed, 0u);
    ASSERT_LE(step.written, std::min(room, kEncodedWordBytesMax));
    ASSERT_EQ(out.substr(kEncodedWordBytesMax), "########");
    out.resize(step.written);
    const auto word = ReadEncodedWord(out, EncodedWordRule::kStrict);
    ASSERT_TRUE(word) << out;
    ASSERT_EQ(word->bytes, out.size());
    ASSERT_EQ(word->charset, options.charset);
    ASSERT_EQ(word->encoding, options.encoding);
    ASSERT_EQ(Decode(word->encoding, word->text, 0), rest.substr(0, step.consumed));
    for (const char octet : word->text) {
      if (options.encoding == EncodedWordEncoding::kQ) {
        ASSERT_TRUE(ReferenceQMayStand(octet, options.place) || octet == '=' || octet == '_')
            << out;
      }
    }
    if (Utf8Valid(text)) {
      ASSERT_TRUE(Utf8Valid(rest.substr(0, step.consumed)));
      // As many as fit: one more character would not have.
      const std::string_view left = rest.substr(step.consumed);
      if (!left.empty() && options.encoding == EncodedWordEncoding::kB) {
        const size_t more = step.consumed + Utf8CharacterBytes(left);
        ASSERT_GT((more + 2) / 3 * 4 + options.charset.size() + 7,
                  std::min(room, kEncodedWordBytesMax));
      }
    }
    rest.remove_prefix(step.consumed);
  }
}

TEST(EncodedWordTest, EachWordIsWithinTheLimitWithWholeCharactersAndDecodesToItsPart) {
  for (uint64_t seed = 0; seed < 600; ++seed) {
    std::mt19937_64 random(seed);
    std::string text;
    while (text.size() < seed % 200) {
      constexpr std::string_view kPieces[] = {"a", " ", "ü", "世", "🎉", "?", "=", "_", "(", "\t"};
      text += kPieces[random() % std::size(kPieces)];
    }
    for (const EncodedWordEncoding encoding : kEncodings) {
      for (const EncodedWordPlace place : kPlaces) {
        ASSERT_NO_FATAL_FAILURE(HoldWords(text, {"UTF-8", encoding, place}, 24 + random() % 60));
        const std::string octets = RandomText(random, random() % 100, "xyz ", 2);
        ASSERT_NO_FATAL_FAILURE(HoldWords(octets, {"utf-8", encoding, place}, 75));
        ASSERT_NO_FATAL_FAILURE(HoldWords(octets, {"windows-1252", encoding, place}, 75));
      }
    }
  }
}

// For the kernels of base64 and UTF-8 below.
using EncodedWordKernelTest = KernelTest;
INSTANTIATE_TEST_SUITE_P(Kernels, EncodedWordKernelTest, ::testing::ValuesIn(kKernels),
                         KernelTestName);

void SameWord(std::string_view text, EncodedWordRule rule) {
  const auto got = ReadEncodedWord(text, rule), want = ReferenceReadEncodedWord(text, rule);
  ASSERT_EQ(got.has_value(), want.has_value()) << text;
  if (!want) return;
  ASSERT_EQ(got->charset, want->charset) << text;
  ASSERT_EQ(got->language, want->language) << text;
  ASSERT_EQ(got->encoding, want->encoding) << text;
  ASSERT_EQ(got->text, want->text) << text;
  ASSERT_EQ(got->bytes, want->bytes) << text;
}

TEST_P(EncodedWordKernelTest, TextOfEverySizeGivesWhatTheReferenceGives) {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    std::mt19937_64 random(seed);
    const size_t bytes = seed < 513 ? seed : random() % 200;
    const std::string text =
        RandomText(random, bytes, "aF09==_Zz+/?\xC3\xA4", seed % 2 == 0 ? 9 : 0);
    for (const EncodedWordEncoding encoding : kEncodings) {
      const ReferenceWord word = ReferenceDecodeWord(encoding, text);
      ASSERT_EQ(Decode(encoding, text, word.departures), word.octets) << seed;
      for (const EncodedWordPlace place : kPlaces) {
        const EncodedWordOptions options = {seed % 3 == 0 ? "x-any" : "UTF-8", encoding, place};
        const size_t room = random() % 90;
        size_t consumed = 0;
        const std::string want = ReferenceEncodeWord(text, options, room, consumed);
        char out[kEncodedWordBytesMax];
        const EncodeStep step = EncodeWord(text, options, room, out);
        ASSERT_EQ(step.consumed, consumed) << seed;
        ASSERT_EQ(std::string(out, step.written), want) << seed;
      }
    }
  }
}

TEST_P(EncodedWordKernelTest, AnyTextIsReadAsTheGrammarReadsIt) {
  constexpr std::string_view kPieces[] = {"=?", "?",  "?=", "utf-8", "*de",  "Q",   "b", "a",
                                          " ",  "\t", "=",  "(",     "\xE4", "=41", "."};
  for (uint64_t seed = 0; seed < 20000; ++seed) {
    std::mt19937_64 random(seed);
    std::string text = random() % 8 == 0 ? "" : random() % 4 == 0 ? "=?" : "=?utf-8?q?";
    for (size_t count = random() % 12; count != 0; --count) {
      text += kPieces[random() % std::size(kPieces)];
    }
    if (random() % 4 != 0) text += "?=";
    SameWord(text, EncodedWordRule::kStrict);
    SameWord(text, EncodedWordRule::kAnyBlank);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(EncodedWordTest, NothingIsConsumedWhereNotOneCharacterFits) {
  char out[kEncodedWordBytesMax];
  for (size_t room = 0; room < 24; ++room) {
    const EncodeStep step =
        EncodeWord("🎉", {"UTF-8", EncodedWordEncoding::kQ, EncodedWordPlace::kText}, room, out);
    EXPECT_EQ(step.consumed, 0u) << room;
  }
  EXPECT_EQ(EncodeWord("🎉", {"UTF-8", EncodedWordEncoding::kQ, EncodedWordPlace::kText}, 24, out)
                .consumed,
            4u);
}

TEST(EncodedWordTest, TheShorterEncodingIsThatWithFewerOctets) {
  EXPECT_EQ(ShorterEncoding("Grüße", EncodedWordPlace::kText), EncodedWordEncoding::kB);
  EXPECT_EQ(ShorterEncoding("Einen Gruß aus der Stadt", EncodedWordPlace::kText),
            EncodedWordEncoding::kQ);
  EXPECT_EQ(ShorterEncoding("世界", EncodedWordPlace::kText), EncodedWordEncoding::kB);
}

}  // namespace
}  // namespace ringmail::codec
