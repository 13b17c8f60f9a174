#include "ringmail/credential/new_password.h"

#include <gtest/gtest.h>

#include <set>

#include "ringmail/codec/digest.h"

namespace ringmail::credential {
namespace {

const PasswordCost kCheap = {.argon2_memory_kib = 64, .argon2_passes = 1, .argon2_lanes = 1};

std::string Random(size_t first) {
  std::string octets;
  for (size_t i = 0; i < kNewPasswordRandomBytes; ++i) octets += static_cast<char>(first + i);
  return octets;
}

TEST(NewPasswordTest, EverythingThatIsKeptIsOfThePassword) {
  const auto made = MakeNewPassword("pencil", Random(1), kCheap, 4096, std::nullopt);
  ASSERT_TRUE(made.ok()) << made.status();
  for (const std::string& one : {made->hash, made->scram_sha256, made->scram_sha1}) {
    EXPECT_EQ(VerifyPassword(one, "pencil", "", {}).verdict, PasswordVerdict::kMatch) << one;
    EXPECT_EQ(VerifyPassword(one, "Pencil", "", {}).verdict, PasswordVerdict::kMismatch) << one;
  }
  EXPECT_FALSE(PasswordNeedsUpgrade(made->hash, kCheap));
  const auto a = StoredScramKeys(made->scram_sha256, codec::DigestKind::kSha256);
  const auto b = StoredScramKeys(made->scram_sha1, codec::DigestKind::kSha1);
  ASSERT_TRUE(a && b);
  EXPECT_NE(a->salt, b->salt);
  EXPECT_EQ(a->salt.size(), 16u) << "as long as that of unknown names";
}

TEST(NewPasswordTest, ItIsPreparedSoThatEveryWayToTypeItWorks) {
  // RFC 4013 §3: U+00AA becomes "a", U+2168 "IX".
  const auto made = MakeNewPassword("\xc2\xaa\xe2\x85\xa8", Random(1), kCheap, 4096, std::nullopt);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(VerifyPassword(made->hash, "aIX", "", {}).verdict, PasswordVerdict::kMatch);
}

TEST(NewPasswordTest, WhatIsNoPasswordIsRefused) {
  EXPECT_FALSE(MakeNewPassword("", Random(1), kCheap, 4096, std::nullopt).ok());
  EXPECT_FALSE(MakeNewPassword(std::string("a\0b", 3), Random(1), kCheap, 4096, {}).ok());
  EXPECT_FALSE(MakeNewPassword("\xff", Random(1), kCheap, 4096, std::nullopt).ok());
  EXPECT_FALSE(MakeNewPassword("a\x07", Random(1), kCheap, 4096, std::nullopt).ok());
  EXPECT_TRUE(
      MakeNewPassword(std::string(kPasswordBytesMax, 'x'), Random(1), kCheap, 4096, {}).ok());
  EXPECT_FALSE(
      MakeNewPassword(std::string(kPasswordBytesMax + 1, 'x'), Random(1), kCheap, 4096, {}).ok());
}

TEST(NewPasswordTest, AnAppPasswordSharesTheAccountsSalt) {
  const auto made = MakeNewPassword("pencil", Random(1), kCheap, 4096, std::nullopt);
  ASSERT_TRUE(made.ok());
  const std::string stored[] = {made->hash, made->scram_sha1, made->scram_sha256};
  const auto salt = SharedScramSalt(stored);
  ASSERT_TRUE(salt);
  const std::string app = StoreAppPassword("abcd-efgh", *salt);
  EXPECT_EQ(VerifyPassword(app, "abcd-efgh", "", {}).verdict, PasswordVerdict::kMatch);
  EXPECT_EQ(StoredScramKeys(app, codec::DigestKind::kSha256)->salt, salt->salt);
  const auto changed = MakeNewPassword("other", Random(9), kCheap, 8192, salt);
  ASSERT_TRUE(changed.ok());
  const auto keys = StoredScramKeys(changed->scram_sha256, codec::DigestKind::kSha256);
  EXPECT_EQ(keys->salt, salt->salt);
  EXPECT_EQ(keys->iterations, 4096u);
}

TEST(NewPasswordTest, DrawnPasswordsAreGroupsOfLettersThatNobodyConfuses) {
  std::string random(kAppPasswordRandomBytes, '\0');
  EXPECT_EQ(DrawAppPassword(random), "aaaa-aaaa-aaaa-aaaa-aaaa");
  for (size_t i = 0; i < random.size(); ++i) random[i] = static_cast<char>(i * 13);
  const std::string text = DrawAppPassword(random);
  EXPECT_EQ(text.size(), 24u);
  EXPECT_EQ(text.find_first_of("lo01"), std::string::npos);
}

}  // namespace
}  // namespace ringmail::credential
