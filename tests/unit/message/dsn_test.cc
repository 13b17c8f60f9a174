#include "ringmail/message/dsn.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "ringmail/codec/data_scan.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::message {
namespace {

constexpr std::string_view kOriginal =
    "From: a@example.org\r\nTo: b@example.net\r\nSubject: hello\r\n\r\nbody\r\n";

DsnRequest Sample() {
  DsnRequest request{.reporting_host = "mx.example.org",
                     .queue_id = QueueId(0x1a2),
                     .own_id = QueueId(0x1a3),
                     .to = "a@example.org",
                     .envelope_id = "QQ+2B1",
                     .arrival = FromUnixSeconds(1795412528),
                     .now = FromUnixSeconds(1795844528),
                     .original = kOriginal,
                     .original_is_whole = true};
  request.recipients.push_back(
      {.path = "b@example.net",
       .original_recipient = "rfc822;b+2Bc@example.net",
       .status = {5, 1, 1},
       .remote_host = "mx.example.net",
       .diagnostic = {.code = 550, .status = {5, 1, 1}, .text = "No such\nuser"},
       .last_attempt = FromUnixSeconds(1795844000)});
  return request;
}

// A report taken apart by RFC 2046, without trust in the writer.
struct Report {
  std::string header;
  std::vector<std::string> parts;
};

std::string Boundary(const std::string& header) {
  const size_t at = header.find("boundary=\"");
  if (at == std::string::npos) return "?";
  return header.substr(at + 10, header.find('"', at + 10) - at - 10);
}

Report Open(const std::string& text) {
  Report report;
  const size_t split = text.find("\r\n\r\n");
  EXPECT_NE(split, std::string::npos);
  report.header = text.substr(0, split + 2);
  const std::string delimiter = "\r\n--" + Boundary(report.header);
  size_t at = text.find(delimiter, split);
  while (at != std::string::npos) {
    const size_t begin = at + delimiter.size();
    if (text.compare(begin, 2, "--") == 0) {
      EXPECT_EQ(text.substr(begin), "--\r\n");
      return report;
    }
    EXPECT_EQ(text.substr(begin, 2), "\r\n");
    at = text.find(delimiter, begin);
    EXPECT_NE(at, std::string::npos) << "no closing delimiter";
    report.parts.push_back(text.substr(begin + 2, at - begin - 2));
  }
  ADD_FAILURE() << "no closing delimiter";
  return report;
}

uint8_t Flags(std::string_view text) {
  codec::ContentScanner scanner;
  codec::DataScanner::Step step;
  while (!text.empty()) {
    scanner.Feed(text, step);
    text.remove_prefix(step.consumed);
  }
  return scanner.final_flags();
}

bool Has(const std::string& text, std::string_view what) {
  return text.find(what) != std::string::npos;
}

TEST(DsnTest, AFailureSaysWhatTheServerSaidAndReturnsTheMessage) {
  const std::string text = WriteDsn(Sample());
  const Report report = Open(text);
  EXPECT_EQ(Flags(text), 0);
  EXPECT_TRUE(Has(report.header, "From: Mail Delivery System <MAILER-DAEMON@mx.example.org>\r\n"));
  EXPECT_TRUE(Has(report.header, "To: <a@example.org>\r\n"));
  EXPECT_TRUE(Has(report.header, "Subject: Undelivered mail returned to sender\r\n"));
  EXPECT_TRUE(Has(report.header, "Date: Sat, 28 Nov 2026 05:42:08 +0000\r\n"));
  EXPECT_TRUE(Has(report.header, "Message-ID: <0000000000d3@mx.example.org>\r\n"));
  EXPECT_TRUE(Has(report.header, "Auto-Submitted: auto-replied\r\n"));
  EXPECT_TRUE(Has(report.header, "multipart/report; report-type=delivery-status;"));
  ASSERT_EQ(report.parts.size(), 3u);
  EXPECT_TRUE(Has(report.parts[0], "<b@example.net> could"));
  EXPECT_TRUE(Has(report.parts[0], "    550 5.1.1 No such user"));
  EXPECT_EQ(report.parts[1],
            "Content-Description: Delivery report\r\n"
            "Content-Type: message/delivery-status\r\n"
            "\r\n"
            "Original-Envelope-Id: QQ+1\r\n"
            "Reporting-MTA: dns; mx.example.org\r\n"
            "Arrival-Date: Mon, 23 Nov 2026 05:42:08 +0000\r\n"
            "\r\n"
            "Original-Recipient: rfc822; b+c@example.net\r\n"
            "Final-Recipient: rfc822; b@example.net\r\n"
            "Action: failed\r\n"
            "Status: 5.1.1\r\n"
            "Remote-MTA: dns; mx.example.net\r\n"
            "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"
            "Last-Attempt-Date: Sat, 28 Nov 2026 05:33:20 +0000\r\n"
            "Final-Log-ID: 0000000000d2\r\n");
  EXPECT_EQ(report.parts[2],
            "Content-Description: Undelivered message\r\nContent-Type: message/rfc822\r\n\r\n" +
                std::string(kOriginal));
}

TEST(DsnTest, RetHdrsAndReportsOfDelayOrSuccessReturnHeadersOnly) {
  DsnRequest request = Sample();
  request.returns = DsnReturn::kHeaders;
  const std::string headers =
      "Content-Description: Message headers\r\nContent-Type: text/rfc822-headers\r\n\r\n"
      "From: a@example.org\r\nTo: b@example.net\r\nSubject: hello\r\n";
  EXPECT_EQ(Open(WriteDsn(request)).parts[2], headers);
  request.returns = DsnReturn::kFull;
  request.recipients[0].action = DsnAction::kDelayed;
  EXPECT_EQ(Open(WriteDsn(request)).parts[2], headers);
  request.recipients[0].action = DsnAction::kFailed;
  EXPECT_TRUE(Has(Open(WriteDsn(request)).parts[2], "message/rfc822"));
}

TEST(DsnTest, ADelayNamesUntilWhenItIsTried) {
  DsnRequest request = Sample();
  request.recipients[0].action = DsnAction::kDelayed;
  request.recipients[0].status = {};
  request.recipients[0].diagnostic = {};
  request.recipients[0].will_retry_until = FromUnixSeconds(1795844528);
  const Report report = Open(WriteDsn(request));
  EXPECT_TRUE(Has(report.header, "Subject: Delayed mail (still being tried)\r\n"));
  EXPECT_TRUE(Has(report.parts[1], "\r\nAction: delayed\r\nStatus: 4.0.0\r\n"));
  EXPECT_TRUE(Has(report.parts[1], "\r\nWill-Retry-Until: Sat, 28 Nov 2026 05:42:08 +0000\r\n"));
  EXPECT_FALSE(Has(report.parts[1], "Diagnostic-Code"));
  request.recipients[0].action = DsnAction::kFailed;
  EXPECT_FALSE(Has(WriteDsn(request), "Will-Retry-Until")) << "RFC 3464 §2.3.9: only for delayed";
}

TEST(DsnTest, EveryActionHasItsNameAndTheClassOfItsStatus) {
  const std::pair<DsnAction, std::string_view> kActions[] = {
      {DsnAction::kFailed, "Action: failed\r\nStatus: 5.0.0\r\n"},
      {DsnAction::kDelayed, "Action: delayed\r\nStatus: 4.0.0\r\n"},
      {DsnAction::kDelivered, "Action: delivered\r\nStatus: 2.0.0\r\n"},
      {DsnAction::kRelayed, "Action: relayed\r\nStatus: 2.0.0\r\n"},
      {DsnAction::kExpanded, "Action: expanded\r\nStatus: 2.0.0\r\n"}};
  for (const auto& [action, text] : kActions) {
    DsnRequest request = Sample();
    request.recipients[0] = {.path = "b@example.net", .action = action};
    EXPECT_TRUE(Has(WriteDsn(request), text)) << text;
  }
}

TEST(DsnTest, OurOwnVerdictIsNoSmtpDiagnostic) {
  DsnRequest request = Sample();
  request.recipients[0].remote_host = {};
  const std::string text = WriteDsn(request);
  EXPECT_TRUE(Has(text, "Diagnostic-Code: x-ringmail; 550 5.1.1 No such user\r\n"));
  EXPECT_FALSE(Has(text, "Remote-MTA"));
}

TEST(DsnTest, ASocketOfThisHostIsNoNameOfTheDns) {
  DsnRequest request = Sample();
  request.recipients[0].remote_host = "unix:/run/dovecot/lmtp";
  const std::string text = WriteDsn(request);
  EXPECT_TRUE(Has(text, "Remote-MTA: x-unix; /run/dovecot/lmtp\r\n"));
  EXPECT_TRUE(Has(text, "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"));
}

TEST(DsnTest, WhatAPeerSaidForgesNoFieldAndNoPart) {
  DsnRequest request = Sample();
  request.envelope_id = "x+0D+0AAction:+20delivered";
  request.recipients[0].original_recipient = "rfc822;y+0D+0AStatus:+202.0.0";
  request.recipients[0].remote_host = "evil\r\nAction: delivered";
  request.recipients[0].diagnostic.text =
      "x\r\n\r\n--=_0000000000d3_0000000000d2--\nAction: delivered" + std::string(3000, 'y') +
      std::string("\0\x80\xFF\x1B", 4);
  const std::string text = WriteDsn(request);
  const Report report = Open(text);
  EXPECT_EQ(report.parts.size(), 3u);
  EXPECT_EQ(Flags(text), 0) << "7-bit, CRLF only, no line too long";
  EXPECT_FALSE(Has(text, "\r\nAction: delivered"));
  EXPECT_FALSE(Has(text, "\r\nStatus: 2"));
  EXPECT_TRUE(Has(text, "Original-Envelope-Id: x+0D+0AAction:+20delivered\r\n"));
}

TEST(DsnTest, AnOrcptThatIsNoneIsLeftOut) {
  for (const char* bad : {"", "rfc822", ";x", "rfc822;", "rf c;x", "rfc822\r\nX: y;z", "utf-8;a+b",
                          "utf-8;\\x{D800}", "rfc822;\xFF"}) {
    DsnRequest request = Sample();
    request.recipients[0].original_recipient = bad;
    EXPECT_FALSE(Has(WriteDsn(request), "Original-Recipient")) << bad;
  }
}

TEST(DsnTest, ABoundaryThatTheOriginalHasIsNotUsed) {
  DsnRequest request = Sample();
  const std::string original = std::string(kOriginal) +
                               "--=_0000000000d3_0000000000d2--\r\n"
                               "--=_0000000000d3_0000000000d2_0\r\n";
  request.original = original;
  const Report report = Open(WriteDsn(request));
  ASSERT_EQ(report.parts.size(), 3u);
  EXPECT_TRUE(report.parts[2].ends_with(original));
}

TEST(DsnTest, WordsOfAPeerThatFoldToTheStartOfALineAreNoDelimiter) {
  DsnRequest request = Sample();
  for (size_t pad = 0; pad < 80; ++pad) {
    const std::string path = std::string(pad, 'a') + " --=_0000000000d3_0000000000d2-- b";
    request.recipients[0].path = path;
    ASSERT_EQ(Open(WriteDsn(request)).parts.size(), 3u) << pad;
  }
}

TEST(DsnTest, Utf8AddressesAreCodedWhereTheReportIsNotUtf8) {
  DsnRequest request = Sample();
  request.recipients[0].path = "grüße@bücher.example";
  request.recipients[0].original_recipient = "utf-8;gr\\x{FC}\\x{DF}e@b\\x{FC}cher.example";
  const std::string text = WriteDsn(request);
  EXPECT_EQ(Flags(text), 0);
  EXPECT_TRUE(Has(text, "Final-Recipient: utf-8; gr\\x{FC}\\x{DF}e@b\\x{FC}cher.example\r\n"));
  EXPECT_TRUE(Has(text, "Original-Recipient: utf-8; gr\\x{FC}\\x{DF}e@b\\x{FC}cher.example\r\n"));
}

TEST(DsnTest, Utf8ReportsUseTheGlobalForms) {
  DsnRequest request = Sample();
  request.smtp_utf8 = true;
  request.to = "müller@example.org";
  request.recipients[0].path = "grüße@bücher.example";
  request.recipients[0].original_recipient = "utf-8;gr\\x{FC}\\x{DF}e@b\\x{FC}cher.example";
  const std::string original = "Subject: Grüße\r\n\r\nbody\r\n";
  request.original = original;
  const std::string text = WriteDsn(request);
  EXPECT_TRUE(codec::Utf8Valid(text));
  const Report report = Open(text);
  EXPECT_TRUE(Has(report.header, "report-type=global-delivery-status"));
  EXPECT_TRUE(Has(report.header, "Content-Transfer-Encoding: 8bit\r\n"));
  EXPECT_TRUE(Has(report.header, "To: <müller@example.org>\r\n"));
  EXPECT_TRUE(Has(report.parts[1], "Content-Type: message/global-delivery-status\r\n"));
  EXPECT_TRUE(Has(report.parts[1], "Final-Recipient: utf-8; grüße@bücher.example\r\n"));
  EXPECT_TRUE(Has(report.parts[1], "Original-Recipient: utf-8; grüße@bücher.example\r\n"));
  EXPECT_TRUE(Has(report.parts[2], "Content-Type: message/global\r\n"));
  EXPECT_TRUE(report.parts[2].ends_with("\r\n\r\n" + original));
}

TEST(DsnTest, AnOriginalThatCannotTravelAsItIsComesBackAsCodedHeaders) {
  DsnRequest request = Sample();
  const std::string original =
      "Subject: a\nb \r\nX: " + std::string(1200, 'x') + std::string("=\0", 2) + "\r\n\r\nbody\r\n";
  request.original = original;
  const std::string text = WriteDsn(request);
  EXPECT_EQ(Flags(text), 0);
  const Report report = Open(text);
  ASSERT_EQ(report.parts.size(), 3u);
  EXPECT_TRUE(Has(report.parts[2],
                  "Content-Type: text/rfc822-headers\r\n"
                  "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                  "Subject: a=0Ab=20\r\nX: xxxx"));
  EXPECT_FALSE(Has(report.parts[2], "body"));
  EXPECT_TRUE(Has(report.parts[2], "=3D"));
  size_t begin = 0;
  for (size_t end; (end = report.parts[2].find("\r\n", begin)) != std::string::npos;
       begin = end + 2) {
    EXPECT_LE(end - begin, 76u);
  }
}

TEST(DsnTest, EightBitOriginalsSayEightBit) {
  DsnRequest request = Sample();
  const std::string original = "Subject: x\r\n\r\ngr\xFC\xDF\r\n";
  request.original = original;
  const Report report = Open(WriteDsn(request));
  EXPECT_TRUE(Has(report.header, "Content-Transfer-Encoding: 8bit\r\n"));
  EXPECT_TRUE(
      Has(report.parts[2], "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit"));
  request.original = {};
  EXPECT_EQ(Open(WriteDsn(request)).parts.size(), 2u) << "nothing to return";
}

TEST(DsnTest, AnyWordsOfPeersGiveAValidReport) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    std::mt19937_64 random(seed);
    const auto text = [&random](size_t bytes_max) {
      static constexpr std::string_view kPieces[] = {"\r\n", "\n",  "\r",   " ", "--",   ";",
                                                     ":",    "+0A", "\\x{", "ü", "\xFF", "=_"};
      std::string out;
      for (size_t n = random() % (bytes_max + 1); n > 0; --n) {
        if (random() % 3 == 0) {
          out += kPieces[random() % std::size(kPieces)];
        } else {
          out += static_cast<char>(random());
        }
      }
      return out;
    };
    const std::string id = text(40), path = text(60), orcpt = "rfc822;" + text(60), host = text(40);
    const std::string original = text(2000), said = text(1024);
    DsnRequest request = Sample();
    request.envelope_id = id;
    request.smtp_utf8 = random() % 2 == 0;
    request.returns = static_cast<DsnReturn>(random() % 3);
    request.original = original;
    request.original_is_whole = random() % 2 == 0;
    request.recipients[0] = {.path = path,
                             .original_recipient = orcpt,
                             .action = static_cast<DsnAction>(random() % 5),
                             .remote_host = host,
                             .diagnostic = {.code = 550, .text = said}};
    const std::string report = WriteDsn(request);
    ASSERT_EQ(Flags(report) & ~codec::kData8Bit, 0) << seed;
    if (!request.smtp_utf8 && codec::IsAscii(original)) {
      ASSERT_EQ(Flags(report), 0) << seed;
    }
    const Report opened = Open(report);
    ASSERT_GE(opened.parts.size(), 2u) << seed;
    // Exactly the fields that we wrote, once.
    const std::string& status = opened.parts[1];
    size_t actions = 0;
    for (size_t at = 0; (at = status.find("\r\nAction:", at)) != std::string::npos; ++at) ++actions;
    ASSERT_EQ(actions, 1u) << seed;
    for (size_t at = 0; at < status.size();) {
      const size_t end = status.find("\r\n", at);
      ASSERT_NE(end, std::string::npos);
      const std::string line = status.substr(at, end - at);
      ASSERT_TRUE(line.empty() || line.starts_with("    ") || line.find(": ") != std::string::npos);
      at = end + 2;
    }
  }
}

}  // namespace
}  // namespace ringmail::message
