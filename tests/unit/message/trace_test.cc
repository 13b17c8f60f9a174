#include "ringmail/message/trace.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmail::message {
namespace {

std::string Date(int64_t seconds) {
  std::string out;
  AppendDate(FromUnixSeconds(seconds), out);
  return out;
}

TEST(DateTest, IsThatOfRfc5322) {
  EXPECT_EQ(Date(1795412528), "Mon, 23 Nov 2026 05:42:08 +0000");
  EXPECT_EQ(Date(0), "Thu, 01 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(Date(-1), "Wed, 31 Dec 1969 23:59:59 +0000");
  EXPECT_EQ(Date(951782400), "Tue, 29 Feb 2000 00:00:00 +0000");
  EXPECT_EQ(Date(4102444799), "Thu, 31 Dec 2099 23:59:59 +0000");
}

ReceivedField Sample() {
  return {.helo = "client.example",
          .client = *IpAddress::Parse("192.0.2.1"),
          .by_host = "mx.example.org",
          .with_protocol = "ESMTPS",
          .tls = "TLS1.3 cipher TLS_AES_128_GCM_SHA256",
          .id = QueueId(0x1a2),
          .for_path = "b@example.org",
          .when = FromUnixSeconds(1795412528)};
}

std::string Received(const ReceivedField& field) {
  std::string out;
  AppendReceived(field, out);
  return out;
}

std::string Unfolded(std::string text) {
  for (size_t at; (at = text.find("\r\n\t")) != std::string::npos;) text.replace(at, 3, " ");
  return text;
}

TEST(ReceivedTest, HasTheClausesOfRfc5321InTheirOrder) {
  EXPECT_EQ(Unfolded(Received(Sample())),
            "Received: from client.example ([192.0.2.1]) by mx.example.org with ESMTPS (TLS1.3 "
            "cipher TLS_AES_128_GCM_SHA256) id 0000000000d2 for <b@example.org>; Mon, 23 Nov 2026 "
            "05:42:08 +0000\r\n");
}

TEST(ReceivedTest, LeavesOutWhatIsNotKnown) {
  ReceivedField field = Sample();
  field.tls = field.for_path = {};
  EXPECT_EQ(Unfolded(Received(field)),
            "Received: from client.example ([192.0.2.1]) by mx.example.org with ESMTPS id "
            "0000000000d2; Mon, 23 Nov 2026 05:42:08 +0000\r\n");
  field.helo = {};
  field.client = *IpAddress::Parse("2001:db8::1");
  EXPECT_EQ(Unfolded(Received(field))
                .find("Received: from [IPv6:2001:db8::1] "
                      "([IPv6:2001:db8::1]) by mx.example.org"),
            0u);
  field.client = {};
  EXPECT_EQ(Unfolded(Received(field)).find("Received: by mx.example.org with ESMTPS"), 0u);
}

TEST(ReceivedTest, LinesAreFoldedAt78Columns) {
  ReceivedField field = Sample();
  const std::string helo = std::string(60, 'h') + ".example", path = std::string(60, 'p') + "@x.y";
  field.helo = helo;
  field.for_path = path;
  const std::string out = Received(field);
  size_t lines = 0;
  for (size_t at = 0; at < out.size(); ++lines) {
    const size_t end = out.find("\r\n", at);
    ASSERT_NE(end, std::string::npos);
    const bool folded = out[at] == '\t';
    EXPECT_LE(end - at + (folded ? 7 : 0), 78u) << out.substr(at, end - at);
    EXPECT_EQ(folded, lines > 0);
    at = end + 2;
  }
  EXPECT_GT(lines, 2u);
}

TEST(ReceivedTest, ACommentCannotBeEscapedFrom) {
  ReceivedField field = Sample();
  field.tls = "x) id forged (\r\nX-Forged: y\\";
  EXPECT_NE(Unfolded(Received(field)).find("(x\\) id forged \\(X-Forged: y\\\\)"),
            std::string::npos);
}

TEST(HopCounterTest, OwnReceivedFieldIsCountedAsSuch) {
  HopCounter hops("MX.example.org");
  hops.Feed(Received(Sample()) + "\r\n");
  EXPECT_EQ(hops.received_count(), 1u);
  EXPECT_EQ(hops.own_count(), 1u);
  EXPECT_TRUE(hops.header_ended());
}

constexpr std::string_view kHeader =
    "Received: from a by mx.example.org with SMTP; date\r\n"
    "received : from b\r\n\tby\r\n MX.Example.Org (comment); date\r\n"
    "Subject: by mx.example.org\r\n"
    " Received: by mx.example.org; folded into the subject\r\n"
    "Received-SPF: pass by mx.example.org\r\n"
    "X-Received: by mx.example.org; x\r\n"
    "RECEIVED: from c (helo by mx.example.org (nested) \\) by mx.example.org)\r\n"
    " by other.example; date\r\n"
    "Received: from d by mx.example.org.evil.example; date\r\n"
    "Received: from e by mx.example.org by mx.example.org; twice in one field\r\n"
    "Receive\r\n"
    "Received:by mx.example.org;\r\n"
    "Received: from f by mx.example.org\r\n"
    "\r\n"
    "Received: from g by mx.example.org; in the body\r\n";

TEST(HopCounterTest, CountsFieldsOfTheHeaderSectionHoweverItIsCut) {
  for (size_t first = 0; first <= kHeader.size(); ++first) {
    for (size_t step : {size_t{1}, size_t{7}, kHeader.size()}) {
      HopCounter hops("mx.example.org");
      hops.Feed(kHeader.substr(0, first));
      for (size_t at = first; at < kHeader.size(); at += step) hops.Feed(kHeader.substr(at, step));
      ASSERT_EQ(hops.received_count(), 7u) << first << " " << step;
      ASSERT_EQ(hops.own_count(), 5u) << first << " " << step;
      ASSERT_TRUE(hops.header_ended());
    }
  }
}

TEST(HopCounterTest, AMessageWithoutHeaderHasNoHops) {
  HopCounter hops("mx.example.org");
  hops.Feed("\r\nReceived: from a by mx.example.org;\r\n");
  EXPECT_TRUE(hops.header_ended());
  EXPECT_EQ(hops.received_count(), 0u);
}

TEST(HopCounterTest, AHundredHopsAreAHundred) {
  HopCounter hops("mx.example.org");
  for (int i = 0; i < 100; ++i) hops.Feed("Received: by x; y\r\n");
  EXPECT_EQ(hops.received_count(), 100u);
  EXPECT_EQ(hops.own_count(), 0u);
  EXPECT_FALSE(hops.header_ended());
}

TEST(HopCounterTest, TokensLongerThanAnyHostNameMatchNothing) {
  const std::string host(255, 'h');
  HopCounter own(host), other(host);
  own.Feed("Received: by " + host + ";\r\n\r\n");
  other.Feed("Received: by " + host + "h;\r\n\r\n");
  EXPECT_EQ(own.own_count(), 1u);
  EXPECT_EQ(other.own_count(), 0u);
}

}  // namespace
}  // namespace ringmail::message
