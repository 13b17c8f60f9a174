#include "ringmail/message/xtext.h"

#include <gtest/gtest.h>

#include <random>

namespace ringmail::message {
namespace {

TEST(XtextTest, DecodesWhatRfc3461Has) {
  EXPECT_EQ(DecodeXtext("a+2Bb+3Dc+20d"), "a+b=c d");
  EXPECT_EQ(DecodeXtext(""), "");
  EXPECT_EQ(DecodeXtext("QQ314159"), "QQ314159");
  EXPECT_EQ(EncodeXtext("a+b=c d\n"), "a+2Bb+3Dc+20d+0A");
}

TEST(XtextTest, RefusesWhatIsNoXtext) {
  for (const char* bad :
       {"a=b", "a b", "+", "+2", "+2b", "+GG", "a+", "\x7F", "\xC3\xBC", "a\r\n"}) {
    EXPECT_EQ(DecodeXtext(bad), std::nullopt) << bad;
  }
}

TEST(XtextTest, AnyOctetsAreReadBack) {
  std::mt19937 random(9);
  for (int i = 0; i < 1000; ++i) {
    std::string text(random() % 50, '\0');
    for (char& c : text) c = static_cast<char>(random());
    ASSERT_EQ(DecodeXtext(EncodeXtext(text)), text);
  }
}

TEST(Utf8AddressTest, IsWrittenAsRfc6533Says) {
  EXPECT_EQ(EncodeUtf8Address("grüße+x@例え.jp"),
            "gr\\x{FC}\\x{DF}e\\x{2B}x@\\x{4F8B}\\x{3048}.jp");
  EXPECT_EQ(EncodeUtf8Address("a\\b=c 🎉"), "a\\x{5C}b\\x{3D}c\\x{20}\\x{1F389}");
}

TEST(Utf8AddressTest, EveryFormIsReadBack) {
  EXPECT_EQ(DecodeUtf8Address("gr\\x{FC}ße@例え.jp"), "grüße@例え.jp");
  EXPECT_EQ(EncodeUtf8Address("\x01"), "\\x{01}");
  const std::string plain = "grüße+x\\y=z@例え.jp🎉";
  EXPECT_EQ(DecodeUtf8Address(EncodeUtf8Address(plain)), plain);
}

TEST(Utf8AddressTest, RefusesOtherForms) {
  for (const char* bad :
       {"a+b", "a=b", "a b", "\\", "\\x", "\\x{", "\\x{}", "\\x{5}", "\\x{5c}", "\\x{05C}",
        "\\x{D800}", "\\x{110000}", "\\x{1234567}", "\\y{5C}", "\xFF"}) {
    EXPECT_EQ(DecodeUtf8Address(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace ringmail::message
