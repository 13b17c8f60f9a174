#include "protocol/smtp/reply_wire.h"

#include <string>

#include "gtest/gtest.h"

namespace ringmail::smtp {
namespace {

using Verdict = ReplyReader::Verdict;

TEST(ReplyReader, ReadsAReplyOfOneLine) {
  ReplyReader reader;
  EXPECT_EQ(reader.Line("250 2.1.0 Sender ok"), Verdict::kDone);
  const message::Reply reply = reader.Take();
  EXPECT_EQ(reply.code, 250);
  EXPECT_EQ(reply.status, (message::EnhancedStatus{2, 1, 0}));
  EXPECT_EQ(reply.text, "Sender ok");
}

TEST(ReplyReader, JoinsLinesAndDropsTheRepeatedStatus) {
  ReplyReader reader;
  EXPECT_EQ(reader.Line("550-5.7.1 not"), Verdict::kMore);
  EXPECT_EQ(reader.Line("550-5.7.1 today"), Verdict::kMore);
  EXPECT_EQ(reader.Line("550 5.7.1 sorry"), Verdict::kDone);
  EXPECT_EQ(reader.Take().text, "not\ntoday\nsorry");
}

TEST(ReplyReader, AcceptsACodeAloneAsRfc5321Asks) {
  ReplyReader reader;
  EXPECT_EQ(reader.Line("250"), Verdict::kDone);
  EXPECT_EQ(reader.Take().code, 250);
}

TEST(ReplyReader, RefusesWhatIsNoReply) {
  for (const char* line :
       {"", "2", "25", "abc", "150 x", "650 x", "2a0 x", "250x", "250\tx", "HTTP/1.1 400 Bad"}) {
    ReplyReader reader;
    EXPECT_EQ(reader.Line(line), Verdict::kBad) << line;
  }
}

TEST(ReplyReader, RefusesACodeThatChangesWithinAReply) {
  ReplyReader reader;
  EXPECT_EQ(reader.Line("250-a"), Verdict::kMore);
  EXPECT_EQ(reader.Line("251 b"), Verdict::kBad);
}

TEST(ReplyReader, BoundsTheLinesAndTheText) {
  ReplyReader reader;
  const std::string line = "250-" + std::string(200, 'x');
  for (uint32_t i = 0; i < kReplyLinesMax; ++i) ASSERT_EQ(reader.Line(line), Verdict::kMore);
  EXPECT_EQ(reader.Line("250 end"), Verdict::kBad);
  EXPECT_LE(reader.Take().text.size(), message::kReplyTextBytesMax + kReplyLinesMax);
}

TEST(ReplyReader, LetsNoControlCharacterThrough) {
  ReplyReader reader;
  EXPECT_EQ(reader.Line("250 a\x1b[31m\x7f"
                        "b"),
            Verdict::kDone);
  EXPECT_EQ(reader.Take().text, "a?[31m?b");
}

TEST(TakeEnhancedStatus, NeedsTheClassOfTheCode) {
  std::string_view text = "5.1.1 no such user";
  EXPECT_FALSE(TakeEnhancedStatus(250, text).present());
  EXPECT_EQ(text, "5.1.1 no such user");
  EXPECT_EQ(TakeEnhancedStatus(550, text), (message::EnhancedStatus{5, 1, 1}));
  EXPECT_EQ(text, "no such user");
}

TEST(TakeEnhancedStatus, IsNoVersionNumber) {
  for (const char* words : {"2.0", "2.0.x", "2.0.1234 x", "2.0.0x", "2..0 x", "22.0.0 x"}) {
    std::string_view text = words;
    EXPECT_FALSE(TakeEnhancedStatus(250, text).present()) << words;
    EXPECT_EQ(text, words);
  }
}

TEST(ReadExtension, KnowsWhatWeUse) {
  PeerExtensions peer;
  for (const char* line :
       {"PIPELINING", "size 1000", "8bitmime", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN",
        "LIMITS RCPTMAX=7 MAILMAX=3 X=1 RCPTDOMAINMAX", "XCLIENT NAME", ""}) {
    ReadExtension(line, peer);
  }
  EXPECT_TRUE(peer.pipelining && peer.eight_bit_mime && peer.smtp_utf8 && peer.chunking &&
              peer.binary_mime && peer.dsn);
  EXPECT_EQ(peer.size_bytes_max, 1000u);
  EXPECT_EQ(peer.recipients_max, 7u);
  EXPECT_EQ(peer.transactions_max, 3u);
}

TEST(ReadExtension, IgnoresParametersThatMakeNoSense) {
  PeerExtensions peer;
  ReadExtension("SIZE 99999999999999999999999", peer);
  ReadExtension("LIMITS RCPTMAX=-1 MAILMAX=", peer);
  EXPECT_TRUE(peer.size);
  EXPECT_EQ(peer.size_bytes_max, 0u);
  EXPECT_EQ(peer.recipients_max, 0u);
  EXPECT_EQ(peer.transactions_max, 0u);
}

}  // namespace
}  // namespace ringmail::smtp
