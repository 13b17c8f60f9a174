#include "gtest/gtest.h"
#include "ringmail/foreign/sdbox.h"

namespace ringmail::foreign {
namespace {

void Put16(std::string& out, uint32_t value) {
  out += static_cast<char>(value);
  out += static_cast<char>(value >> 8);
}
void Put32(std::string& out, uint32_t value) {
  Put16(out, value);
  Put16(out, value >> 16);
}
void Set32(std::string& out, size_t at, uint32_t value) {
  std::string four;
  Put32(four, value);
  out.replace(at, 4, four);
}

// Dovecot's bits.
constexpr char kAnsweredBit = 1, kFlaggedBit = 2, kSeenBit = 8;

// Of messages 3 and 5; 5 has keyword "work".
std::string Index() {
  std::string names("$Junk\0work\0", 11);
  std::string data;
  Put32(data, 2);
  for (const uint32_t name : {0u, 6u}) {
    Put32(data, 0);
    Put32(data, name);
  }
  data += names;
  std::string extension;
  Put32(extension, static_cast<uint32_t>(data.size()));
  Put32(extension, 0);
  Put16(extension, 8);  // in the record
  Put16(extension, 1);
  Put16(extension, 1);
  Put16(extension, 8);
  extension += "keywords" + data;
  extension.resize((extension.size() + 7) / 8 * 8);
  std::string index(120, '\0');
  index[0] = 7;
  index[2] = 120;
  index[12] = 1;
  Set32(index, 4, static_cast<uint32_t>(120 + extension.size()));
  Set32(index, 8, 12);
  Set32(index, 16, 99);
  Set32(index, 24, 1234);
  Set32(index, 28, 6);
  Set32(index, 32, 2);
  Set32(index, 60, 4);
  Set32(index, 68, 40);
  index += extension;
  for (const uint32_t uid : {3u, 5u}) {
    Put32(index, uid);
    Put32(index, uid == 3 ? kSeenBit : 0);
    Put32(index, uid == 5 ? 2 : 0);
  }
  return index;
}

std::string Record(uint32_t type, std::string data) {
  const auto size = static_cast<uint32_t>(data.size() + 8) >> 2;
  std::string record;
  for (const int shift : {21, 14, 7, 0}) record += static_cast<char>(0x80 | (size >> shift & 0x7F));
  Put32(record, type);
  return record + data;
}

std::string Words(std::initializer_list<uint32_t> words) {
  std::string out;
  for (const uint32_t word : words) Put32(out, word);
  return out;
}

std::string Log(uint32_t sequence, uint32_t before, const std::string& records) {
  std::string log(40, '\0');
  log[0] = 1;
  log[2] = 40;
  Set32(log, 4, 99);
  Set32(log, 8, sequence);
  Set32(log, 12, before);
  return log + records;
}

Marks MarksOf(const DovecotIndex& index, uint32_t uid) {
  Marks marks;
  index.AddMarks(uid, marks);
  return marks;
}

TEST(DovecotIndex, FlagsAndKeywordsAreRead) {
  DovecotIndex index;
  const auto fault = index.ReadIndex(Index());
  ASSERT_FALSE(fault) << fault->what;
  EXPECT_EQ(index.uid_validity(), 1234u);
  EXPECT_EQ(index.uid_next(), 6u);
  EXPECT_EQ(MarksOf(index, 3), (Marks{.flags = kSeen}));
  EXPECT_EQ(MarksOf(index, 5), (Marks{.keywords = {"work"}}));
  EXPECT_TRUE(index.Expunged(4));
  EXPECT_FALSE(index.Expunged(6));
}

TEST(DovecotIndex, TheLogSaysWhatHappenedSince) {
  DovecotIndex index;
  ASSERT_FALSE(index.ReadIndex(Index()));
  std::string records = Record(0x2 | 0x10000000, Words({6, kFlaggedBit, 7, 0}));
  records += Record(0x4, Words({5, 6, kAnsweredBit | (kSeenBit << 8)}));
  std::string keyword("\0\0\5\0fresh\0\0\0", 12);
  records += Record(0x400, keyword + Words({3, 3, 6, 7}));
  records += Record(0x1 | 0xCD90 | 0x10000000, Words({5, 5}));
  records += Record(0x1, Words({3, 3}));  // without its protection
  std::string header;
  Put16(header, 24);
  Put16(header, 4);
  Put32(header, 4321);
  records += Record(0x20, header);
  ASSERT_FALSE(index.ReadLog(Log(4, 3, records)));
  EXPECT_EQ(index.uid_validity(), 4321u);
  EXPECT_EQ(index.uid_next(), 8u);
  EXPECT_EQ(MarksOf(index, 3), (Marks{.flags = kSeen, .keywords = {"fresh"}}));
  EXPECT_TRUE(index.Expunged(5));
  EXPECT_EQ(MarksOf(index, 6), (Marks{.flags = kAnswered | kFlagged, .keywords = {"fresh"}}));
  // The next log follows.
  ASSERT_FALSE(index.ReadLog(Log(5, 4, Record(0x800, Words({1, 6})))));
  EXPECT_EQ(MarksOf(index, 6).keywords, std::vector<std::string>{});
  EXPECT_EQ(MarksOf(index, 7).keywords, std::vector<std::string>{"fresh"});
}

TEST(DovecotIndex, AloneALogFromTheBeginningIsEnough) {
  DovecotIndex index;
  ASSERT_FALSE(index.ReadLog(Log(2, 0, Record(0x2, Words({1, kSeenBit})))));
  EXPECT_EQ(MarksOf(index, 1).flags, kSeen);
}

TEST(DovecotIndex, ALogThatDoesNotFollowIsLeftOut) {
  DovecotIndex index;
  ASSERT_FALSE(index.ReadIndex(Index()));
  EXPECT_TRUE(index.ReadLog(Log(9, 8, Record(0x2, Words({9, 0})))));
  EXPECT_FALSE(index.ReadLog(Log(3, 2, Record(0x2, Words({9, 0})))));  // older: the index has it
  EXPECT_FALSE(index.messages().contains(9));
}

TEST(DovecotIndex, WhatIsNotFinishedDoesNotCount) {
  DovecotIndex index;
  ASSERT_FALSE(index.ReadIndex(Index()));
  std::string records = Record(0x80000, Words({64}));
  records += Record(0x2, Words({9, 0}));
  ASSERT_FALSE(index.ReadLog(Log(4, 3, records)));
  EXPECT_FALSE(index.messages().contains(9));
  DovecotIndex torn;
  ASSERT_FALSE(torn.ReadIndex(Index()));
  std::string half = Record(0x2, Words({9, 0}));
  half.pop_back();
  ASSERT_FALSE(torn.ReadLog(Log(4, 3, half)));
  EXPECT_FALSE(torn.messages().contains(9));
}

TEST(DovecotIndex, CutAnywhereItIsFaultyOrShorterNeverRead) {
  const std::string whole = Index();
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    DovecotIndex index;
    EXPECT_TRUE(index.ReadIndex(std::string_view(whole).substr(0, bytes))) << bytes;
  }
}

}  // namespace
}  // namespace ringmail::foreign
