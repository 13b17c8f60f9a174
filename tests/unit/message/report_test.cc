#include "ringmail/message/report.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace ringmail::message {
namespace {

// RFC 3464 appendix E.
TEST(ParseDeliveryStatusTest, ReadsTheExamplesOfRfc3464) {
  const auto one = ParseDeliveryStatus(
      "Reporting-MTA: dns; cs.utk.edu\r\n\r\n"
      "Original-Recipient: rfc822;louisl@larry.slip.umd.edu\r\n"
      "Final-Recipient: rfc822;louisl@larry.slip.umd.edu\r\nAction: failed\r\nStatus: 4.0.0\r\n"
      "Diagnostic-Code: smtp; 426 connection timed out\r\n"
      "Last-Attempt-Date: Thu, 7 Jul 1994 17:15:49 -0400\r\n");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->reporting_mta, (ReportValue{"dns", "cs.utk.edu"}));
  ASSERT_EQ(one->recipients.size(), 1u);
  const RecipientStatus& louis = one->recipients[0];
  EXPECT_EQ(louis.original_recipient, (ReportValue{"rfc822", "louisl@larry.slip.umd.edu"}));
  EXPECT_EQ(louis.final_recipient, louis.original_recipient);
  EXPECT_EQ(louis.action, DsnAction::kFailed);
  EXPECT_EQ(louis.status, (EnhancedStatus{4, 0, 0}));
  EXPECT_EQ(louis.diagnostic, (ReportValue{"smtp", "426 connection timed out"}));
  EXPECT_EQ(louis.last_attempt, ParseDate("Thu, 7 Jul 1994 17:15:49 -0400"));
  EXPECT_TRUE(louis.others.empty());

  const auto three = ParseDeliveryStatus(
      "Reporting-MTA: dns; cs.utk.edu\n\n"
      "Original-Recipient: rfc822;arathib@vnet.ibm.com\nFinal-Recipient: "
      "rfc822;arathib@vnet.ibm.com\n"
      "Action: failed\nStatus: 5.0.0 (permanent failure)\n"
      "Diagnostic-Code: smtp;\n 550 'arathib@vnet.IBM.COM' is not a registered gateway user\n"
      "Remote-MTA: dns; vnet.ibm.com\n\n"
      "Original-Recipient: rfc822;johnh@hpnjld.njd.hp.com\nFinal-Recipient: "
      "rfc822;johnh@hpnjld.njd.hp.com\n"
      "Action: delayed\nStatus: 4.0.0 (hpnjld.njd.jp.com: host name lookup failure)\n\n"
      "Original-Recipient: rfc822;wsnell@sdcc13.ucsd.edu\nFinal-Recipient: "
      "rfc822;wsnell@sdcc13.ucsd.edu\n"
      "Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 user unknown\n"
      "Remote-MTA: dns; sdcc13.ucsd.edu\n");
  ASSERT_TRUE(three);
  ASSERT_EQ(three->recipients.size(), 3u);
  EXPECT_EQ(three->recipients[0].status, (EnhancedStatus{5, 0, 0}));
  EXPECT_EQ(three->recipients[0].diagnostic.value,
            "550 'arathib@vnet.IBM.COM' is not a registered gateway user");
  EXPECT_EQ(three->recipients[1].action, DsnAction::kDelayed);
  EXPECT_EQ(three->recipients[2].remote_mta, (ReportValue{"dns", "sdcc13.ucsd.edu"}));
}

