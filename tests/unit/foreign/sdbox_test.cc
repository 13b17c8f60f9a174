#include "ringmail/foreign/sdbox.h"

#include "gtest/gtest.h"

namespace ringmail::foreign {
namespace {

std::string File(std::string_view body, std::string_view metadata) {
  char size[17];
  snprintf(size, sizeof(size), "%016zX", body.size());
  return "2 M1e C65a1b2c3\n\001\002N          " + std::string(size) + "\n" + std::string(body) +
         "\n\001\003\n" + std::string(metadata);
}

TEST(Sdbox, AMessageIsWhatItsHeaderCounts) {
  const std::string body = "Subject: x\n\n\n\001\003\nGno\n\n";
  const std::string file = File(body, "R65a1b2c3\nG0123abcd\nV30\n\n");
  SdboxMessage message;
  const auto fault = ParseSdbox(file, message);
  ASSERT_FALSE(fault) << fault->what << fault->at;
  EXPECT_EQ(message.octets, body);
  EXPECT_EQ(message.guid, "0123abcd");
  EXPECT_EQ(message.received_seconds, 0x65a1b2c3);
}

TEST(Sdbox, AFileCutAnywhereIsFaulty) {
  const std::string file = File("Subject: x\n\ntext\n", "R65a1b2c3\n\n");
  for (size_t bytes = 0; bytes < file.size(); ++bytes) {
    SdboxMessage message;
    EXPECT_TRUE(ParseSdbox(std::string_view(file).substr(0, bytes), message)) << bytes;
  }
  SdboxMessage message;
  EXPECT_FALSE(ParseSdbox(file, message));
}

TEST(Sdbox, WhatCannotBeReadSaysWhyAndWhere) {
  SdboxMessage message;
  EXPECT_EQ(ParseSdbox("1 M1e\n", message)->at, 0u);
  EXPECT_EQ(ParseSdbox("2 M2\n", message)->at, 0u);
  const std::string compressed = File("\x1F\x8Bxyz", "\n");
  EXPECT_EQ(ParseSdbox(compressed, message)->at, 46u);
  const std::string external = File("a: b\n\n", "X1 2 B ab/cd\n\n");
  EXPECT_EQ(ParseSdbox(external, message)->at, external.find("X1"));
  std::string damaged = File("a: b\n\n", "\n");
  damaged[20] = 'G';
  damaged[29] = 'G';
  EXPECT_EQ(ParseSdbox(damaged, message)->at, 29u);
}

TEST(Sdbox, FilesAreNamedByUid) {
  EXPECT_EQ(ParseSdboxFile("u.17"), 17u);
  EXPECT_EQ(ParseSdboxFile("u.4294967295"), UINT32_MAX);
  for (const char* name : {"u.", "u.0", "u.01", "u.4294967296", "u.-1", "u.1x", "m.1", "dovecot"})
    EXPECT_EQ(ParseSdboxFile(name), 0u) << name;
}

}  // namespace
}  // namespace ringmail::foreign
