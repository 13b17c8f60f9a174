#include "server/mailboxes/frame.h"

#include "gtest/gtest.h"
#include "server/mailboxes/lane.h"

namespace ringmail::server {
namespace {

struct Got {
  FrameHead head;
  std::string octets;
};

// nullopt: malformed.
std::optional<std::vector<Got>> ReadAll(std::string_view body, size_t cut, bool& between) {
  FrameReader reader;
  std::vector<Got> all;
  for (size_t at = 0; at < body.size(); at += cut) {
    std::string_view piece = body.substr(at, cut);
    for (bool more = true; more;) {
      switch (reader.Next(piece)) {
        case FrameReader::Event::kMore:
          more = false;
          break;
        case FrameReader::Event::kHead:
          all.push_back({reader.head(), ""});
          break;
        case FrameReader::Event::kOctets:
          all.back().octets += reader.octets();
          break;
        case FrameReader::Event::kMessage:
          break;
        case FrameReader::Event::kMalformed:
          return std::nullopt;
      }
    }
  }
  between = reader.between_messages();
  return all;
}

TEST(Frame, MessagesAreReadHoweverTheBodyIsCut) {
  FrameHead head{.bytes = 11};
  head.marks = {.flags = foreign::kSeen | foreign::kDraft,
                .keywords = {"$Junk", "a'b"},
                .date_seconds = 951782399,
                .uid = 7};
  const std::string body = FormatFrameHead(head) + "{\"bytes\":1}" +
                           FormatFrameHead({.bytes = 0, .error = "gone"}) +
                           FormatFrameHead({.bytes = 2}) + "\n\n";
  for (size_t cut = 1; cut <= body.size(); ++cut) {
    bool between = false;
    const auto all = ReadAll(body, cut, between);
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 3u) << cut;
    EXPECT_TRUE(between);
    EXPECT_EQ((*all)[0].octets, "{\"bytes\":1}");
    EXPECT_EQ((*all)[0].head.marks, head.marks);
    EXPECT_EQ((*all)[1].head.error, "gone");
    EXPECT_EQ((*all)[2].octets, "\n\n");
  }
}

TEST(Frame, ABodyThatIsCutOffSaysSo) {
  bool between = true;
  ASSERT_TRUE(ReadAll("{\"bytes\":5}\nabc", 100, between));
  EXPECT_FALSE(between);
  ASSERT_TRUE(ReadAll("{\"bytes\":5}", 100, between));
  EXPECT_FALSE(between);
}

TEST(Frame, WhatIsNoHeadIsMalformed) {
  bool between = false;
  for (const char* body :
       {"\n", "x\n", "{}\n", "{\"bytes\":-1}\n", "{\"bytes\":1,\"flags\":[\"\\\\None\"]}\n",
        "{\"bytes\":1,\"keywords\":[\"a b\"]}\n", "{\"bytes\":1,\"error\":\"x\"}\n"})
    EXPECT_FALSE(ReadAll(body, 100, between)) << body;
}

TEST(Frame, AHeadAtTheLimitIsReadAndOnePastItIsMalformed) {
  const std::string head = "{\"bytes\":1}";
  bool between = false;
  EXPECT_TRUE(
      ReadAll(head + std::string(kFrameHeadBytesMax - head.size(), ' ') + "\nx", 999, between));
  EXPECT_FALSE(
      ReadAll(head + std::string(kFrameHeadBytesMax + 1 - head.size(), ' ') + "\nx", 999, between));
}

TEST(Lane, StatesAreReadAsTheyWereWritten) {
  for (const LaneState& state :
       {LaneState{}, LaneState{"0.17", 3, 99}, LaneState{"a-b_c", UINT32_MAX, UINT32_MAX}})
    EXPECT_EQ(ParseLane(FormatLane(state)), state);
  for (const char* value : {"", "a", "a 1", "a 1 ", "a 1 2 3", "a 1 4294967296", "a/b 1 2", " 1 2"})
    EXPECT_EQ(ParseLane(value), std::nullopt) << value;
}

TEST(Lane, NamesAreShortAndPlain) {
  EXPECT_TRUE(ValidLaneName(std::string(kLaneNameBytesMax, 'x')));
  EXPECT_FALSE(ValidLaneName(std::string(kLaneNameBytesMax + 1, 'x')));
  EXPECT_FALSE(ValidLaneName(""));
  EXPECT_FALSE(ValidLaneName("a b"));
}

}  // namespace
}  // namespace ringmail::server