TEST(ParseDeliveryStatusTest, ReadsEveryFieldAndKeepsTheOthers) {
  const auto status = ParseDeliveryStatus(
      "\r\nOriginal-Envelope-Id: id 1\r\nDSN-Gateway: dns; gw\r\nReceived-From-MTA: dns; from\r\n"
      "Arrival-Date: Mon, 23 Nov 2026 05:42:08 +0000\r\nX-Own: a\r\n b\r\n\r\n\r\n"
      "final-recipient: UTF-8; jos\\x{E9}@x (a comment)\r\naction: EXPANDED\r\nstatus: 2.1.999\r\n"
      "Final-Log-ID: q1\r\nWill-Retry-Until: Tue, 24 Nov 2026 05:42:08 +0000\r\nX-More: "
      "\xFF\x01\r\n");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->envelope_id, "id 1");
  EXPECT_EQ(status->dsn_gateway.value, "gw");
  EXPECT_EQ(status->received_from_mta.value, "from");
  EXPECT_TRUE(status->arrival);
  EXPECT_EQ(status->others, (std::vector<ReportField>{{"X-Own", "a b"}}));
  const RecipientStatus& recipient = status->recipients.at(0);
  EXPECT_EQ(recipient.final_recipient, (ReportValue{"utf-8", "jos\u00E9@x"}));
  EXPECT_EQ(recipient.action, DsnAction::kExpanded);
  EXPECT_EQ(recipient.status, (EnhancedStatus{2, 1, 999}));
  EXPECT_EQ(recipient.final_log_id, "q1");
  EXPECT_TRUE(recipient.will_retry_until);
  EXPECT_EQ(recipient.others, (std::vector<ReportField>{{"X-More", "\uFFFD"}}));
}

TEST(ParseDeliveryStatusTest, TakesWhatIsNotThereAsAbsent) {
  EXPECT_FALSE(ParseDeliveryStatus(""));
  EXPECT_FALSE(ParseDeliveryStatus("\r\n\r\n"));
  EXPECT_FALSE(ParseDeliveryStatus("Reporting-MTA: dns; a\r\n"));
  EXPECT_FALSE(ParseDeliveryStatus("no field\r\nFinal-Recipient: rfc822; a\r\n"));
  // Some have no group for the message.
  const auto status =
      ParseDeliveryStatus("Final-Recipient: a@b\r\nAction: bounced\r\nStatus: 6.1\r\n");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->recipients[0].final_recipient, (ReportValue{"", "a@b"}));
  EXPECT_FALSE(status->recipients[0].action);
  EXPECT_FALSE(status->recipients[0].status.present());
  for (const std::string_view bad : {"5", "5.1", "5.1.", "3.1.1", "5.1.1.1", "5.1.1000", "x"}) {
    const auto read = ParseDeliveryStatus("Final-Recipient: a\nStatus: " + std::string(bad) + "\n");
    EXPECT_FALSE(read->recipients[0].status.present()) << bad;
  }
}

struct Message {
  explicit Message(std::string t) : text(std::move(t)), content(text) {
    TreeBuilder builder({});
    builder.Start(tree);
    builder.Feed(text);
    builder.Finish();
  }
  MessageView view() const { return {tree, content}; }
  PartIndex Find(MediaSubtype subtype) const {
    for (PartIndex i = 0; i < tree.parts.size(); ++i) {
      if (tree.parts[i].media_subtype == subtype) return i;
    }
    return kNoPart;
  }
  std::string text;
  Tree tree;
  ContentView content;
};

TEST(ReadDeliveryStatusTest, ReadsWhatWriteDsnWrote) {
  for (const bool utf8 : {false, true}) {
    DsnRequest request{.reporting_host = "mx.example.org", .to = "a@b", .smtp_utf8 = utf8};
    request.recipients.push_back({.path = "jos\u00E9@example.org",
                                  .original_recipient = "rfc822;j+2Bx@example.org",
                                  .action = DsnAction::kFailed,
                                  .status = {5, 1, 1},
                                  .remote_host = "peer.example.org",
                                  .diagnostic = {.code = 550, .text = "no (such) user; sorry"}});
    request.recipients.push_back({.path = "second@example.org", .action = DsnAction::kDelivered});
    const Message report(WriteDsn(request));
    const PartIndex part =
        report.Find(utf8 ? MediaSubtype::kGlobalDeliveryStatus : MediaSubtype::kDeliveryStatus);
    ASSERT_NE(part, kNoPart);
    const auto status = ReadDeliveryStatus(report.view(), part);
    ASSERT_TRUE(status);
    ASSERT_EQ(status->recipients.size(), 2u);
    EXPECT_EQ(status->reporting_mta, (ReportValue{"dns", "mx.example.org"}));
    EXPECT_EQ(status->recipients[0].final_recipient,
              (ReportValue{"utf-8", "jos\u00E9@example.org"}));
    EXPECT_EQ(status->recipients[0].original_recipient, (ReportValue{"rfc822", "j+x@example.org"}));
    EXPECT_EQ(status->recipients[0].status, (EnhancedStatus{5, 1, 1}));
    EXPECT_EQ(status->recipients[0].diagnostic, (ReportValue{"smtp", "550 no (such) user; sorry"}));
    EXPECT_EQ(status->recipients[1].action, DsnAction::kDelivered);
    EXPECT_FALSE(ReadDeliveryStatus(report.view(), 0));
  }
}

