#include "protocol/smtp/wire.h"

#include <string>

#include "gtest/gtest.h"
#include "protocol/smtp/hello.h"
#include "protocol/smtp/limits.h"

namespace ringmail::smtp {
namespace {

TEST(SplitCommand, ToleratesSpaceBehindTheLineAndBetweenItsWords) {
  EXPECT_EQ(SplitCommand("NOOP").verb, "NOOP");
  EXPECT_EQ(SplitCommand("NOOP").argument, "");
  EXPECT_EQ(SplitCommand("helo   a.example \t ").verb, "helo");
  EXPECT_EQ(SplitCommand("helo   a.example \t ").argument, "a.example");
  EXPECT_EQ(SplitCommand("").verb, "");
  EXPECT_EQ(SplitCommand("   ").verb, "");
}

TEST(ParseNumber, TakesTwentyDigitsThatFit) {
  EXPECT_EQ(ParseNumber("0"), 0u);
  EXPECT_EQ(ParseNumber("18446744073709551615"), UINT64_MAX);
  EXPECT_FALSE(ParseNumber("18446744073709551616").has_value());
  EXPECT_FALSE(ParseNumber("000000000000000000001").has_value());
  EXPECT_FALSE(ParseNumber("").has_value());
  EXPECT_FALSE(ParseNumber("+1").has_value());
  EXPECT_FALSE(ParseNumber("1 ").has_value());
}

TEST(ParseMail, TakesThePathAndEveryParameterThatIsOffered) {
  const auto mail =
      ParseMail("FROM:<a@b.example> SIZE=1000 BODY=8bitmime SMTPUTF8 RET=HDRS ENVID=QQ+2B1",
                PathSpacing::kRefused);
  EXPECT_TRUE(mail.keyword_found);
  EXPECT_EQ(mail.error, ParameterError::kNone);
  EXPECT_EQ(mail.path.error, message::PathError::kNone);
  EXPECT_EQ(mail.path.text, "a@b.example");
  EXPECT_EQ(mail.parameters.declared_bytes, 1000u);
  EXPECT_EQ(mail.parameters.body, message::BodyType::k8BitMime);
  EXPECT_TRUE(mail.parameters.smtp_utf8);
  EXPECT_EQ(mail.parameters.dsn_return, message::DsnReturn::kHeaders);
  EXPECT_EQ(mail.parameters.envelope_id, "QQ+2B1");
}

TEST(ParseMail, TakesTheNullReversePath) {
  const auto mail = ParseMail("from:<>", PathSpacing::kRefused);
  EXPECT_TRUE(mail.path.null);
  EXPECT_EQ(mail.path.text, "");
}

struct Wrong {
  std::string_view argument;
  ParameterError error;
  std::string_view culprit;
};

TEST(ParseMail, NamesTheParameterThatIsWrong) {
  constexpr Wrong kWrong[] = {
      {"FROM:<a@b> SIZE=x", ParameterError::kBadValue, "SIZE=x"},
      {"FROM:<a@b> SIZE", ParameterError::kBadValue, "SIZE"},
      {"FROM:<a@b> SIZE=", ParameterError::kSyntax, "SIZE="},
      {"FROM:<a@b> SIZE=1 size=2", ParameterError::kRepeated, "size=2"},
      {"FROM:<a@b> BODY=9BIT", ParameterError::kBadValue, "BODY=9BIT"},
      {"FROM:<a@b> SMTPUTF8=1", ParameterError::kBadValue, "SMTPUTF8=1"},
      {"FROM:<a@b> RET=ALL", ParameterError::kBadValue, "RET=ALL"},
      {"FROM:<a@b> ENVID=a+2b", ParameterError::kBadValue, "ENVID=a+2b"},
      {"FROM:<a@b> ENVID=a+0A", ParameterError::kBadValue, "ENVID=a+0A"},
      {"FROM:<a@b> AUTH=b", ParameterError::kBadValue, "AUTH=b"},
      {"FROM:<a@b> AUTH=<>x", ParameterError::kBadValue, "AUTH=<>x"},
      {"FROM:<a@b> AUTH=b@c+3d", ParameterError::kBadValue, "AUTH=b@c+3d"},
      {"FROM:<a@b> NOTIFY=NEVER", ParameterError::kNotOffered, "NOTIFY=NEVER"},
      {"FROM:<a@b>SIZE=1", ParameterError::kSyntax, "SIZE=1"},
      {"FROM:<a@b> =1", ParameterError::kSyntax, "=1"},
      {"FROM:<a@b> -X=1", ParameterError::kSyntax, "-X=1"},
      {"FROM:<a@b> SIZE=1=2", ParameterError::kSyntax, "SIZE=1=2"},
  };
  for (const Wrong& wrong : kWrong) {
    const auto mail = ParseMail(wrong.argument, PathSpacing::kRefused);
    EXPECT_EQ(mail.error, wrong.error) << wrong.argument;
    EXPECT_EQ(mail.culprit, wrong.culprit) << wrong.argument;
  }
}

// RFC 4954 §5.
TEST(ParseMail, TakesASubmitterOfFiveHundredOctetsAndNoneLonger) {
  EXPECT_FALSE(ParseMail("FROM:<a@b>", PathSpacing::kRefused).parameters.submitter_given);
  EXPECT_TRUE(ParseMail("FROM:<a@b> AUTH=<>", PathSpacing::kRefused).parameters.submitter_given);
  // A mailbox is shorter than that; written in xtext it may be as long.
  for (const size_t bytes : {size_t{500}, size_t{501}}) {
    std::string xtext;
    for (const char c : std::string(40, 'l') + "@")
      xtext += c == '@' ? std::string("@") : std::string("+6C");
    std::string labels;
    while (labels.size() < 200) labels += std::string(49, 'd') + ".";
    labels.resize(199);
    const size_t room = bytes - xtext.size();
    // Each octet takes one or three.
    const size_t encoded = (room - labels.size()) / 2;
    for (size_t i = 0; i < labels.size(); ++i)
      xtext += i < encoded && labels[i] == 'd' ? std::string("+64") : std::string(1, labels[i]);
    xtext.resize(std::max(xtext.size(), bytes), 'd');
    const auto mail = ParseMail("FROM:<a@b> AUTH=" + xtext, PathSpacing::kRefused);
    EXPECT_EQ(mail.error, bytes == 500 ? ParameterError::kNone : ParameterError::kBadValue)
        << xtext.size() << " " << xtext;
  }
}

TEST(ParseMail, TakesAnEnvelopeIdOfHundredOctetsAndNoneLonger) {
  const std::string at_max = "FROM:<a@b> ENVID=" + std::string(100, 'x');
  EXPECT_EQ(ParseMail(at_max, PathSpacing::kRefused).error, ParameterError::kNone);
  EXPECT_EQ(ParseMail(at_max + "x", PathSpacing::kRefused).error, ParameterError::kBadValue);
}

TEST(ParseMail, WantsSmtpUtf8ForAnAddressThatIsNotAscii) {
  EXPECT_EQ(ParseMail("FROM:<j\u00f6rg@b.example>", PathSpacing::kRefused).path.error,
            message::PathError::kNeedsSmtpUtf8);
  EXPECT_EQ(ParseMail("FROM:<j\u00f6rg@b.example> SMTPUTF8", PathSpacing::kRefused).path.error,
            message::PathError::kNone);
}

TEST(ParseMail, TakesSpaceBeforeThePathOnlyForLegacyMailers) {
  EXPECT_EQ(ParseMail("FROM: <a@b>", PathSpacing::kRefused).path.error,
            message::PathError::kSyntax);
  EXPECT_EQ(ParseMail("FROM:  <a@b>", PathSpacing::kLegacyMailer).path.text, "a@b");
}

TEST(ParseRcpt, TakesTheParametersOfDsn) {
  const auto rcpt = ParseRcpt("TO:<c@d> NOTIFY=SUCCESS,delay ORCPT=rfc822;c+2Bx@d",
                              PathSpacing::kRefused, message::Utf8::kRefused);
  EXPECT_EQ(rcpt.error, ParameterError::kNone);
  EXPECT_EQ(rcpt.parameters.notify, message::kNotifySuccess | message::kNotifyDelay);
  EXPECT_EQ(rcpt.parameters.original_recipient, "rfc822;c+2Bx@d");
}

TEST(ParseRcpt, NamesTheParameterThatIsWrong) {
  constexpr Wrong kWrong[] = {
      {"TO:<c@d> NOTIFY=NEVER,SUCCESS", ParameterError::kBadValue, "NOTIFY=NEVER,SUCCESS"},
      {"TO:<c@d> NOTIFY=SUCCESS,", ParameterError::kBadValue, "NOTIFY=SUCCESS,"},
      {"TO:<c@d> NOTIFY", ParameterError::kBadValue, "NOTIFY"},
      {"TO:<c@d> ORCPT=c@d", ParameterError::kBadValue, "ORCPT=c@d"},
      {"TO:<c@d> ORCPT=;c@d", ParameterError::kBadValue, "ORCPT=;c@d"},
      {"TO:<c@d> ORCPT=rfc822;", ParameterError::kBadValue, "ORCPT=rfc822;"},
      {"TO:<c@d> ORCPT=rfc822;a+0D", ParameterError::kBadValue, "ORCPT=rfc822;a+0D"},
      {"TO:<c@d> ORCPT=utf-8;\u00f6@d", ParameterError::kBadValue, "ORCPT"},
      {"TO:<c@d> SIZE=1", ParameterError::kNotOffered, "SIZE=1"},
  };
  for (const Wrong& wrong : kWrong) {
    const auto rcpt = ParseRcpt(wrong.argument, PathSpacing::kRefused, message::Utf8::kRefused);
    EXPECT_EQ(rcpt.error, wrong.error) << wrong.argument;
    EXPECT_EQ(rcpt.culprit, wrong.culprit) << wrong.argument;
  }
}

TEST(ParseRcpt, TakesAnOriginalRecipientOfFiveHundredOctetsAndNoneLonger) {
  const std::string at_max = "TO:<c@d> ORCPT=rfc822;" + std::string(493, 'x');
  EXPECT_EQ(ParseRcpt(at_max, PathSpacing::kRefused, message::Utf8::kRefused).error,
            ParameterError::kNone);
  EXPECT_EQ(ParseRcpt(at_max + "x", PathSpacing::kRefused, message::Utf8::kRefused).error,
            ParameterError::kBadValue);
}

TEST(ParseRcpt, TakesUtf8InTheOriginalRecipientWithSmtpUtf8) {
  const auto rcpt = ParseRcpt("TO:<\u00f6@d> ORCPT=utf-8;\u00f6@d", PathSpacing::kRefused,
                              message::Utf8::kAllowed);
  EXPECT_EQ(rcpt.error, ParameterError::kNone);
}

TEST(ParseRcpt, ForgetsTheSourceRoute) {
  const auto rcpt = ParseRcpt("TO:<@x.example,@y.example:c@d.example>", PathSpacing::kRefused,
                              message::Utf8::kRefused);
  EXPECT_EQ(rcpt.path.text, "c@d.example");
}

TEST(ParseBdat, TellsWhatFollows) {
  EXPECT_EQ(ParseBdat("12").bytes, 12u);
  EXPECT_FALSE(ParseBdat("12").last);
  EXPECT_TRUE(ParseBdat("0 last").last);
  EXPECT_TRUE(ParseBdat("0 LAST").well_formed);
  EXPECT_FALSE(ParseBdat("12 FIRST").well_formed);
  EXPECT_EQ(ParseBdat("12 FIRST").bytes, 12u);
  EXPECT_FALSE(ParseBdat("LAST").bytes.has_value());
  EXPECT_FALSE(ParseBdat("-1").bytes.has_value());
}

TEST(ValidHello, TakesDomainsAndAddressLiterals) {
  EXPECT_TRUE(ValidHello("mail.example.org", HeloSyntax::kStrict));
  EXPECT_TRUE(ValidHello("localhost", HeloSyntax::kStrict));
  EXPECT_TRUE(ValidHello("[192.0.2.1]", HeloSyntax::kStrict));
  EXPECT_TRUE(ValidHello("[IPv6:2001:db8::1]", HeloSyntax::kStrict));
  EXPECT_FALSE(ValidHello("", HeloSyntax::kStrict));
  EXPECT_FALSE(ValidHello("a b", HeloSyntax::kStrict));
  EXPECT_FALSE(ValidHello("[192.0.2.1", HeloSyntax::kStrict));
  EXPECT_FALSE(ValidHello("a(b)", HeloSyntax::kStrict));
  EXPECT_FALSE(ValidHello("MY_PC", HeloSyntax::kStrict));
  EXPECT_TRUE(ValidHello("MY_PC", HeloSyntax::kWindowsHost));
  EXPECT_FALSE(ValidHello("MY PC", HeloSyntax::kWindowsHost));
}

}  // namespace
}  // namespace ringmail::smtp
