#include "ringmail/codec/base64.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "support/codec/base64_reference.h"
#include "support/codec/kernel_test.h"

namespace ringmail::codec {
namespace {

constexpr Base64Form kForms[] = {Base64Form::kFlat, Base64Form::kMime, Base64Form::kUrl};

using Base64Test = KernelTest;
INSTANTIATE_TEST_SUITE_P(Kernels, Base64Test, ::testing::ValuesIn(kKernels), KernelTestName);

std::string RandomOctets(std::mt19937_64& random, size_t bytes) {
  std::string octets(bytes, '\0');
  for (char& octet : octets) octet = static_cast<char>(random());
  return octets;
}

// Each piece has room of its own, exactly as large as the contract asks, with a fence behind it.
std::string Encode(std::string_view in, Base64Form form, const std::vector<size_t>& cuts) {
  Base64Encoder encoder(form);
  std::string all;
  size_t at = 0;
  const auto piece = [&](size_t end) {
    const size_t room = Base64EncodedBytesMax(end - at, form);
    std::string out(room + 64, '#');
    const size_t written = encoder.Feed(in.substr(at, end - at), out.data());
    EXPECT_LE(written, room);
    EXPECT_EQ(out.substr(room), std::string(64, '#'));
    all += out.substr(0, written);
    at = end;
  };
  for (const size_t cut : cuts) piece(cut);
  piece(in.size());
  std::string out(Base64EncodedBytesMax(0, form), '#');
  all += out.substr(0, encoder.Finish(out.data()));
  return all;
}

ReferenceBase64 Decode(std::string_view in, Base64Form form, const std::vector<size_t>& cuts) {
  Base64Decoder decoder(form);
  ReferenceBase64 result;
  size_t at = 0;
  const auto piece = [&](size_t end) {
    const size_t room = Base64DecodedBytesMax(end - at);
    std::string out(room + 64, '#');
    const size_t written = decoder.Feed(in.substr(at, end - at), out.data());
    EXPECT_LE(written, room);
    EXPECT_EQ(out.substr(room), std::string(64, '#'));
    result.octets += out.substr(0, written);
    at = end;
  };
  for (const size_t cut : cuts) piece(cut);
  piece(in.size());
  decoder.Finish();
  result.departures = decoder.departures();
  return result;
}

ReferenceBase64 DecodeInPlace(std::string_view in, Base64Form form, size_t alignment) {
  Base64Decoder decoder(form);
  const std::string before(alignment, 'r'), behind(64, '#');
  std::string text = before + std::string(in) + behind;
  const size_t written =
      decoder.Feed(std::string_view(text).substr(alignment, in.size()), text.data() + alignment);
  EXPECT_EQ(text.substr(0, alignment), before);
  EXPECT_EQ(text.substr(alignment + in.size()), behind);
  decoder.Finish();
  return {text.substr(alignment, written), decoder.departures()};
}

testing::AssertionResult Same(const ReferenceBase64& got, const ReferenceBase64& want) {
  if (got.octets != want.octets) {
    return testing::AssertionFailure()
           << got.octets.size() << " octets, not those wanted, " << want.octets.size();
  }
  if (got.departures != want.departures) {
    return testing::AssertionFailure()
           << "departures " << got.departures << ", not " << want.departures;
  }
  return testing::AssertionSuccess();
}

TEST_P(Base64Test, TheVectorsOfRfc4648AreEncodedAndDecoded) {
  constexpr std::string_view kVectors[][2] = {{"", ""},
                                              {"f", "Zg=="},
                                              {"fo", "Zm8="},
                                              {"foo", "Zm9v"},
                                              {"foob", "Zm9vYg=="},
                                              {"fooba", "Zm9vYmE="},
                                              {"foobar", "Zm9vYmFy"}};
  for (const auto& [octets, text] : kVectors) {
    EXPECT_EQ(Encode(octets, Base64Form::kFlat, {}), text);
    EXPECT_TRUE(Same(Decode(text, Base64Form::kFlat, {}), {std::string(octets), 0}));
  }
  EXPECT_EQ(Encode("\xFB\xFF", Base64Form::kUrl, {}), "-_8");
}

TEST_P(Base64Test, EverySizeAndEveryAlignmentGivesWhatTheReferenceGives) {
  std::mt19937_64 random(1);
  for (const Base64Form form : kForms) {
    for (size_t bytes = 0; bytes <= 512; ++bytes) {
      const std::string octets = RandomOctets(random, bytes);
      const std::string text = ReferenceBase64Encode(octets, form);
      for (size_t alignment = 0; alignment < 64; ++alignment) {
        const std::string moved = std::string(alignment, 'r') + octets;
        ASSERT_EQ(Encode(std::string_view(moved).substr(alignment), form, {}), text) << bytes;
        const std::string moved_text = std::string(alignment, 'r') + text;
        const std::string_view view = std::string_view(moved_text).substr(alignment);
        ASSERT_TRUE(Same(Decode(view, form, {}), {octets, 0})) << bytes << " " << alignment;
        ASSERT_TRUE(Same(DecodeInPlace(text, form, alignment), {octets, 0})) << bytes;
      }
    }
  }
}

TEST_P(Base64Test, EveryCutGivesWhatTheWholeGives) {
  std::mt19937_64 random(2);
  for (const Base64Form form : kForms) {
    for (size_t bytes = 0; bytes <= 512; bytes += bytes < 130 ? 1 : 37) {
      const std::string octets = RandomOctets(random, bytes);
      const std::string text = ReferenceBase64Encode(octets, form);
      std::vector<size_t> every, every_of_text;
      for (size_t cut = 0; cut <= bytes; ++cut) {
        every.push_back(cut);
        ASSERT_EQ(Encode(octets, form, {cut}), text) << bytes << " cut " << cut;
      }
      ASSERT_EQ(Encode(octets, form, every), text) << bytes;
      for (size_t cut = 0; cut <= text.size(); ++cut) {
        every_of_text.push_back(cut);
        ASSERT_TRUE(Same(Decode(text, form, {cut}), {octets, 0})) << bytes << " cut " << cut;
      }
      ASSERT_TRUE(Same(Decode(text, form, every_of_text), {octets, 0})) << bytes;
    }
  }
}

TEST_P(Base64Test, EveryOctetAtEveryPlaceOfALineIsJudgedAsTheReferenceJudgesIt) {
  std::mt19937_64 random(3);
  const std::string lines =
      ReferenceBase64Encode(RandomOctets(random, size_t{57} * 6), Base64Form::kMime);
  for (const Base64Form form : kForms) {
    for (size_t at = 0; at < size_t{78} * 5; ++at) {
      for (const int octet :
           {0, 9, 10, 13, 32, 43, 45, 47, 61, 64, 91, 95, 96, 123, 127, 128, 175, 193, 255}) {
        std::string text = lines;
        text[at] = static_cast<char>(octet);
        const ReferenceBase64 want = ReferenceBase64Decode(text, form);
        ASSERT_TRUE(Same(Decode(text, form, {}), want)) << octet << " at " << at;
        ASSERT_TRUE(Same(DecodeInPlace(text, form, 0), want)) << octet << " at " << at;
      }
    }
  }
  for (int octet = 0; octet < 256; ++octet) {
    std::string text = lines;
    text[200] = static_cast<char>(octet);
    ASSERT_TRUE(
        Same(Decode(text, Base64Form::kMime, {}), ReferenceBase64Decode(text, Base64Form::kMime)))
        << octet;
  }
}

TEST_P(Base64Test, DamagedTextInRandomPiecesGivesWhatTheReferenceGives) {
  static constexpr std::string_view kPieces[] = {"=", "==", "\r", "\n",  "\r\n",
                                                 " ", "-",  "A",  "\xFF"};
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    std::mt19937_64 random(seed);
    const Base64Form form = kForms[seed % 3];
    std::string text = ReferenceBase64Encode(RandomOctets(random, random() % 1200), form);
    for (size_t damage = random() % 6; damage != 0; --damage) {
      const std::string_view piece = kPieces[random() % std::size(kPieces)];
      text.replace(random() % (text.size() + 1), random() % 3, piece);
    }
    const ReferenceBase64 want = ReferenceBase64Decode(text, form);
    std::vector<size_t> cuts;
    for (size_t at = random() % 300; at < text.size(); at += random() % 300) cuts.push_back(at);
    ASSERT_TRUE(Same(Decode(text, form, cuts), want)) << seed;
    ASSERT_TRUE(Same(DecodeInPlace(text, form, 0), want)) << seed;
  }
}

TEST_P(Base64Test, EachDepartureIsNamedAndTheRestIsDecoded) {
  const auto departures = [](std::string_view text, Base64Form form) {
    return Decode(text, form, {}).departures;
  };
  EXPECT_EQ(departures("Zm9v\r\n", Base64Form::kFlat), kBase64Foreign);
  EXPECT_EQ(departures("Zm 9v\r\n", Base64Form::kMime), kBase64Foreign);
  EXPECT_EQ(departures("Zm9v\n", Base64Form::kMime), kBase64BareLineEnd);
  EXPECT_EQ(departures("Zm8", Base64Form::kFlat), kBase64Unpadded);
  EXPECT_EQ(departures("Zm8", Base64Form::kUrl), 0);
  EXPECT_EQ(departures("Zg==Zg==", Base64Form::kFlat), kBase64AfterPadding);
  EXPECT_EQ(departures("Zh==", Base64Form::kFlat), kBase64PaddingBits);
  EXPECT_EQ(departures("Zm9v=", Base64Form::kFlat), kBase64StrayPadding);
  EXPECT_EQ(departures("Zm9vZ", Base64Form::kFlat), kBase64Truncated);
  EXPECT_EQ(Decode("Zg==Zm8=", Base64Form::kFlat, {}).octets, "ffo");
}

}  // namespace
}  // namespace ringmail::codec
