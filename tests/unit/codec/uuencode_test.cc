#include "ringmail/codec/uuencode.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "support/codec/kernel_test.h"
#include "support/codec/uuencode_reference.h"

namespace ringmail::codec {
namespace {

using UuencodeTest = KernelTest;
INSTANTIATE_TEST_SUITE_P(Kernels, UuencodeTest, ::testing::ValuesIn(kKernels), KernelTestName);

constexpr UuForm kForms[] = {UuForm::kHistorical, UuForm::kBase64};

std::string Encode(std::string_view in, UuForm form, uint16_t mode, std::string_view file_name,
                   const std::vector<size_t>& cuts) {
  UuEncoder encoder(form, mode, file_name);
  std::string all;
  size_t at = 0;
  const auto piece = [&](size_t end) {
    const size_t room = UuEncodedBytesMax(end - at);
    std::string out(room + 64, '#');
    const size_t written = encoder.Feed(in.substr(at, end - at), out.data());
    EXPECT_LE(written, room);
    EXPECT_EQ(out.substr(room), std::string(64, '#'));
    all += out.substr(0, written);
    at = end;
  };
  for (const size_t cut : cuts) piece(cut);
  piece(in.size());
  std::string out(UuEncodedBytesMax(0), '#');
  return all + out.substr(0, encoder.Finish(out.data()));
}

ReferenceUu Decode(std::string_view in, const std::vector<size_t>& cuts) {
  UuDecoder decoder;
  ReferenceUu result;
  size_t at = 0;
  const auto piece = [&](size_t end) {
    while (at < end) {
      std::string out(kUuLineBytesMax + 64, '#');
      const UuDecoder::Step step =
          decoder.Feed(in.substr(at, end - at), {out.data(), kUuLineBytesMax});
      EXPECT_GT(step.consumed, 0u);
      EXPECT_EQ(out.substr(kUuLineBytesMax), std::string(64, '#'));
      result.octets += out.substr(0, step.written);
      at += step.consumed;
    }
  };
  for (const size_t cut : cuts) piece(cut);
  piece(in.size());
  std::string out(kUuLineBytesMax, '#');
  result.octets += out.substr(0, decoder.Finish({out.data(), out.size()}));
  result.file_name = decoder.file_name();
  result.mode = decoder.mode();
  result.departures = decoder.departures();
  result.begun = decoder.begun();
  result.ended = decoder.ended();
  return result;
}

testing::AssertionResult Same(const ReferenceUu& got, const ReferenceUu& want) {
  if (got.octets == want.octets && got.file_name == want.file_name && got.mode == want.mode &&
      got.departures == want.departures && got.begun == want.begun && got.ended == want.ended) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure()
         << got.octets.size() << " octets, '" << got.file_name << "' " << got.mode
         << ", departures " << got.departures << "; not " << want.octets.size() << ", '"
         << want.file_name << "' " << want.mode << ", " << want.departures;
}

TEST_P(UuencodeTest, EverySizeGivesWhatTheReferenceGivesAndDecodesToItself) {
  std::mt19937_64 random(1);
  for (size_t bytes = 0; bytes <= 512; ++bytes) {
    const std::string octets = RandomText(random, bytes, std::string_view("\0", 1), 2);
    for (const UuForm form : kForms) {
      const std::string want = ReferenceUuEncode(octets, form, "644", "a file.bin");
      for (size_t alignment = 0; alignment < 64; ++alignment) {
        const std::string moved = std::string(alignment, 'r') + octets;
        ASSERT_EQ(Encode(std::string_view(moved).substr(alignment), form, 0644, "a file.bin", {}),
                  want)
            << bytes;
      }
      ASSERT_TRUE(Same(Decode(want, {}), {octets, "a file.bin", 0644, 0, true, true})) << bytes;
    }
  }
}

TEST_P(UuencodeTest, EveryCutGivesWhatTheWholeGives) {
  std::mt19937_64 random(2);
  for (const UuForm form : kForms) {
    for (const size_t bytes : {0u, 1u, 44u, 45u, 46u, 200u, 400u}) {
      const std::string octets = RandomText(random, bytes, "x", 1);
      const std::string text = ReferenceUuEncode(octets, form, "4755", "name");
      std::vector<size_t> every;
      for (size_t cut = 0; cut <= bytes; ++cut) {
        every.push_back(cut);
        ASSERT_EQ(Encode(octets, form, 04755, "name", {cut}), text) << bytes << " cut " << cut;
      }
      ASSERT_EQ(Encode(octets, form, 04755, "name", every), text);
      every.clear();
      for (size_t cut = 0; cut <= text.size(); ++cut) {
        every.push_back(cut);
        ASSERT_TRUE(Same(Decode(text, {cut}), {octets, "name", 04755, 0, true, true})) << cut;
      }
      ASSERT_TRUE(Same(Decode(text, every), {octets, "name", 04755, 0, true, true}));
    }
  }
}

TEST_P(UuencodeTest, DamagedTextInRandomPiecesGivesWhatTheReferenceGives) {
  const std::string wide(600, 'M');
  const std::string_view pieces[] = {"\n", "\r\n",   "end\n", "begin 644 other\n",
                                     "M",  " ",      "\x7F",  "`\n",
                                     "x",  "====\n", wide,    "begin 64 x\n"};
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    std::mt19937_64 random(seed);
    std::string text = ReferenceUuEncode(RandomText(random, random() % 400, "\n ", 2),
                                         kForms[seed % 2], "600", "damaged");
    for (size_t damage = random() % 5; damage != 0; --damage) {
      text.replace(random() % (text.size() + 1), random() % 4,
                   pieces[random() % std::size(pieces)]);
    }
    std::vector<size_t> cuts;
    for (size_t at = random() % 200; at < text.size(); at += random() % 200) cuts.push_back(at);
    ASSERT_TRUE(Same(Decode(text, cuts), ReferenceUuDecode(text))) << seed << "\n" << text;
  }
}

TEST_P(UuencodeTest, AFileWithinOtherTextIsFoundWithBothSignsForZero) {
  const std::string_view text =
      "Dear all,\nbegin with this\nbegin 644 cat.txt\n#0V%T\n#   `\n`\nend\nRegards\n";
  const ReferenceUu got = Decode(text, {});
  EXPECT_EQ(got.octets, std::string("Cat\0\0\0", 6));
  EXPECT_EQ(got.file_name, "cat.txt");
  EXPECT_EQ(got.mode, 0644u);
  EXPECT_EQ(got.departures, 0u);
}

TEST_P(UuencodeTest, EachDepartureIsNamedAndTheRestIsDecoded) {
  const auto expect = [](std::string_view text, std::string_view octets, unsigned departures) {
    const ReferenceUu got = Decode(text, {});
    EXPECT_EQ(got.octets, octets) << text;
    EXPECT_EQ(got.departures, departures) << text;
  };
  expect("nothing\n", "", kUuNoBegin);
  expect("begin 644 a\n#0V%T\n", "Cat", kUuNoEnd);
  expect("begin 644 a\n#0V%T", "Cat", kUuNoEnd);
  expect("begin 644 a\n$0V%T\nend\n", std::string("Cat\0", 4), kUuShortLine);
  expect("begin 644 a\n#0V%Tx\nend\n", "Cat", kUuLongLine);
  expect("begin 644 a\n#0V~T\n#0V%T\nend\n", "Cat", kUuForeign);
  expect("begin 644 " + std::string(256, 'n') + "\n#0V%T\nend\n", "Cat", kUuNameCut);
  expect("begin-base64 644 a\nQ2F 0\n====\n", "Cat", kUuBase64);
  EXPECT_EQ(Decode("begin 644 " + std::string(256, 'n') + "\n", {}).file_name,
            std::string(255, 'n'));
}

}  // namespace
}  // namespace ringmail::codec
