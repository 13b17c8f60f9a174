#include "server/control/json_writer.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <cmath>

namespace ringmail::server {
namespace {

std::string Written(std::string_view text) {
  std::string out;
  JsonWriter(out).String(text);
  return out;
}

TEST(JsonWriterTest, PutsCommasBetweenElementsOfEveryLevel) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject();
  json.Key("a").Number(1);
  json.Key("b")
      .BeginArray()
      .String("x")
      .String("y")
      .BeginObject()
      .EndObject()
      .BeginArray()
      .EndArray()
      .EndArray();
  json.Key("c")
      .Bool(true)
      .Key("d")
      .Null()
      .Key("e")
      .Number(uint64_t{18446744073709551615u})
      .Key("f")
      .Number(-1);
  json.Key("g").Raw("[1]").Key("h").Number(0.5);
  json.EndObject();
  EXPECT_EQ(
      out,
      R"({"a":1,"b":["x","y",{},[]],"c":true,"d":null,"e":18446744073709551615,"f":-1,"g":[1],"h":0.5})");
}

TEST(JsonWriterTest, ASiblingOfAFilledArrayStartsWithoutComma) {
  std::string out;
  JsonWriter json(out);
  json.BeginArray().BeginArray().Number(1).EndArray().BeginArray().Number(2).EndArray().EndArray();
  EXPECT_EQ(out, "[[1],[2]]");
}

TEST(JsonWriterTest, EscapesQuotesBackslashesAndControls) {
  EXPECT_EQ(Written("a\"b\\c\n\x01\x7f"), R"("a\"b\\c\u000a\u0001\u007f")");
  EXPECT_EQ(Written(std::string_view("\0", 1)), R"("\u0000")");
}

TEST(JsonWriterTest, LeavesUtf8AsItIs) { EXPECT_EQ(Written("Grüße 👍"), "\"Grüße 👍\""); }

TEST(JsonWriterTest, OctetsThatAreNoUtf8BecomeTheReplacementCharacter) {
  EXPECT_EQ(Written("a\xff z"), "\"a\xef\xbf\xbd z\"");
  EXPECT_EQ(Written("\xc3"), "\"\xef\xbf\xbd\"");                  // cut short
  EXPECT_EQ(Written("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");  // overlong
  EXPECT_EQ(Written("\xed\xa0\x80").size(), 2u + 3 * 3);           // a surrogate
  EXPECT_EQ(Written("\xf4\x90\x80\x80").size(), 2u + 4 * 3);       // beyond U+10FFFF
}

TEST(JsonWriterTest, InfinityIsNull) {
  std::string out;
  JsonWriter json(out);
  json.BeginArray().Number(std::numeric_limits<double>::infinity()).Number(std::nan("")).EndArray();
  EXPECT_EQ(out, "[null,null]");
}

TEST(JsonWriterTest, EveryOctetInEveryPlaceGivesTextThatAReaderTakes) {
  simdjson::dom::parser parser;
  for (unsigned a = 0; a < 256; ++a) {
    for (unsigned b = 0; b < 256; b += 5) {
      const std::string text = {static_cast<char>(a), static_cast<char>(b), 'x'};
      const std::string json = "[" + Written(text) + "]";
      simdjson::dom::element parsed;
      EXPECT_EQ(parser.parse(json).get(parsed), simdjson::SUCCESS) << a << " " << b;
    }
  }
}

TEST(JsonWriterDeathTest, AValueWithoutKeyInAnObjectIsOurMistake) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject();
  EXPECT_DEATH(json.Number(1), "CHECK");
  EXPECT_DEATH(json.EndArray(), "CHECK");
}

}  // namespace
}  // namespace ringmail::server
