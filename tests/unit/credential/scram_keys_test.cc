#include "ringmail/credential/scram_keys.h"

#include <gtest/gtest.h>

namespace ringmail::credential {
namespace {

using codec::DigestKind;

TEST(ScramKeysTest, AProofHoldsForItsPasswordAlone) {
  for (const DigestKind kind : {DigestKind::kSha1, DigestKind::kSha256}) {
    const ScramKeys keys = DeriveScramKeys(kind, "pencil", "saltsalt", 4096);
    const auto client = DeriveScramClientKeys(kind, "pencil", "saltsalt", 4096);
    const auto other = DeriveScramClientKeys(kind, "crayon", "saltsalt", 4096);
    EXPECT_TRUE(ScramProofHolds(keys, "message", ScramClientProof(kind, client, "message")));
    EXPECT_FALSE(ScramProofHolds(keys, "other", ScramClientProof(kind, client, "message")));
    EXPECT_FALSE(ScramProofHolds(keys, "message", ScramClientProof(kind, other, "message")));
    EXPECT_FALSE(ScramProofHolds(keys, "message", ""));
  }
}

TEST(ScramKeysTest, WhatIsWrittenIsRead) {
  const ScramKeys keys = DeriveScramKeys(DigestKind::kSha256, "pencil", "saltsalt", 4096);
  const auto read = ParseScramKeys(DigestKind::kSha256, FormatScramKeys(keys));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->salt, keys.salt);
  EXPECT_EQ(read->iterations, 4096u);
  EXPECT_EQ(read->stored_key, keys.stored_key);
  EXPECT_EQ(read->server_key, keys.server_key);
  EXPECT_FALSE(ParseScramKeys(DigestKind::kSha1, FormatScramKeys(keys)));
}

TEST(ScramKeysTest, AnUnknownNameHasTheSameSaltEachTimeAndNoPassword) {
  const ScramKeys first = FakeScramKeys(DigestKind::kSha256, "secret", "nobody", 4096);
  EXPECT_EQ(first.salt, FakeScramKeys(DigestKind::kSha256, "secret", "nobody", 4096).salt);
  EXPECT_NE(first.salt, FakeScramKeys(DigestKind::kSha256, "secret", "nobody2", 4096).salt);
  EXPECT_NE(first.salt, FakeScramKeys(DigestKind::kSha256, "other", "nobody", 4096).salt);
  EXPECT_EQ(first.salt.size(), 16u);
}

}  // namespace
}  // namespace ringmail::credential
