#include "ringmail/foreign/mbox.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace ringmail::foreign {
namespace {

struct Read {
  std::vector<MboxMessage> messages;
  std::vector<uint64_t> too_long;
  bool not_mbox = false;
};

// Reads as a file is read, in pieces of `cut` octets.
Read ReadAll(std::string_view file, size_t cut, MboxOptions options = {}) {
  MboxReader reader(options);
  Read read;
  size_t fed = 0;
  for (;;) {
    switch (reader.Next()) {
      case MboxReader::Want::kMore:
        if (fed == file.size()) {
          reader.FeedEnd();
        } else {
          reader.Feed(file.substr(fed, cut));
          fed = std::min(fed + cut, file.size());
        }
        break;
      case MboxReader::Want::kProbe:
        reader.Probed(reader.probe_offset() > file.size()
                          ? ">"
                          : file.substr(reader.probe_offset(), kMboxProbeBytes));
        break;
      case MboxReader::Want::kMessage:
        read.messages.push_back(reader.message());
        break;
      case MboxReader::Want::kTooLong:
        read.too_long.push_back(reader.message().offset);
        break;
      case MboxReader::Want::kNotMbox:
        read.not_mbox = true;
        break;
      case MboxReader::Want::kEnd:
        return read;
    }
  }
}

std::vector<std::string> Texts(const Read& read) {
  std::vector<std::string> texts;
  for (const MboxMessage& one : read.messages) texts.push_back(one.octets);
  return texts;
}

constexpr std::string_view kTwo =
    "From a@b Thu Nov 21 13:20:54 1996\n"
    "Subject: one\nStatus: RO\nX-Status: AF\nX-Keywords: $Junk work\nX-UID: 7\n"
    "\n>From here\n>>From there\nFrom here on\n\n"
    "From - Fri Nov 22 01:02:03 1996 +0100\r\nSubject: two\r\n\r\ntext\r\n";

TEST(Mbox, MessagesComeWithTheirMarksHoweverTheFileIsCut) {
  for (size_t cut = 1; cut < kTwo.size() + 1; ++cut) {
    const Read read = ReadAll(kTwo, cut);
    ASSERT_EQ(Texts(read), (std::vector<std::string>{
                               "Subject: one\r\n\r\nFrom here\r\n>From there\r\nFrom here on\r\n",
                               "Subject: two\r\n\r\ntext\r\n"}))
        << cut;
    const Marks& marks = read.messages[0].marks;
    EXPECT_EQ(marks.flags, kSeen | kAnswered | kFlagged);
    EXPECT_EQ(marks.keywords, (std::vector<std::string>{"$Junk", "work"}));
    EXPECT_EQ(marks.uid, 7u);
    EXPECT_EQ(marks.date_seconds, 848582454);
    EXPECT_EQ(read.messages[1].marks.date_seconds, 848582454 + 41 * 60 + 9 + 10 * 3600);
    EXPECT_EQ(read.messages[1].offset, kTwo.find("From - "));
  }
}

TEST(Mbox, MboxoTakesOneMarkFromFromAlone) {
  const Read read = ReadAll(kTwo, 100, {.quoting = FromQuoting::kMboxo});
  EXPECT_EQ(Texts(read)[0], "Subject: one\r\n\r\nFrom here\r\n>>From there\r\nFrom here on\r\n");
}

TEST(Mbox, ContentLengthLeadsOverWhatLooksLikeASeparator) {
  const std::string body = "x\n\nFrom a@b Thu Nov 21 13:20:54 1996\nA: b\n\n>From c\n";
  const std::string file = "From a@b Thu Nov 21 13:20:54 1996\nSubject: one\nContent-Length: " +
                           std::to_string(body.size()) + "\n\n" + body +
                           "\nFrom a@b Thu Nov 21 13:20:54 1996\nSubject: two\n\ntext\n\n";
  for (size_t cut = 1; cut < file.size() + 1; ++cut) {
    const Read read = ReadAll(file, cut);
    ASSERT_EQ(read.messages.size(), 2u);
    EXPECT_EQ(read.messages[0].octets,
              "Subject: one\r\n\r\nx\r\n\r\nFrom a@b Thu Nov 21 13:20:54 1996\r\nA: "
              "b\r\n\r\n>From c\r\n");
    EXPECT_EQ(read.messages[1].octets, "Subject: two\r\n\r\ntext\r\n");
  }
}

TEST(Mbox, AContentLengthThatIsWrongIsNotBelieved) {
  for (const char* length : {"1", "5", "100000", "18446744073709551615", "-1", "x"}) {
    const std::string file = std::string("From a@b\nContent-Length: ") + length +
                             "\n\nabcde\n\nFrom a@b\nSubject: two\n\ntext\n";
    const Read read = ReadAll(file, 10);
    EXPECT_EQ(Texts(read),
              (std::vector<std::string>{"\r\nabcde\r\n", "Subject: two\r\n\r\ntext\r\n"}))
        << length;
  }
}

TEST(Mbox, OnlyASeparatorBehindAnEmptyLineBegins) {
  const Read read = ReadAll("From a@b\n\nx\nFrom a@b\n\nFrom the sea, with love\n", 7);
  EXPECT_EQ(Texts(read),
            (std::vector<std::string>{"\r\nx\r\nFrom a@b\r\n\r\nFrom the sea, with love\r\n"}));
}

TEST(Mbox, WhatUwImapKeepsIsNoMessage) {
  const Read read = ReadAll(
      "From MAILER-DAEMON Thu Nov 21 13:20:54 1996\nSubject: DON'T DELETE\nX-IMAP: 1234 "
      "0000000002\nStatus: RO\n\ntext\n\nFrom a@b\nX-IMAP: 9 9\n\nx\n",
      50);
  ASSERT_EQ(read.messages.size(), 2u);
  EXPECT_TRUE(read.messages[0].internal_data);
  EXPECT_EQ(read.messages[0].uid_validity, 1234u);
  EXPECT_FALSE(read.messages[1].internal_data);
}

TEST(Mbox, WhatIsNoMboxIsSaidOnce) {
  EXPECT_TRUE(ReadAll("Subject: one\n\ntext\n", 4).not_mbox);
  EXPECT_FALSE(ReadAll("", 4).not_mbox);
  EXPECT_FALSE(ReadAll("\n\nFrom a@b\n\nx\n", 4).not_mbox);
  EXPECT_EQ(ReadAll("\n\nFrom a@b\n\nx\n", 4).messages.size(), 1u);
}

TEST(Mbox, AMessageOverTheLimitIsPassedOver) {
  const std::string file = "From a@b\n\n" + std::string(100, 'x') + "\n\nFrom a@b\n\ny\n";
  const Read at = ReadAll(file, 9, {.message_bytes_max = 104});
  EXPECT_EQ(at.messages.size(), 2u);
  const Read read = ReadAll(file, 9, {.message_bytes_max = 103});
  EXPECT_EQ(Texts(read), (std::vector<std::string>{"\r\ny\r\n"}));
  EXPECT_EQ(read.too_long, (std::vector<uint64_t>{0}));
}

TEST(Mbox, ALineLongerThanMemoryStaysWhole) {
  const std::string line(3 * kMboxLineBytesMax + 17, 'x');
  const Read read = ReadAll("From a@b\n\n" + line + "\nFrom a@b\n\n>From x\n", 1000);
  EXPECT_EQ(Texts(read),
            (std::vector<std::string>{"\r\n" + line + "\r\nFrom a@b\r\n\r\nFrom x\r\n"}));
}

TEST(Mbox, WhatIsWrittenIsReadAsItWas) {
  const std::string octets =
      "Return-Path: <a@b>\r\nSubject: one\r\n folded\r\n\r\nFrom x\r\n>From y\r\n\r\nFrom a@b Thu "
      "Nov 21 13:20:54 1996\r\n";
  for (const FromQuoting quoting : {FromQuoting::kMboxrd, FromQuoting::kMboxcl2}) {
    std::string file;
    const Marks marks{.flags = kSeen | kDraft | kDeleted,
                      .keywords = {"a", "$b"},
                      .date_seconds = 951782399,
                      .uid = 5};
    file += FormatMboxMessage(octets, marks, quoting,
                              {.uid_validity = 77, .uid_last = 9, .keywords = {"a", "$b"}});
    file += FormatMboxMessage(octets, {.date_seconds = 0}, quoting, {});
    EXPECT_TRUE(
        file.starts_with("From a@b Mon Feb 28 23:59:59 2000\n"
                         "X-IMAPbase: 77 0000000009 a $b\nStatus: RO\nX-Status: DT\n"))
        << file;
    const Read read = ReadAll(file, 33);
    EXPECT_EQ(Texts(read), (std::vector<std::string>{octets, octets}));
    EXPECT_EQ(read.messages[0].marks, marks);
    EXPECT_EQ(read.messages[0].uid_validity, 77u);
    EXPECT_EQ(read.messages[0].uid_last, 9u);
    EXPECT_EQ(read.messages[1].marks.date_seconds, 0);
  }
}

TEST(Mbox, FieldsThatWouldBeBelievedAreNotWritten) {
  const std::string file =
      FormatMboxMessage("Status: RO\r\nX-UID: 9\r\n 9\r\nSubject: x\r\n\r\nStatus: y\r\n", {},
                        FromQuoting::kMboxrd, {});
  EXPECT_EQ(file,
            "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nStatus: O\nSubject: x\n\nStatus: y\n\n");
}

TEST(Mbox, SeparatorsHaveASenderAndPerhapsADate) {
  EXPECT_TRUE(ParseMboxSeparator("From a@b\n"));
  EXPECT_TRUE(ParseMboxSeparator("From - Thu Nov 21 13:20 1996\r\n")->date_seconds);
  EXPECT_TRUE(ParseMboxSeparator("From a@b Thu Nov 21 13:20:54 EST 1996")->date_seconds);
  EXPECT_FALSE(ParseMboxSeparator("From a@b Thu Nov 32 13:20:54 1996")->date_seconds);
  EXPECT_FALSE(ParseMboxSeparator("From "));
  EXPECT_FALSE(ParseMboxSeparator("From here on"));
  EXPECT_FALSE(ParseMboxSeparator(">From a@b"));
}

}  // namespace
}  // namespace ringmail::foreign
