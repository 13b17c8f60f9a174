#include "ringmail/message/compose.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "ringmail/codec/dots.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::message {
namespace {

struct Message {
  explicit Message(std::string octets) : text(std::move(octets)), content(text) {
    TreeBuilder builder({});
    builder.Start(tree);
    builder.Feed(text);
    builder.Finish();
  }
  MessageView view() const { return {tree, content}; }
  std::string Body(PartIndex part) const {
    std::string out;
    EXPECT_TRUE(AppendDecodedBody(view(), part, out));
    return out;
  }
  uint32_t Departures() const {
    uint32_t all = 0;
    for (const Part& part : tree.parts) all |= part.departures;
    return all;
  }
  codec::ContentKind Kind() const {
    codec::LineScanner scanner;
    scanner.Feed(text);
    return scanner.kind();
  }
  std::string text;
  Tree tree;
  ContentView content;
};

std::string RandomBody(std::mt19937_64& random) {
  std::string body;
  const size_t size = random() % 3000, kind = random() % 4;
  while (body.size() < size) {
    const auto octet = static_cast<char>(random());
    if (kind == 0) body += octet;
    if (kind == 1) body += random() % 40 == 0 ? "\r\n" : "a";
    if (kind == 2) body += random() % 40 == 0 ? "\r\n" : random() % 9 == 0 ? "\u00E9" : "b";
    if (kind == 3) body += random() % 20 == 0 ? "\r\n--=_seed_000000\r\n" : "c ";
  }
  return body;
}

TEST(WriteMessageTest, IsReadAsItWasComposed) {
  std::mt19937_64 random(31);
  for (int round = 0; round < 1500; ++round) {
    std::vector<std::string> bodies;
    for (int i = 0; i < 4; ++i) bodies.push_back(RandomBody(random));
    ComposePart text, html{.subtype = "html"}, file{.type = "application", .subtype = "pdf"},
        image{.type = "image", .subtype = "png"};
    text.parameters = html.parameters = {{.name = "charset", .value = "utf-8"}};
    file.disposition = "attachment";
    file.disposition_parameters = {{.name = "filename", .value = "caf\u00E9 \"1\".pdf"}};
    image.content_id = "a@b";
    text.body = bodies[0];
    html.body = bodies[1];
    file.body = bodies[2];
    image.body = bodies[3];
    const ComposePart alternative{
        .type = "multipart", .subtype = "alternative", .parts = {text, html}};
    const ComposePart root{
        .type = "multipart", .subtype = "mixed", .parts = {alternative, file, image}};
    const auto peer = static_cast<ComposePeer>(random() % 3);
    const auto written = WriteMessage(
        {.header = "Subject: x\r\n", .root = &root, .peer = peer, .boundary_seed = "seed"});
    ASSERT_TRUE(written);
    const Message message(*written);
    ASSERT_EQ(message.tree.parts.size(), 6u);
    if (peer != ComposePeer::kBinaryMime) {
      EXPECT_EQ(message.Departures(), 0u);
    }
    const PartIndex leaves[] = {2, 3, 4, 5};
    for (size_t i = 0; i < 4; ++i) ASSERT_EQ(message.Body(leaves[i]), bodies[i]) << *written;
    EXPECT_EQ(PartFileName(message.view(), 4), "caf\u00E9 \"1\".pdf");
    if (peer == ComposePeer::k7Bit) {
      ASSERT_EQ(message.Kind(), codec::ContentKind::k7Bit);
    }
    if (peer == ComposePeer::k8BitMime) {
      ASSERT_NE(message.Kind(), codec::ContentKind::kBinary);
    }
  }
}

TEST(WriteMessageTest, RefusesAnEncapsulatedMessageThatThePeerDoesNotTake) {
  ComposePart part{.type = "message", .subtype = "rfc822"};
  part.body = "Subject: x\r\n\r\n\u00E9\r\n";
  EXPECT_FALSE(WriteMessage({.root = &part, .peer = ComposePeer::k7Bit}));
  EXPECT_TRUE(WriteMessage({.root = &part, .peer = ComposePeer::k8BitMime}));
}

TEST(BestTransferEncodingTest, SuitsTheBodyAndThePeer) {
  const std::string mostly(1000, 'a');
  EXPECT_EQ(BestTransferEncoding("a\r\n", MediaType::kText, ComposePeer::k7Bit),
            TransferEncoding::k7Bit);
  EXPECT_EQ(BestTransferEncoding("\u00E9\r\n", MediaType::kText, ComposePeer::k8BitMime),
            TransferEncoding::k8Bit);
  EXPECT_EQ(BestTransferEncoding(mostly + "\u00E9", MediaType::kText, ComposePeer::k7Bit),
            TransferEncoding::kQuotedPrintable);
  EXPECT_EQ(BestTransferEncoding("\xE9\xE8\xE7", MediaType::kText, ComposePeer::k7Bit),
            TransferEncoding::kBase64);
  EXPECT_EQ(BestTransferEncoding(std::string(999, 'a'), MediaType::kText, ComposePeer::k8BitMime),
            TransferEncoding::kQuotedPrintable);
  EXPECT_EQ(BestTransferEncoding("\n", MediaType::kImage, ComposePeer::kBinaryMime),
            TransferEncoding::kBinary);
}

TEST(WriteMdnTest, IsAReportOfRfc8098) {
  const std::string text = WriteMdn({.header = "From: a@b\r\nTo: c@d\r\nSubject: Disposition\r\n",
                                     .text = "Your message was displayed.\r\n",
                                     .reporting_agent = "joes-pc.cs.example.com; Foomail 97.1",
                                     .original_recipient = "joe_recipient@example.com",
                                     .final_recipient = "joe_recipient@example.com",
                                     .original_message_id = "199509192301.23456@example.org",
                                     .original_header = "Subject: x\r\n",
                                     .boundary_seed = "s"});
  const Message message(text);
  ASSERT_EQ(message.tree.parts.size(), 4u);
  EXPECT_EQ(message.Departures(), 0u);
  EXPECT_EQ(message.tree.parts[0].media_subtype, MediaSubtype::kReport);
  EXPECT_EQ(message.tree.parts[2].media_subtype, MediaSubtype::kDispositionNotification);
  // RFC 8098 §9, its example but for the sending mode's comment.
  EXPECT_EQ(message.Body(2),
            "Reporting-UA: joes-pc.cs.example.com; Foomail 97.1\r\n"
            "Original-Recipient: rfc822; joe_recipient@example.com\r\n"
            "Final-Recipient: rfc822; joe_recipient@example.com\r\n"
            "Original-Message-ID: <199509192301.23456@example.org>\r\n"
            "Disposition: manual-action/MDN-sent-manually; displayed\r\n");
}

TEST(WriteMdnTest, TakesAddressesBeyondAscii) {
  const Message message(WriteMdn({.text = "\u00E9\r\n", .final_recipient = "jos\u00E9@x"}));
  EXPECT_EQ(message.tree.parts[2].media_subtype, MediaSubtype::kGlobalDispositionNotification);
  EXPECT_EQ(message.Body(2).substr(0, 32), "Final-Recipient: utf-8; jos\u00E9@x\r");
}

std::string LongMessage(size_t lines) {
  std::string text =
      "From: a@b\r\nReceived: by x\r\nSubject: long\r\nMessage-ID: <m@x>\r\nMIME-Version: 1.0\r\n"
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
  for (size_t i = 0; i < lines; ++i) text += "line " + std::to_string(i) + "\r\n";
  return text + "--b--\r\n";
}

TEST(PartialMessageTest, JoinsToWhatWasSplit) {
  const Message message(LongMessage(200));
  for (const size_t bytes : {1u, 40u, 500u, 100000u}) {
    const auto pieces = SplitMessage(message.view(), bytes, "id@x");
    ASSERT_TRUE(pieces);
    std::vector<std::string_view> views(pieces->rbegin(), pieces->rend());
    const auto joined = JoinPartial(views);
    ASSERT_TRUE(joined);
    const Message again(*joined);
    EXPECT_EQ(again.text.substr(again.tree.parts[0].body.offset),
              message.text.substr(message.tree.parts[0].body.offset));
    EXPECT_EQ(again.tree.fields.size(), message.tree.fields.size());
    for (const std::string& piece : *pieces) {
      EXPECT_EQ(Message(piece).tree.parts[0].media_subtype, MediaSubtype::kPartial);
    }
    if (pieces->size() > 1) {
      views.pop_back();
      EXPECT_FALSE(JoinPartial(views));
    }
  }
}

TEST(PartialMessageTest, IsOnlyFor7Bit) {
  EXPECT_FALSE(SplitMessage(Message("A: b\r\n\r\n\xE9\r\n").view(), 10, "x"));
  EXPECT_FALSE(SplitMessage(Message("A: b\r\n\r\nno end").view(), 10, "x"));
  EXPECT_FALSE(JoinPartial(std::vector<std::string_view>{"A: b\r\n\r\n"}));
  EXPECT_FALSE(JoinPartial({}));
}

// RFC 2046 §5.2.2.2: the example's third message is made of the first two.
TEST(PartialMessageTest, JoinsTheExampleOfRfc2046) {
  const std::string_view one =
      "X-Weird-Header-1: Foo\r\nFrom: Bill@host.com\r\nTo: joe@otherhost.com\r\n"
      "Date: Fri, 26 Mar 1993 12:59:38 -0500 (EST)\r\nSubject: Audio mail (part 1 of 2)\r\n"
      "Message-ID: <id1@host.com>\r\nMIME-Version: 1.0\r\n"
      "Content-type: message/partial; id=\"ABC@host.com\"; number=1; total=2\r\n\r\n"
      "X-Weird-Header-1: Bar\r\nX-Weird-Header-2: Hello\r\nMessage-ID: <anotherid@foo.com>\r\n"
      "Subject: Audio mail\r\nMIME-Version: 1.0\r\nContent-type: audio/basic\r\n"
      "Content-transfer-encoding: base64\r\n\r\nfirst\r\n";
  const std::string_view two =
      "From: Bill@host.com\r\nTo: joe@otherhost.com\r\nSubject: Audio mail (part 2 of 2)\r\n"
      "MIME-Version: 1.0\r\nMessage-ID: <id2@host.com>\r\n"
      "Content-type: message/partial; id=\"ABC@host.com\"; number=2; total=2\r\n\r\nsecond\r\n";
  EXPECT_EQ(JoinPartial(std::vector<std::string_view>{two, one}),
            "X-Weird-Header-1: Foo\r\nFrom: Bill@host.com\r\nTo: joe@otherhost.com\r\n"
            "Date: Fri, 26 Mar 1993 12:59:38 -0500 (EST)\r\nMessage-ID: <anotherid@foo.com>\r\n"
            "Subject: Audio mail\r\nMIME-Version: 1.0\r\nContent-type: audio/basic\r\n"
            "Content-transfer-encoding: base64\r\n\r\nfirst\r\nsecond\r\n");
}

TEST(DowngradeTest, EncodesEachPartThatNeedsIt) {
  std::mt19937_64 random(33);
  for (int round = 0; round < 500; ++round) {
    std::string a = RandomBody(random), b = RandomBody(random);
    const Message message(
        "MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n"
        "Content-Type: multipart/mixed; boundary=outer\r\n\r\n"
        "--outer\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
        a + "\r\n--outer\r\nContent-Type: image/png\r\n\r\n" + b + "\r\n--outer--\r\n");
    const auto down = DowngradeTo7Bit(message.view());
    ASSERT_TRUE(down);
    const Message again(*down);
    ASSERT_EQ(again.Kind(), codec::ContentKind::k7Bit);
    ASSERT_EQ(again.tree.parts.size(), 3u);
    ASSERT_EQ(again.Body(1), a);
    ASSERT_EQ(again.Body(2), b);
    EXPECT_EQ(again.Departures(), 0u);
  }
}

// The "From " line of a mailbox file is one only where no field is before it.
TEST(DowngradeTest, LeavesTheSeparatorOfMailboxesInFront) {
  const auto down = DowngradeTo7Bit(Message(">From x\r\nSubject: s\r\n\r\n\xE9\r\n").view());
  ASSERT_TRUE(down);
  EXPECT_TRUE(down->starts_with(">From x\r\nContent-Transfer-Encoding: base64\r\nSubject:"))
      << *down;
  EXPECT_FALSE(DowngradeTo7Bit(Message(">From x\r\n\r\n\xE9\r\n").view()));
}

TEST(DowngradeTest, KeepsAMessageOfOnePart) {
  for (const std::string_view body : {"caf\u00E9\r\n", "caf\u00E9", "\r\n\xE9\xE9\xE9\xE9\r\n"}) {
    const Message message(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n" +
        std::string(body));
    const auto down = DowngradeTo7Bit(message.view());
    ASSERT_TRUE(down);
    EXPECT_EQ(Message(*down).Body(0), body);
    EXPECT_TRUE(codec::IsAscii(*down));
  }
}

TEST(DowngradeTest, RefusesWhatItWouldBreak) {
  EXPECT_FALSE(DowngradeTo7Bit(Message("Subject: \xC3\xA9\r\n\r\n").view()));
  EXPECT_FALSE(DowngradeTo7Bit(
      Message("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xE9\r\n--b--\r\n")
          .view()));
  EXPECT_FALSE(DowngradeTo7Bit(Message("Content-Type: message/partial\r\n\r\n\xE9\r\n").view()));
  EXPECT_FALSE(DowngradeTo7Bit(
      Message("Content-Type: multipart/mixed; boundary=b\r\n\r\n\xE9\r\n--b--\r\n").view()));
}

}  // namespace
}  // namespace ringmail::message