// RFC 8098 §9.
TEST(ParseDispositionNotificationTest, ReadsTheExampleOfRfc8098) {
  const auto read = ParseDispositionNotification(
      "Reporting-UA: joes-pc.cs.example.com; Foomail 97.1\r\n"
      "Original-Recipient: rfc822;Joe_Recipient@example.com\r\n"
      "Final-Recipient: rfc822;Joe_Recipient@example.com\r\n"
      "Original-Message-ID: <199509192301.23456@example.org>\r\n"
      "Disposition: manual-action/MDN-sent-manually; displayed\r\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->reporting_agent, "joes-pc.cs.example.com; Foomail 97.1");
  EXPECT_EQ(read->final_recipient, (ReportValue{"rfc822", "Joe_Recipient@example.com"}));
  EXPECT_EQ(read->original_message_id, "199509192301.23456@example.org");
  EXPECT_FALSE(read->disposition.automatic_action);
  EXPECT_FALSE(read->disposition.sent_automatically);
  EXPECT_EQ(read->disposition.kind, MdnDisposition::kDisplayed);
  EXPECT_TRUE(read->disposition.modifiers.empty());
}

TEST(ParseDispositionNotificationTest, ReadsModifiersErrorsAndOldWords) {
  const auto read = ParseDispositionNotification(
      "Final-Recipient: utf-8; jos\u00E9@x\r\nMDN-Gateway: dns; gw\r\nX-Own: y\r\nError: "
      "first\r\nError: second\r\n"
      "Disposition: Automatic-Action / MDN-Sent-Automatically (c);\r\n Failed/ Error , "
      "expired\r\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->final_recipient.value, "jos\u00E9@x");
  EXPECT_EQ(read->gateway, (ReportValue{"dns", "gw"}));
  EXPECT_TRUE(read->disposition.automatic_action);
  EXPECT_TRUE(read->disposition.sent_automatically);
  EXPECT_FALSE(read->disposition.kind);
  EXPECT_EQ(read->disposition.word, "failed");
  EXPECT_EQ(read->disposition.modifiers, (std::vector<std::string>{"error", "expired"}));
  EXPECT_EQ(read->errors, (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(read->others, (std::vector<ReportField>{{"X-Own", "y"}}));
  EXPECT_FALSE(ParseDispositionNotification("Final-Recipient: rfc822; a\r\n"));
  EXPECT_FALSE(
      ParseDispositionNotification("Final-Recipient: rfc822; a\r\nDisposition: displayed\r\n"));
  EXPECT_FALSE(
      ParseDispositionNotification("Disposition: manual-action/MDN-sent-manually; displayed\r\n"));
}

TEST(ReadDispositionNotificationTest, ReadsWhatWriteMdnWrote) {
  for (const std::string_view address : {"a@b", "jos\u00E9@x"}) {
    const Message report(WriteMdn({.text = "Seen.\r\n",
                                   .final_recipient = address,
                                   .original_message_id = "m@x",
                                   .disposition = MdnDisposition::kProcessed,
                                   .manual = false,
                                   .error = "out of paper"}));
    const auto read = ReadDispositionNotification(report.view(), 2);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->final_recipient.value, address);
    EXPECT_EQ(read->original_message_id, "m@x");
    EXPECT_EQ(read->disposition.kind, MdnDisposition::kProcessed);
    EXPECT_TRUE(read->disposition.sent_automatically);
    EXPECT_EQ(read->disposition.modifiers, (std::vector<std::string>{"error"}));
    EXPECT_EQ(read->errors, (std::vector<std::string>{"out of paper"}));
    EXPECT_FALSE(ReadDispositionNotification(report.view(), 1));
  }
}

}  // namespace
}  // namespace ringmail::message
