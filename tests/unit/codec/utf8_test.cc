#include "ringmail/codec/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmail::codec {
namespace {

// By RFC 3629 §3: the code points and how each is written; everything else is malformed.
std::string Encode(uint32_t point) {
  std::string text;
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += static_cast<char>(0xC0 | point >> 6);
    text += static_cast<char>(0x80 | (point & 63));
  } else if (point < 0x10000) {
    text += static_cast<char>(0xE0 | point >> 12);
    text += static_cast<char>(0x80 | (point >> 6 & 63));
    text += static_cast<char>(0x80 | (point & 63));
  } else {
    text += static_cast<char>(0xF0 | point >> 18);
    text += static_cast<char>(0x80 | (point >> 12 & 63));
    text += static_cast<char>(0x80 | (point >> 6 & 63));
    text += static_cast<char>(0x80 | (point & 63));
  }
  return text;
}

TEST(Utf8Test, EveryCodePointButSurrogatesIsValid) {
  for (uint32_t point = 0; point < 0x120000; ++point) {
    const bool valid = point < 0x110000 && !(point >= 0xD800 && point < 0xE000);
    ASSERT_EQ(Utf8Valid(Encode(point)), valid) << point;
  }
}

TEST(Utf8Test, TruncatedAndOverlongAndLoneOctetsAreMalformed) {
  for (const std::string_view bad :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xE2\x82",
        "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
        "\xFE", "\xE2\x28\xA1", "\xF0\x9F\x98", "\xC3\xC3"}) {
    for (size_t pad = 0; pad < 20; ++pad) {
      EXPECT_FALSE(Utf8Valid(std::string(pad, 'a') + std::string(bad)));
      EXPECT_FALSE(Utf8Valid(std::string(pad, 'a') + std::string(bad) + "0123456789"));
    }
  }
}

TEST(Utf8Test, MixedTextIsValidAtEveryAlignment) {
  for (size_t pad = 0; pad < 20; ++pad) {
    const std::string text = std::string(pad, 'a') + "Grüße, 世界 🎉 and more ASCII text";
    EXPECT_TRUE(Utf8Valid(text));
    EXPECT_FALSE(IsAscii(text));
    EXPECT_TRUE(IsAscii(std::string(pad, 'a')));
    EXPECT_FALSE(IsAscii(std::string(pad, 'a') + "\x80"));
  }
}

}  // namespace
}  // namespace ringmail::codec
