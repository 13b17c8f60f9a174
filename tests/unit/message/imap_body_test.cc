#include "ringmail/message/imap_body.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmail::message {
namespace {

std::string Show(std::string_view text, ImapBody form, bool envelope, ImapText strings) {
  Tree tree;
  TreeBuilder builder({});
  builder.Start(tree);
  builder.Feed(text);
  builder.Finish();
  const ContentView content(text);
  std::string out;
  if (envelope) {
    AppendEnvelope({tree, content}, 0, strings, out);
  } else {
    AppendBody({tree, content}, 0, form, strings, out);
  }
  return out;
}
std::string Envelope(std::string_view text, ImapText strings = ImapText::kAscii) {
  return Show(text, ImapBody::kBody, true, strings);
}
std::string Body(std::string_view text) {
  return Show(text, ImapBody::kBody, false, ImapText::kAscii);
}
std::string Structure(std::string_view text) {
  return Show(text, ImapBody::kBodyStructure, false, ImapText::kAscii);
}

// RFC 9051 §8, its sample connection.
constexpr std::string_view kSample =
    "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
    "From: Terry Gray <gray@cac.washington.edu>\r\n"
    "Subject: IMAP4rev2 WG mtg summary and minutes\r\n"
    "To: imap@cac.washington.edu\r\n"
    "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
    "Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\nx\r\n";

TEST(ImapEnvelopeTest, IsThatOfTheSampleInRfc9051) {
  EXPECT_EQ(Envelope(kSample),
            "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" "
            "\"IMAP4rev2 WG mtg summary and minutes\" "
            "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
            "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
            "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
            "((NIL NIL \"imap\" \"cac.washington.edu\")) "
            "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
            "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
            "\"<B27397-0100000@cac.washington.edu>\")");
  EXPECT_EQ(Body(kSample), "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 3 1)");
}

TEST(ImapEnvelopeTest, MarksGroupsByNil) {
  EXPECT_EQ(Envelope("To: g: a@b;, c\r\n\r\n"),
            "(NIL NIL NIL NIL NIL ((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)"
            "(NIL NIL \"c\" \"\")) NIL NIL NIL NIL)");
}

TEST(ImapEnvelopeTest, JoinsObsoleteFieldsOfOneName) {
  EXPECT_EQ(Envelope("To: a@b\r\nTo: c@d\r\n\r\n"),
            "(NIL NIL NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)");
}

TEST(ImapEnvelopeTest, PutsIntoLiteralsWhatCannotBeQuoted) {
  EXPECT_EQ(Envelope("Subject: \xC3\xA9\r\n\r\n").substr(0, 15), "(NIL {2}\r\n\xC3\xA9 NI");
  EXPECT_EQ(Envelope("Subject: \xC3\xA9\r\n\r\n", ImapText::kUtf8).substr(0, 12),
            "(NIL \"\xC3\xA9\" NI");
  EXPECT_EQ(Envelope("Subject: \xE9\r\n\r\n", ImapText::kUtf8).substr(0, 13), "(NIL {1}\r\n\xE9 N");
  EXPECT_EQ(Envelope("Subject: a\"b\\c\r\n d\r\n\r\n").substr(0, 18), "(NIL \"a\\\"b\\\\c d\" N");
  EXPECT_EQ(Envelope(std::string_view("Subject: a\0b\r\n\r\n", 16)).substr(0, 13),
            "(NIL {2}\r\nab ");
}

// RFC 9051 §7.5.2, the example of a multipart, with extension data.
TEST(ImapBodyStructureTest, HasExtensionDataForEachPart) {
  EXPECT_EQ(Structure("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n"
                      "Content-Language: en, de\r\n\r\n"
                      "--b\r\n\r\ntext\r\n"
                      "--b\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME=\"cc.diff\"\r\n"
                      "Content-ID: <960723@cac>\r\nContent-Description: Compiler diff\r\n"
                      "Content-Transfer-Encoding: BASE64\r\nContent-MD5: Q2h=\r\n"
                      "Content-Disposition: attachment; filename*0=a; filename*1*=%41\r\n"
                      "Content-Location: http://x\r\n\r\nAAAA\r\nAAAA\r\n--b--\r\n"),
            "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 0 NIL NIL NIL NIL)"
            "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\") \"<960723@cac>\" "
            "\"Compiler diff\" \"BASE64\" 10 1 \"Q2h=\" "
            "(\"attachment\" (\"filename*0\" \"a\" \"filename*1*\" \"%41\")) NIL \"http://x\") "
            "\"mixed\" (\"boundary\" \"b\") NIL (\"en\" \"de\") NIL)");
}

TEST(ImapBodyStructureTest, HasTheEnvelopeAndBodyOfAMessageWithin) {
  EXPECT_EQ(Body("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n"
                 "Subject: in\r\n\r\none\r\ntwo\r\n"),
            "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 25 "
            "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
            "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2) 4)");
}

TEST(ImapBodyStructureTest, FollowsTheGrammarWhereTheMessageDoesNot) {
  EXPECT_EQ(Body("MIME-Version: 1.0\r\nContent-Type: multipart/x\r\n\r\ntext\r\n"),
            "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 6 1) \"x\")");
  EXPECT_EQ(Body("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n"
                 "Content-Transfer-Encoding: base64\r\n\r\nAAAA"),
            "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 4)");
  EXPECT_EQ(Body("MIME-Version: 1.0\r\nContent-Type: ;\r\n\r\n"),
            "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)");
}

}  // namespace
}  // namespace ringmail::message
