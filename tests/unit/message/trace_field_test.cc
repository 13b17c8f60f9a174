#include "ringmail/message/trace_field.h"

#include <gtest/gtest.h>

namespace ringmail::message {
namespace {

TEST(ParsedReceivedTest, HasTheClausesOfRfc5321) {
  const ParsedReceived received = ParseReceived(
      " from client.example ([192.0.2.1] (may be; forged))\r\n\tby mx.example.org (ringmail)"
      " with ESMTPS id 01a2\r\n\tfor <bob@example.org>; Mon, 23 Nov 2026 05:42:08 +0000");
  EXPECT_EQ(received.from, "client.example");
  EXPECT_EQ(received.from_comment, "[192.0.2.1] (may be; forged)");
  EXPECT_EQ(received.by, "mx.example.org");
  EXPECT_EQ(received.with, "ESMTPS");
  EXPECT_EQ(received.id, "01a2");
  EXPECT_EQ(received.for_path, "<bob@example.org>");
  EXPECT_EQ(received.via, "");
  ASSERT_TRUE(received.when);
  EXPECT_EQ(UnixSeconds(received.when->when), 1795412528);
}

TEST(ParsedReceivedTest, IsReadWhateverIsThere) {
  EXPECT_EQ(ParseReceived("").from, "");
  EXPECT_EQ(ParseReceived("by x").by, "x");
  EXPECT_EQ(ParseReceived("(by y) by x").by, "x");
  EXPECT_FALSE(ParseReceived("by x; never").when);
  EXPECT_EQ(ParseReceived("from (").from_comment, "");
}

// RFC 8601 appendix B.
TEST(AuthenticationResultsTest, ReadsTheExamplesOfRfc8601) {
  const auto none = ParseAuthenticationResults("example.org 1; none");
  ASSERT_TRUE(none);
  EXPECT_EQ(none->server, "example.org");
  EXPECT_TRUE(none->results.empty());

  const auto spf =
      ParseAuthenticationResults("example.com;\r\n spf=pass smtp.mailfrom=example.net");
  ASSERT_TRUE(spf);
  ASSERT_EQ(spf->results.size(), 1u);
  EXPECT_EQ(spf->results[0].method, "spf");
  EXPECT_EQ(spf->results[0].result, "pass");
  ASSERT_EQ(spf->results[0].properties.size(), 1u);
  EXPECT_EQ(spf->results[0].properties[0].type, "smtp");
  EXPECT_EQ(spf->results[0].properties[0].property, "mailfrom");
  EXPECT_EQ(spf->results[0].properties[0].value, "example.net");

  const auto two = ParseAuthenticationResults(
      "example.com;\r\n dkim=pass (good signature) header.d=example.com;\r\n"
      " auth=pass (cram-md5) smtp.auth=sender@example.com");
  ASSERT_TRUE(two);
  ASSERT_EQ(two->results.size(), 2u);
  EXPECT_EQ(two->results[0].comment, "good signature");
  EXPECT_EQ(two->results[1].properties[0].value, "sender@example.com");

  const auto commented = ParseAuthenticationResults(
      "foo.example.net (foobar) 1 (baz);\r\n"
      " dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
      " policy (A dot can go here) . (like that) expired\r\n"
      " (this surprised me) = (as I wasn't expecting it) 1362471462");
  ASSERT_TRUE(commented);
  ASSERT_EQ(commented->results.size(), 1u);
  EXPECT_EQ(commented->results[0].result, "fail");
  EXPECT_EQ(commented->results[0].properties[0].property, "expired");
  EXPECT_EQ(commented->results[0].properties[0].value, "1362471462");
}

TEST(AuthenticationResultsTest, ReadsAReasonAndAQuotedValue) {
  const auto results = ParseAuthenticationResults(
      "a; dmarc=fail reason=\"no; way\" header.from=b policy.x=\"q r\"@c;");
  ASSERT_TRUE(results);
  EXPECT_EQ(results->results[0].reason, "no; way");
  EXPECT_EQ(results->results[0].properties[1].value, "q r@c");
}

TEST(AuthenticationResultsTest, RefusesWhatItCannotReadWhole) {
  for (const std::string_view text :
       {"", ";", "a; spf", "a; =pass", "a; spf=", "a; spf=pass x", "a; spf=pass smtp.", "a b; none",
        "a; spf=pass smtp.mailfrom"}) {
    EXPECT_FALSE(ParseAuthenticationResults(text)) << text;
  }
}

// RFC 2369 §3, RFC 2919 §3, RFC 8058.
TEST(ListFieldTest, ReadsTheExamplesOfTheirRfcs) {
  const ListUrls urls = ParseListUrls(
      "<ftp://ftp.host.com/list.txt> (FTP),\r\n    <mailto:list@host.com?subject=\r\n help>");
  ASSERT_EQ(urls.urls.size(), 2u);
  EXPECT_EQ(urls.urls[0], "ftp://ftp.host.com/list.txt");
  EXPECT_EQ(urls.urls[1], "mailto:list@host.com?subject=help");
  EXPECT_TRUE(ParseListUrls("NO (posting not allowed on this list)").no);
  EXPECT_TRUE(ParseListUrls("x, <y>").urls.empty());

  const auto id = ParseListId("\"Lena's Personal \" =?utf-8?Q?Jok=C3=A9?= <list.example.net>");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->id, "list.example.net");
  EXPECT_EQ(id->name, "Lena's Personal  Jok\u00E9");
  EXPECT_FALSE(ParseListId("no id"));
  EXPECT_TRUE(IsOneClick(" List-Unsubscribe=One-Click"));
  EXPECT_FALSE(IsOneClick("List-Unsubscribe=Two"));
}

}  // namespace
}  // namespace ringmail::message
