#include "ringmail/message/parameter.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmail::message {
namespace {

std::string Read(std::string_view text) {
  const ContentType type = ParseContentType(text);
  std::string out = type.type + "/" + type.subtype;
  for (const Parameter& parameter : type.parameters) {
    out += "|" + parameter.name + "=" + parameter.value;
    if (!parameter.language.empty()) out += "(" + parameter.language + ")";
  }
  return out;
}

TEST(ContentTypeTest, ReadsTheExamplesOfRfc2045) {
  EXPECT_EQ(Read("text/plain; charset=us-ascii (Plain text)"), "text/plain|charset=us-ascii");
  EXPECT_EQ(Read("TEXT/plain; charset=\"us-ascii\""), "text/plain|charset=us-ascii");
}

// RFC 2231 §3, §4 and §4.1.
TEST(ContentTypeTest, ReadsTheExamplesOfRfc2231) {
  EXPECT_EQ(Read("message/external-body; access-type=URL;\r\n"
                 " URL*0=\"ftp://\";\r\n"
                 " URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\""),
            "message/external-body|access-type=URL|"
            "url=ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar");
  EXPECT_EQ(Read("application/x-stuff;\r\n"
                 " title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A"),
            "application/x-stuff|title=This is ***fun***(en-us)");
  EXPECT_EQ(Read("application/x-stuff;\r\n"
                 " title*0*=us-ascii'en'This%20is%20even%20more%20;\r\n"
                 " title*1*=%2A%2A%2Afun%2A%2A%2A%20;\r\n"
                 " title*2=\"isn't it!\""),
            "application/x-stuff|title=This is even more ***fun*** isn't it!(en)");
}

TEST(ContentTypeTest, JoinsSectionsInTheOrderOfTheirNumbersUpToAGap) {
  EXPECT_EQ(Read("a/b; n*1=two; n*0=one; n*3=four"), "a/b|n=onetwo");
  EXPECT_EQ(Read("a/b; n=plain; n*=utf-8''%C3%A9"), "a/b|n=\u00E9");
  EXPECT_EQ(Read("a/b; n=plain; n*1=x"), "a/b|n=plain");
}

TEST(ContentTypeTest, DecodesAcrossSections) {
  EXPECT_EQ(Read("a/b; n*0*=utf-8''%C3; n*1*=%A9"), "a/b|n=\u00E9");
}

TEST(ContentTypeTest, ReadsEncodedWordsInParameters) {
  EXPECT_EQ(Read("a/b; name=\"=?iso-8859-1?Q?caf=E9.pdf?=\""), "a/b|name=caf\u00E9.pdf");
}

TEST(ContentTypeTest, IsPlainTextWhereItCannotBeRead) {
  for (const std::string_view text : {"", "text", "/", "text/", ";", "(c)", "\"text\"/plain"}) {
    const ContentType type = ParseContentType(text);
    EXPECT_EQ(type.type + "/" + type.subtype, "text/plain") << text;
    EXPECT_FALSE(type.valid);
  }
}

TEST(ContentTypeTest, ReadsParametersAsClientsDo) {
  EXPECT_EQ(Read("a/b; name=two words.txt; x=y"), "a/b|name=two words.txt|x=y");
  EXPECT_EQ(Read("a/b;;; name = \"x\" ; (c) y=z"), "a/b|name=x|y=z");
  EXPECT_EQ(Read("a/b; name=\"a\\\"b\""), "a/b|name=a\"b");
  EXPECT_EQ(Read("a/b; name=\"unterminated"), "a/b|name=unterminated");
  EXPECT_EQ(Read("a/b; novalue; x=y"), "a/b|x=y");
  EXPECT_EQ(Read("a/b; x=1; x=2"), "a/b|x=1");
}

// RFC 2183 §3.
TEST(ContentDispositionTest, ReadsTheExamplesOfRfc2183) {
  EXPECT_EQ(ParseContentDisposition("inline").type, "inline");
  const ContentDisposition disposition = ParseContentDisposition(
      "attachment; filename=genome.jpeg;\r\n"
      "  modification-date=\"Wed, 12 Feb 1997 16:29:51 -0500\"; size=1234");
  EXPECT_EQ(disposition.type, "attachment");
  EXPECT_EQ(disposition.file_name(), "genome.jpeg");
  EXPECT_EQ(disposition.size(), 1234u);
  ASSERT_TRUE(disposition.date("modification-date"));
  EXPECT_EQ(UnixSeconds(disposition.date("modification-date")->when), 855782991);
  EXPECT_FALSE(disposition.date("read-date"));
}

TEST(ContentDispositionTest, GivesNoPathForAFileName) {
  EXPECT_EQ(ParseContentDisposition("attachment; filename=\"../../etc/passwd\"").file_name(),
            "passwd");
  EXPECT_EQ(SafeFileName("C:\\dir\\a.exe"), "a.exe");
  EXPECT_EQ(SafeFileName("C:a.exe"), "a.exe");
  EXPECT_EQ(SafeFileName(".."), "");
  EXPECT_EQ(SafeFileName("a\r\nb"), "ab");
  EXPECT_EQ(ParseContentDisposition("filename=x.txt").file_name(), "x.txt");
}

// An example of RFC 2046 §5.2.3.7 lacks one; a value of several words does not end at a fold.
TEST(ParseContentTypeTest, FindsAParameterWhoseSemicolonWasForgottenAtAFold) {
  const ContentType type = ParseContentType(
      "a/b; access-type=mail-server\r\n server=\"x\"; name=my long\r\n name =.txt; c=d e=f");
  ASSERT_EQ(type.parameters.size(), 4u);
  EXPECT_EQ(FindParameter(type.parameters, "access-type")->value, "mail-server");
  EXPECT_EQ(FindParameter(type.parameters, "server")->value, "x");
  EXPECT_EQ(FindParameter(type.parameters, "name")->value, "my long name =.txt");
  EXPECT_EQ(FindParameter(type.parameters, "c")->value, "d e=f");
}

}  // namespace
}  // namespace ringmail::message
