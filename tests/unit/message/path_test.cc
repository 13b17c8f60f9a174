#include "ringmail/message/path.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace ringmail::message {
namespace {

ParsedPath Forward(std::string_view text) {
  return ParsePath(text, PathKind::kForward, Utf8::kRefused);
}
ParsedPath Reverse(std::string_view text) {
  return ParsePath(text, PathKind::kReverse, Utf8::kRefused);
}

std::string Repeat(size_t count, char c) { return std::string(count, c); }

TEST(PathTest, ReadsAMailboxAndStopsBehindItsBracket) {
  const ParsedPath path = Forward("<user.name+tag@Example.ORG> SIZE=1");
  ASSERT_EQ(path.error, PathError::kNone);
  EXPECT_EQ(path.mailbox.local_part, "user.name+tag");
  EXPECT_EQ(path.mailbox.domain, "Example.ORG");
  EXPECT_EQ(path.text, "user.name+tag@Example.ORG");
  EXPECT_EQ(path.consumed_bytes, 27u);
  EXPECT_FALSE(path.null);
}

TEST(PathTest, TheNullPathIsAReversePathOnly) {
  const ParsedPath path = Reverse("<> BODY=8BITMIME");
  EXPECT_EQ(path.error, PathError::kNone);
  EXPECT_TRUE(path.null);
  EXPECT_EQ(path.text, "");
  EXPECT_EQ(path.consumed_bytes, 2u);
  EXPECT_EQ(Forward("<>").error, PathError::kSyntax);
}

TEST(PathTest, PostmasterWithoutADomainIsAForwardPathOnlyInAnyCase) {
  for (const char* text : {"<postmaster>", "<Postmaster>", "<POSTMASTER>"}) {
    const ParsedPath path = Forward(text);
    ASSERT_EQ(path.error, PathError::kNone) << text;
    EXPECT_TRUE(IsPostmaster(path.mailbox.local_part));
    EXPECT_EQ(path.mailbox.domain, "");
    EXPECT_EQ(path.consumed_bytes, 12u);
    EXPECT_EQ(Reverse(text).error, PathError::kSyntax) << text;
  }
  EXPECT_EQ(Forward("<postmaste>").error, PathError::kSyntax);
  EXPECT_EQ(Forward("<postmaster").error, PathError::kSyntax);
  EXPECT_EQ(Forward("<postmasters>").error, PathError::kSyntax);
}

TEST(PathTest, SourceRoutesAreReadAndIgnored) {
  const ParsedPath path = Forward("<@one.example,@two.example:joe@three.example>");
  ASSERT_EQ(path.error, PathError::kNone);
  EXPECT_EQ(path.text, "joe@three.example");
  EXPECT_EQ(path.consumed_bytes, 45u);
  for (const char* bad : {"<@one.example joe@three.example>", "<@:joe@b>", "<@one:>", "<@a,:joe@b>",
                          "<@a,b:joe@b>", "<@a>", "<@a,@b>", "<@a:@b:joe@c>", "<a@b:joe@c>"}) {
    EXPECT_EQ(Forward(bad).error, PathError::kSyntax) << bad;
  }
}

TEST(PathTest, QuotedLocalPartsAreReadAsWritten) {
  for (const char* text : {R"(<"a b"@c>)", R"(<"a\"b"@c>)", R"(<"a\\"@c>)", R"(<""@c>)",
                           R"(<"a@b>c"@c>)", R"(<"\ "@c>)", R"(<"()<>[]:,;.@"@c>)"}) {
    const ParsedPath path = Forward(text);
    ASSERT_EQ(path.error, PathError::kNone) << text;
    EXPECT_TRUE(path.mailbox.quoted());
    EXPECT_EQ(path.consumed_bytes, std::string_view(text).size());
  }
  for (const char* bad : {R"(<"a"b"@c>)", R"(<"a@c>)", R"(<"a\"@c>)", "<\"a\tb\"@c>",
                          "<\"a\\\tb\"@c>", "<\"a\x7F\"@c>", R"(<"a".b@c>)", R"(<a."b"@c>)"}) {
    EXPECT_EQ(Forward(bad).error, PathError::kSyntax) << bad;
  }
  EXPECT_EQ(Forward(std::string_view("<\"a\0b\"@c>", 9)).error, PathError::kSyntax);
}

TEST(PathTest, RefusesWhatTheGrammarDoesNotHave) {
  for (const char* bad :
       {"",          "<",        ">",       "a@b",          "<a@b",         "a@b>",
        "< a@b>",    "<a@b >",   "<a @b>",  "<a@ b>",       "<a>",          "<@b>",
        "<a@>",      "<.a@b>",   "<a.@b>",  "<a..b@c>",     "<a@.b>",       "<a@b.>",
        "<a@b..c>",  "<a@-b>",   "<a@b->",  "<a@b-.c>",     "<a@b_c>",      "<a@b@c>",
        "<a,b@c>",   "<a(c)@b>", "<<a@b>>", "<a@[1.2.3.4>", "<a@1.2.3.4]>", "<a@[1.2.3.4]x>",
        "<a@b\r\n>", "<a\\b@c>"}) {
    EXPECT_EQ(Forward(bad).error, PathError::kSyntax) << bad;
    EXPECT_EQ(Reverse(bad).error, PathError::kSyntax) << bad;
  }
  EXPECT_EQ(Forward(std::string_view("<a\0@b>", 6)).error, PathError::kSyntax);
  EXPECT_EQ(Forward("<!#$%&'*+-/=?^_`{|}~@b>").error, PathError::kNone);
  EXPECT_EQ(Forward("<a@b--c.1-2.3>").error, PathError::kNone);
}

