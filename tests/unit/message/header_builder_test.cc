#include "ringmail/message/header_builder.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "ringmail/codec/utf8.h"
#include "ringmail/message/field.h"
#include "ringmail/message/header_text.h"
#include "ringmail/message/identifier.h"

namespace ringmail::message {
namespace {

// The raw value of the one field in `text`, whose form is checked.
std::string Value(const std::string& text, size_t columns_max) {
  EXPECT_TRUE(text.ends_with("\r\n"));
  std::vector<Field> fields;
  EXPECT_EQ(IndexFields(text, 0, fields), text.size()) << text;
  EXPECT_EQ(fields.size(), 1u) << text;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find("\r\n", at);
    EXPECT_LE(end - at, columns_max) << text;
    // RFC 5322 §3.2.2: no line of a field is white space alone.
    EXPECT_NE(text.find_first_not_of(" \t", at), end) << text;
    at = end + 2;
  }
  return std::string(ViewField(fields[0], text, 0).value);
}

std::string RandomText(std::mt19937_64& random) {
  static const std::vector<std::string> kPieces = {"word",
                                                   " ",
                                                   " ",
                                                   "  ",
                                                   "\u00E9",
                                                   "\u4F60\u597D",
                                                   "=?",
                                                   "?=",
                                                   "\"",
                                                   "\\",
                                                   "(",
                                                   ")",
                                                   "<",
                                                   ">",
                                                   ",",
                                                   ";",
                                                   ":",
                                                   "@",
                                                   ".",
                                                   "=?utf-8?Q?x?=",
                                                   "a-rather-long-word-of-many-letters",
                                                   "=",
                                                   "_",
                                                   "?",
                                                   "\U0001F600",
                                                   "%",
                                                   "'",
                                                   "*"};
  std::string text;
  const size_t count = random() % 40;
  for (size_t i = 0; i < count; ++i) text += kPieces[random() % kPieces.size()];
  if (random() % 20 == 0) text += std::string(1200, 'x');
  return text;
}

std::string Trim(std::string text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

TEST(HeaderBuilderTest, TextIsReadAsItWasGiven) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 20000; ++round) {
    const std::string text = RandomText(random);
    for (const HeaderCharset charset : {HeaderCharset::kAscii, HeaderCharset::kUtf8}) {
      std::string out;
      HeaderBuilder(charset, out).Text("Subject", text);
      if (charset == HeaderCharset::kAscii) {
        EXPECT_TRUE(codec::IsAscii(out));
      }
      if (Trim(text).empty()) continue;
      ASSERT_EQ(DecodeText(Value(out, 998)), Trim(text)) << out;
    }
  }
}

TEST(HeaderBuilderTest, AddressesAreReadAsTheyWereGiven) {
  std::mt19937_64 random(12);
  for (int round = 0; round < 10000; ++round) {
    std::vector<Address> addresses;
    const size_t count = 1 + random() % 5;
    bool group = false;
    for (size_t i = 0; i < count; ++i) {
      if (!group && random() % 6 == 0) {
        const std::string name = Trim(RandomText(random));
        if (name.empty()) continue;
        addresses.push_back({.kind = AddressKind::kGroup, .name = name});
        group = true;
      }
      addresses.push_back({.name = Trim(RandomText(random)),
                           .local_part = random() % 4 == 0 ? "a b\"\\c" : "john.doe",
                           .domain = random() % 4 == 0 ? "[192.0.2.1]" : "example.org"});
    }
    if (group) addresses.push_back({.kind = AddressKind::kGroupEnd});
    for (const HeaderCharset charset : {HeaderCharset::kAscii, HeaderCharset::kUtf8}) {
      std::string out;
      EXPECT_TRUE(HeaderBuilder(charset, out).Addresses("To", addresses));
      std::vector<Address> read = ParseAddressList(Value(out, 998));
      for (Address& address : read) address.name = DecodeText(address.name);
      ASSERT_EQ(read, addresses) << out;
    }
  }
}

TEST(HeaderBuilderTest, SaysThatAnAddressNeedsSmtpUtf8) {
  const std::vector<Address> addresses = {{.local_part = "jos\u00E9", .domain = "x"}};
  std::string out;
  EXPECT_FALSE(HeaderBuilder(HeaderCharset::kAscii, out).Addresses("To", addresses));
  EXPECT_TRUE(HeaderBuilder(HeaderCharset::kUtf8, out).Addresses("To", addresses));
}

TEST(HeaderBuilderTest, ParametersAreReadAsTheyWereGiven) {
  std::mt19937_64 random(13);
  for (int round = 0; round < 10000; ++round) {
    const std::vector<Parameter> parameters = {
        {.name = "name", .value = Trim(RandomText(random))},
        {.name = "filename", .value = Trim(RandomText(random))}};
    for (const HeaderCharset charset : {HeaderCharset::kAscii, HeaderCharset::kUtf8}) {
      std::string out;
      HeaderBuilder(charset, out).Parameters("Content-Type", "a/b", parameters);
      const ContentType type = ParseContentType(Value(out, 998));
      EXPECT_EQ(type.type + "/" + type.subtype, "a/b");
      ASSERT_EQ(type.parameters, parameters) << out;
    }
  }
}

TEST(HeaderBuilderTest, FoldsAtSeventyEightColumns) {
  std::string words, out;
  for (int i = 0; i < 100; ++i) words += "word ";
  HeaderBuilder(HeaderCharset::kAscii, out).Text("Subject", words + "\u00E9" + words);
  Value(out, 78);
  out.clear();
  const std::vector<std::string> ids(20, "identifier@some.host.example.org");
  HeaderBuilder(HeaderCharset::kAscii, out).MessageIds("References", ids);
  EXPECT_EQ(ParseMessageIds(Value(out, 78)), ids);
}

TEST(HeaderBuilderTest, LetsNoValueBeginAField) {
  std::string out;
  HeaderBuilder builder(HeaderCharset::kUtf8, out);
  builder.Text("Subject", "a\r\nBcc: b");
  builder.Parameters("Content-Type", "a/b\r\nX: y", std::vector<Parameter>{{"n", "\r\nX: y"}});
  builder.MessageIds("References", std::vector<std::string>{"a\r\nX: y"});
  builder.Addresses("To", std::vector<Address>{{.name = "\r\nX: y", .local_part = "\r\nX"}});
  std::vector<Field> fields;
  IndexFields(out, 0, fields);
  EXPECT_EQ(fields.size(), 4u) << out;
}

TEST(HeaderBuilderTest, DatesKeepTheirZone) {
  for (const std::string_view text :
       {"Thu, 30 Oct 2014 14:12:00 +0800", "Mon, 23 Nov 2026 05:42:08 -0330",
        "Mon, 23 Nov 2026 05:42:08 -0000"}) {
    std::string out;
    HeaderBuilder(HeaderCharset::kAscii, out).Date("Date", *ParseDate(text));
    EXPECT_EQ(out, "Date: " + std::string(text) + "\r\n");
  }
}

}  // namespace
}  // namespace ringmail::message
