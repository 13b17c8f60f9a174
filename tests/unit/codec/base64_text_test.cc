#include "ringmail/codec/base64_text.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmail::codec {
namespace {

constexpr auto kFlat = Base64Form::kFlat;
constexpr auto kUrl = Base64Form::kUrl;

TEST(Base64TextTest, WhatIsWrittenIsRead) {
  std::string octets;
  for (int i = 0; i < 70; ++i) {
    for (const Base64Form form : {kFlat, kUrl}) {
      for (const Base64Padding padding : {Base64Padding::kRequired, Base64Padding::kNone}) {
        const std::string text = ToBase64(octets, form, padding);
        EXPECT_EQ(FromBase64(text, form, padding), octets) << text;
        EXPECT_EQ(FromBase64(text, form, Base64Padding::kOptional), octets) << text;
      }
    }
    octets += static_cast<char>(i * 37);
  }
  // RFC 4648 §10.
  EXPECT_EQ(ToBase64("foobar", kFlat, Base64Padding::kRequired), "Zm9vYmFy");
  EXPECT_EQ(ToBase64("foob", kFlat, Base64Padding::kRequired), "Zm9vYg==");
  EXPECT_EQ(ToBase64("foob", kUrl, Base64Padding::kNone), "Zm9vYg");
}

TEST(Base64TextTest, OneTextMeansOneValue) {
  const auto flat = [](std::string_view text) {
    return FromBase64(text, kFlat, Base64Padding::kRequired);
  };
  for (const std::string_view text :
       {"Zm9vYg", "Zm9vYg=", "Zm9vYg===", "Zm9vYh==", "Zm9v Yg==", "Zm9vYg==\r\n", "=", "====", "Z",
        "Zm9vYg==Zm9v", "Zm-_", "\nZm9v"}) {
    EXPECT_EQ(flat(text), std::nullopt) << text;
  }
  const auto url = [](std::string_view text) {
    return FromBase64(text, kUrl, Base64Padding::kNone);
  };
  for (const std::string_view text : {"Zm9vYg==", "Zm9vYh", "Zm+/", "Z", "Zm9v."}) {
    EXPECT_EQ(url(text), std::nullopt) << text;
  }
  EXPECT_EQ(url(""), "");
}

}  // namespace
}  // namespace ringmail::codec