TEST(PathTest, AddressLiteralsAreThoseOfTheGrammar) {
  for (const char* good :
       {"[192.0.2.1]", "[255.255.255.255]", "[001.2.3.4]", "[IPv6:2001:db8::1]", "[ipv6:::]",
        "[IPv6:::1]", "[IPv6:1:2:3:4:5:6:7:8]", "[IPv6:1:2:3:4:5:6::]",
        "[IPv6:1:2:3:4:5:6:1.2.3.4]", "[IPv6:::ffff:1.2.3.4]", "[IPv6:1::1.2.3.4]",
        "[IPv6:1:2:3:4::1.2.3.4]"}) {
    EXPECT_TRUE(ValidAddressLiteral(good)) << good;
    EXPECT_EQ(Forward("<a@" + std::string(good) + ">").error, PathError::kNone) << good;
  }
  for (const char* bad : {"[]",
                          "[1.2.3]",
                          "[1.2.3.4.5]",
                          "[256.1.1.1]",
                          "[0001.2.3.4]",
                          "[1.2.3.4a]",
                          "[::1]",
                          "[IPv6:]",
                          "[IPv6:1]",
                          "[IPv6:::1::]",
                          "[IPv6:1:2:3:4:5:6:7]",
                          "[IPv6:1:2:3:4:5:6:7::]",
                          "[IPv6:1:2:3:4:5:6::8]",
                          "[IPv6:1.2.3.4]",
                          "[IPv6:1:2:3:4:5::1.2.3.4]",
                          "[IPv6:1:2:3:4:5:6:7:1.2.3.4]",
                          "[IPv6:::12345]",
                          "[IPv6:::g]",
                          "[x400:abc]",
                          "[tag:x]",
                          "[IPv6:1:2:3:4:5:6:256.1.1.1]",
                          "[IPv6::1:2:3:4:5:6:7]"}) {
    EXPECT_FALSE(ValidAddressLiteral(bad)) << bad;
    EXPECT_EQ(Forward("<a@" + std::string(bad) + ">").error, PathError::kBadAddressLiteral) << bad;
  }
  EXPECT_FALSE(ValidAddressLiteral(""));
  EXPECT_FALSE(ValidAddressLiteral("["));
  EXPECT_FALSE(ValidAddressLiteral("192.0.2.1"));
}

TEST(PathTest, LimitsHoldAtTheirMaximumAndNotOneMore) {
  EXPECT_EQ(Forward("<" + Repeat(64, 'a') + "@b>").error, PathError::kNone);
  EXPECT_EQ(Forward("<" + Repeat(65, 'a') + "@b>").error, PathError::kLocalPartTooLong);
  const std::string labels =
      Repeat(63, 'a') + "." + Repeat(63, 'b') + "." + Repeat(63, 'c') + ".";  // 192
  EXPECT_EQ(Forward("<" + Repeat(2, 'a') + "@" + labels + Repeat(59, 'd') + ">").error,
            PathError::kNone)
      << "256 octets";
  EXPECT_EQ(Forward("<" + Repeat(3, 'a') + "@" + labels + Repeat(59, 'd') + ">").error,
            PathError::kPathTooLong);
  EXPECT_EQ(Forward("<@r:" + Repeat(2, 'a') + "@" + labels + Repeat(59, 'd') + ">").error,
            PathError::kPathTooLong)
      << "a source route counts";
  EXPECT_TRUE(ValidDomain(labels + Repeat(63, 'd'), Utf8::kRefused)) << "255 octets";
  EXPECT_FALSE(ValidDomain(labels + Repeat(61, 'd') + ".e" + "f", Utf8::kRefused));
  EXPECT_EQ(Forward("<a@" + labels + Repeat(61, 'd') + ".ef>").error, PathError::kDomainTooLong);
  EXPECT_EQ(Forward("<a@" + Repeat(63, 'x') + ">").error, PathError::kNone);
  EXPECT_EQ(Forward("<a@" + Repeat(64, 'x') + ">").error, PathError::kSyntax);
  EXPECT_TRUE(ParseMailbox("aa@" + labels + Repeat(59, 'd'), Utf8::kRefused).has_value());
  EXPECT_FALSE(ParseMailbox("aaa@" + labels + Repeat(59, 'd'), Utf8::kRefused).has_value());
}

