#include "ringmail/codec/utf7.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "support/codec/utf7_reference.h"

namespace ringmail::codec {
namespace {

struct Out {
  Utf7Verdict verdict;
  std::string text;
  size_t at;
};

template <class Function>
Out Run(std::string_view in, size_t room, Function function) {
  std::string out(room + 16, '#');
  const Utf7Result result = function(in, out.data());
  EXPECT_EQ(out.substr(room), std::string(16, '#'));
  return {result.verdict, out.substr(0, result.bytes), result.at};
}
Out Decode(std::string_view name) {
  return Run(name, Utf7DecodedBytesMax(name.size()), Utf7Decode);
}
Out Encode(std::string_view utf8) {
  return Run(utf8, Utf7EncodedBytesMax(utf8.size()), Utf7Encode);
}

TEST(Utf7Test, TheExamplesOfRfc3501AreReadAndWritten) {
  constexpr std::string_view kNames[][2] = {
      {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"},
      {"&Jjo-!", "☺!"},
      {"&U,BTF2XlZyyKng-", "台北日本語"},
      {"INBOX", "INBOX"},
      {"AT&-T", "AT&T"},
      {"&AOk-&-&AOk-", "é&é"},
      {"&2Dzf,g-", "🏾"},
      {"", ""},
  };
  for (const auto& [name, utf8] : kNames) {
    const Out decoded = Decode(name), encoded = Encode(utf8);
    EXPECT_EQ(decoded.verdict, Utf7Verdict::kOk) << name;
    EXPECT_EQ(decoded.text, utf8);
    EXPECT_EQ(encoded.verdict, Utf7Verdict::kOk) << utf8;
    EXPECT_EQ(encoded.text, name);
  }
}

TEST(Utf7Test, EachVerdictNamesWhatIsWrongAndWhere) {
  const auto expect = [](std::string_view name, Utf7Verdict verdict, size_t at) {
    const Out out = Decode(name);
    EXPECT_EQ(out.verdict, verdict) << name;
    EXPECT_EQ(out.at, at) << name;
  };
  expect("a\xC3\xA9", Utf7Verdict::kRawOctet, 1);
  expect(std::string_view("a\0", 2), Utf7Verdict::kRawOctet, 1);
  expect("a\x7F", Utf7Verdict::kRawOctet, 1);
  expect("ab&AOk", Utf7Verdict::kUnterminated, 2);
  expect("ab&", Utf7Verdict::kUnterminated, 2);
  expect("&A/k-", Utf7Verdict::kForeign, 2);  // '/' is a delimiter of hierarchy
  expect("&AOk=-", Utf7Verdict::kForeign, 4);
  expect("&AOl-", Utf7Verdict::kBits, 4);   // left-over bits
  expect("&AOkA-", Utf7Verdict::kBits, 5);  // a sextet too many
  expect("&AO-", Utf7Verdict::kBits, 3);    // no whole unit
  expect("&2Dw-", Utf7Verdict::kSurrogate, 4);
  expect("&3,4-", Utf7Verdict::kSurrogate, 3);
  expect("&2DwAQQ-", Utf7Verdict::kSurrogate, 6);
  expect("&AEE-", Utf7Verdict::kPrintable, 3);
  expect("&ACY-", Utf7Verdict::kPrintable, 3);
  expect("&U,BTFw-&ZeVnLIqe-", Utf7Verdict::kSplit, 8);
  const Out out = Encode("a\xC3");
  EXPECT_EQ(out.verdict, Utf7Verdict::kNotUtf8);
  EXPECT_EQ(out.at, 1u);
}

TEST(Utf7Test, EveryNameIsTakenWhereItIsTheOneFormOfWhatItSays) {
  constexpr std::string_view kLetters = "&&--AOkU,BTFwZ/2Dzf~ Q4";
  size_t taken = 0;
  for (uint64_t seed = 0; seed < 200000; ++seed) {
    std::mt19937_64 random(seed);
    std::string name;
    for (size_t left = random() % 12; left != 0; --left)
      name += kLetters[random() % kLetters.size()];
    const std::optional<std::string> want = ReferenceUtf7Decode(name);
    const Out got = Decode(name);
    const bool printable = got.verdict != Utf7Verdict::kRawOctet;
    ASSERT_TRUE(printable);
    ASSERT_EQ(got.verdict == Utf7Verdict::kOk, want.has_value()) << name;
    if (!want) continue;
    ++taken;
    ASSERT_EQ(got.text, *want) << name;
    ASSERT_EQ(Encode(*want).text, name);
  }
  EXPECT_GT(taken, 10000u);
}

TEST(Utf7Test, EveryCodePointIsWrittenAndReadBack) {
  for (uint32_t point = 1; point < 0x110000; point += point < 0x3000 ? 1 : 61) {
    if (point >= 0xD800 && point < 0xE000) continue;
    const std::string utf8 = "x" + ReferenceUtf8(point) + ReferenceUtf8(point) + "y";
    const Out name = Encode(utf8);
    ASSERT_EQ(name.text, ReferenceUtf7Encode({'x', point, point, 'y'}));
    const Out back = Decode(name.text);
    ASSERT_EQ(back.verdict, Utf7Verdict::kOk) << point;
    ASSERT_EQ(back.text, utf8);
  }
}

}  // namespace
}  // namespace ringmail::codec
