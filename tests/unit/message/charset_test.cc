#include "ringmail/message/charset.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "ringmail/codec/utf8.h"

namespace ringmail::message {
namespace {

TEST(CharsetTest, LabelsAreThoseOfTheWhatwg) {
  EXPECT_EQ(CharsetName(" Latin1\t"), "windows-1252");
  EXPECT_EQ(CharsetName("US-ASCII"), "windows-1252");
  EXPECT_EQ(CharsetName("iso_8859-9:1989"), "windows-1254");
  EXPECT_EQ(CharsetName("gb2312"), "GBK");
  EXPECT_EQ(CharsetName("ks_c_5601-1987"), "EUC-KR");
  EXPECT_EQ(CharsetName("tis-620"), "windows-874");
  EXPECT_EQ(CharsetName("unicode-1-1-utf-7"), "UTF-7");
  EXPECT_EQ(CharsetName("nonsense"), "");
  EXPECT_EQ(CharsetName(""), "");
}

TEST(CharsetTest, EachIsDecoded) {
  struct {
    std::string_view label, octets, text;
  } const cases[] = {
      {"us-ascii", "\x93quoted\x94 \x80", "\u201Cquoted\u201D \u20AC"},
      {"iso-8859-1", "caf\xE9", "caf\u00E9"},
      {"iso-8859-2", "\xB1\xE6", "\u0105\u0107"},
      {"iso-8859-5", "\xDF", "\u043F"},
      {"iso-8859-7", "\xE1", "\u03B1"},
      {"iso-8859-8-i", "\xF9", "\u05E9"},
      {"iso-8859-10", "\xA2", "\u0112"},
      {"iso-8859-13", "\xE0", "\u0105"},
      {"iso-8859-14", "\xF0", "\u0175"},
      {"iso-8859-15", "\xA4", "\u20AC"},
      {"iso-8859-16", "\xA4\xAA\xE9", "\u20AC\u0218\u00E9"},
      {"koi8-r", "\xD0\xD2", "\u043F\u0440"},
      {"koi8-u", "\xA4", "\u0454"},
      {"windows-1251", "\xEF\xF0", "\u043F\u0440"},
      {"windows-1257", "\xE0", "\u0105"},
      {"windows-874", "\xA1", "\u0E01"},
      {"ibm866", "\xAF", "\u043F"},
      {"macintosh", "\x8E", "\u00E9"},
      {"x-mac-cyrillic", "\x8F", "\u041F"},
      {"gb2312", "\xC4\xE3\xBA\xC3", "\u4F60\u597D"},
      {"gb18030", "\x81\x30\x81\x30", std::string_view("\xC2\x80", 2)},
      {"big5", "\xA7\x41\xA6\x6E", "\u4F60\u597D"},
      {"shift_jis", "\x82\xB1\xB1", "\u3053\uFF71"},
      {"euc-jp", "\xA4\xB3", "\u3053"},
      {"iso-2022-jp", "\x1B$B$3\x1B(B!", "\u3053!"},
      {"euc-kr", "\xB0\xA1", "\uAC00"},
      {"iso-2022-kr", "\x1B$)C\x0E\x30\x21\x0F", "\uAC00"},
      {"hz-gb-2312", "~{Dc~}!", "\u4F60!"},
      {"utf-7", "Hi Mom -+Jjo--!", "Hi Mom -\u263A-!"},
      {"utf-16le", std::string_view("\xFF\xFE\x61\0", 4), "a"},
      {"utf-16be", std::string_view("\xFE\xFF\0\x61\xD8\x3D\xDE\0", 8), "a\U0001F600"},
      {"utf-8", "\xEF\xBB\xBFz\u00FC", "z\u00FC"},
      {"x-user-defined", "a\x80", "a\uF780"},
      {"cp850", "\x82", "\u00E9"},
      {"", "\u00FC", "\u00FC"},
      {"", "\xFC", "\u00FC"},
      {"no-such-charset", "\xFC", "\u00FC"},
      {"utf-8",
       "a\xFF"
       "b\xE2\x82",
       "a\uFFFD"
       "b\uFFFD"},
      {"shift_jis", "a\x81", "a\uFFFD"},
      {"utf-16le", "a", "\uFFFD"},
  };
  for (const auto& row : cases) {
    EXPECT_EQ(DecodeCharset(row.label, row.octets), row.text) << row.label;
    // Octet by octet.
    std::string pieces;
    CharsetDecoder decoder(row.label);
    for (const char c : row.octets) decoder.Feed(std::string_view(&c, 1), pieces);
    decoder.Finish(pieces);
    EXPECT_EQ(pieces, row.text) << row.label;
  }
}

TEST(CharsetTest, GuessesTheSameHoweverTheTextIsCut) {
  const std::string ascii(5000, 'a'), umlauts = [] {
    std::string text;
    while (text.size() < kCharsetGuessBytes + 100) text += "\u00FC\u20AC";
    return text;
  }();
  const std::string texts[] = {
      ascii + "\u00FC" + ascii, ascii + "\xFC" + ascii, "\u00FC" + ascii + "\xFC", umlauts,
      umlauts + "\xFC!",        "\xFC!" + umlauts,      "\xEF\xBB\xBFx",           "\xE2\x82"};
  for (const std::string& text : texts) {
    const std::string whole = DecodeCharset("", text);
    EXPECT_TRUE(codec::Utf8Valid(whole));
    for (const size_t piece : {1u, 2u, 3u, 1000u, 16384u}) {
      std::string utf8;
      CharsetDecoder decoder("");
      for (size_t at = 0; at < text.size(); at += piece) {
        decoder.Feed(std::string_view(text).substr(at, piece), utf8);
      }
      decoder.Finish(utf8);
      EXPECT_EQ(utf8, whole) << piece;
    }
  }
  EXPECT_EQ(DecodeCharset("", texts[1]), ascii + "\u00FC" + ascii);
  EXPECT_EQ(DecodeCharset("", texts[3]), umlauts);
  // Decided by then; what comes later cannot make other text of it.
  EXPECT_EQ(DecodeCharset("", texts[4]), umlauts + "\uFFFD!");
}

TEST(CharsetTest, RefusesThoseThatHideAscii) {
  EXPECT_FALSE(CharsetDecoder("ibm-037").known());
  EXPECT_FALSE(CharsetDecoder("SCSU").known() && DecodeCharset("SCSU", "a\x01") == "a");
  EXPECT_FALSE(CharsetDecoder("../../etc/passwd").known());
}

TEST(CharsetTest, AlwaysGivesValidUtf8) {
  std::mt19937_64 random(7);
  for (const std::string_view label :
       {"utf-8", "", "windows-1252", "gb18030", "big5", "shift_jis", "euc-jp", "iso-2022-jp",
        "euc-kr", "iso-2022-kr", "iso-2022-cn", "hz-gb-2312", "utf-7", "utf-16le", "utf-16be",
        "utf-32", "x-user-defined", "iso-8859-16", "windows-1255"}) {
    for (int round = 0; round < 300; ++round) {
      std::string octets(random() % 1500, '\0');
      for (char& c : octets) {
        const auto octet = static_cast<uint8_t>(random());
        c = static_cast<char>(octet);
        if (round % 3 != 0) c = "\x1B$B(J~{}+\xD8\xE3\x81-"[octet % 13];
      }
      std::string utf8;
      CharsetDecoder decoder(label);
      for (size_t at = 0; at < octets.size();) {
        const size_t bytes = 1 + random() % 600;
        decoder.Feed(std::string_view(octets).substr(at, bytes), utf8);
        at += bytes;
      }
      decoder.Finish(utf8);
      ASSERT_TRUE(codec::Utf8Valid(utf8)) << label;
    }
  }
}

}  // namespace
}  // namespace ringmail::message