TEST(PathTest, Utf8IsReadOnlyWhereSmtpUtf8WasAskedFor) {
  for (const char* text : {"<grüße@example.org>", "<a@bücher.example>", "<\"ü ü\"@b>",
                           "<@bücher.example:a@b>", "<世界@例え.jp>"}) {
    EXPECT_EQ(Forward(text).error, PathError::kNeedsSmtpUtf8) << text;
    const ParsedPath path = ParsePath(text, PathKind::kForward, Utf8::kAllowed);
    EXPECT_EQ(path.error, PathError::kNone) << text;
    EXPECT_EQ(path.consumed_bytes, std::string_view(text).size());
  }
  for (const char* bad : {"<a\xFF@b>", "<a@\xC3.b>", "<a\xED\xA0\x80@b>", "<\"a\\ü\"@b>"}) {
    EXPECT_EQ(ParsePath(bad, PathKind::kForward, Utf8::kAllowed).error, PathError::kSyntax) << bad;
    EXPECT_EQ(Forward(bad).error, PathError::kSyntax) << bad;
  }
}

TEST(PathTest, AMailboxAloneHasNothingAroundIt) {
  const auto mailbox = ParseMailbox("a.b@example.org", Utf8::kRefused);
  ASSERT_TRUE(mailbox.has_value());
  EXPECT_EQ(mailbox->local_part, "a.b");
  EXPECT_EQ(mailbox->domain, "example.org");
  for (const char* bad : {"", "a", "<a@b>", "a@b ", " a@b", "a@b,c@d", "postmaster"}) {
    EXPECT_FALSE(ParseMailbox(bad, Utf8::kRefused).has_value()) << bad;
  }
}

TEST(PathTest, DomainsAreComparedAndNormalizedWithoutCase) {
  EXPECT_TRUE(SameDomain("Example.ORG", "eXample.org"));
  EXPECT_FALSE(SameDomain("example.org", "example.org."));
  EXPECT_FALSE(SameDomain("example.org", "example.or"));
  EXPECT_EQ(NormalizedDomain("BÜcher.Example"), "bÜcher.example");
  EXPECT_FALSE(ValidDomain("", Utf8::kRefused));
  EXPECT_FALSE(ValidDomain("example.org.", Utf8::kRefused));
  EXPECT_FALSE(ValidDomain("bücher.example", Utf8::kRefused));
  EXPECT_TRUE(ValidDomain("bücher.example", Utf8::kAllowed));
}

TEST(PathTest, PostmasterIsTheSameQuotedOrNot) {
  for (const char* text : {"postmaster", "PostMaster", "\"postmaster\"", "\"Post\\master\""}) {
    EXPECT_TRUE(IsPostmaster(text)) << text;
  }
  for (const char* text : {"", "\"", "\"\"", "postmaste", "postmasters", "\"postmasters\"",
                           "\"postmaster", "\"postmaste\""}) {
    EXPECT_FALSE(IsPostmaster(text)) << text;
  }
}

// The isemail corpus writes control characters as U+2400 and up; entities of XML stand for < > &
// and quotes.
std::string Address(std::string text) {
  const std::pair<std::string_view, std::string_view> entities[] = {
      {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}, {"&amp;", "&"}};
  for (size_t at = 0; (at = text.find("&#x24", at)) != std::string::npos;) {
    const char c = static_cast<char>(std::strtol(text.substr(at + 5, 2).c_str(), nullptr, 16));
    text.replace(at, 8, std::string(1, c));
  }
  for (size_t at = 0; (at = text.find("&#xA9;", at)) != std::string::npos;) {
    text.replace(at, 6, "\xC2\xA9");
  }
  for (const auto& [entity, character] : entities) {
    for (size_t at = 0; (at = text.find(entity, at)) != std::string::npos; ++at) {
      text.replace(at, entity.size(), character);
    }
  }
  return text;
}

std::string Between(std::string_view text, std::string_view open, std::string_view close) {
  const size_t begin = text.find(open);
  if (begin == std::string_view::npos) return "";
  const size_t start = begin + open.size();
  return std::string(text.substr(start, text.find(close, start) - start));
}

TEST(PathTest, AgreesWithTheIsemailCorpusAboutRfc5321) {
  const char* file = std::getenv("RINGMAIL_ISEMAIL_TESTS");
  if (file == nullptr)
    GTEST_SKIP() << "RINGMAIL_ISEMAIL_TESTS names no copy of isemail's tests.xml";
  std::ifstream stream(file);
  const std::string xml{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  int count = 0;
  for (size_t at = 0; (at = xml.find("<test id", at)) != std::string::npos; ++at) {
    const std::string test = xml.substr(at, xml.find("</test>", at) - at);
    const std::string address = Address(Between(test, "<address>", "</address>"));
    const std::string category = Between(test, "<category>ISEMAIL_", "</category>");
    const std::string diagnosis = Between(test, "<diagnosis>ISEMAIL_", "</diagnosis>");
    const bool valid =
        category == "VALID_CATEGORY" || category == "DNSWARN" || category == "RFC5321";
    EXPECT_EQ(ParseMailbox(address, Utf8::kAllowed).has_value(), valid)
        << address << " " << category << " " << diagnosis;
    ++count;
  }
  EXPECT_GT(count, 100);
}

}  // namespace
}  // namespace ringmail::message
