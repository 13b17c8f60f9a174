#include "ringmail/credential/password.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmail::credential {
namespace {

constexpr std::string_view kPassword = "Grüße an alle";
constexpr std::string_view kUser = "user@example.org";
constexpr PasswordCost kCheap = {.argon2_memory_kib = 64, .argon2_passes = 1, .argon2_lanes = 1};

struct Golden {
  std::string_view program, stored;
};
// What other programs made of kPassword and kUser.
constexpr Golden kGolden[] = {
    {"doveadm pw", "{MD5}$1$WxiyORLp$.mN1t71W3Qv/Pco1i.o08/"},
    {"doveadm pw", "{MD5-CRYPT}$1$038A54xR$ujnOoWadICERhhIb.zLss."},
    {"doveadm pw", "{SHA}DdWEY/KL/op0fa5nhqPhhGyjyN0="},
    {"doveadm pw", "{SHA1}DdWEY/KL/op0fa5nhqPhhGyjyN0="},
    {"doveadm pw", "{SHA256}3bisitQN+KiirDqQRZORaoZuC5YqFroSQg0qa1Nqf74="},
    {"doveadm pw",
     "{SHA512}aAXzFqpSfnjh1EVlhbVKCXKirvR9JhfWqbzBTeyzUyMN06y3tomejuL1tSz9+"
     "8DBP35dNKE2Iv3bbGXmmOUgNw=="},
    {"doveadm pw", "{SMD5}pjGPi+qbnd3gzxZuhI6tKiJigUs="},
    {"doveadm pw", "{SSHA}RDwu43e9DC1s5d7no7G4/TEOvKPNnNzo"},
    {"doveadm pw", "{SSHA256}55/vWrTEeSf4vefXrNpCqlAs706WCkL42Fn4JyEsXfC2U+qF"},
    {"doveadm pw",
     "{SSHA512}EjYuJHjpACzWqOkbwWkTYTv7Zq8lfIUkDOJb9aNty/cDk7kTldDgelJbvwuqWQHdWFYYLnrzXksr/"
     "eEvwNRiDAWnxR8="},
    {"doveadm pw", "{PLAIN}Grüße an alle"},
    {"doveadm pw", "{CLEARTEXT}Grüße an alle"},
    {"doveadm pw", "{CLEAR}Grüße an alle"},
    {"doveadm pw", "{PLAIN-TRUNC}Grüße an alle"},
    {"doveadm pw", "{CRAM-MD5}ffd37d8488ab2c702a03c0804daf776c7f1a2d92fd2ca2f4ca55fb2a824c264a"},
    {"doveadm pw",
     "{SCRAM-SHA-1}4096,X0r0KO1pmimmUJbA+UESyw==,fGVwsfYKLVgJIJ5TugrzhATKV1w=,rGsciNIOLiXSd66s+"
     "cTe6G88udk="},
    {"doveadm pw",
     "{SCRAM-SHA-256}4096,RhsXSBxa+TRoF7BThvF6+g==,50flX3EI+CxMYZkXMZ49Dt+iJGZ3dfRaI1hjjNbeiOA=,"
     "5jELptVaA3YmZGiQ2PDWwd1naGOxAHcKx+6AdwNGrug="},
    {"doveadm pw", "{HMAC-MD5}ffd37d8488ab2c702a03c0804daf776c7f1a2d92fd2ca2f4ca55fb2a824c264a"},
    {"doveadm pw", "{DIGEST-MD5}9e7411b5fc765afd0fa0cddc9c1ba393"},
    {"doveadm pw", "{PLAIN-MD4}a2251af9b8995d3959781633ba4f5272"},
    {"doveadm pw", "{PLAIN-MD5}d8dd385e599a293418fa8eda2343724e"},
    {"doveadm pw", "{LDAP-MD5}2N04XlmaKTQY+o7aI0NyTg=="},
    {"doveadm pw", "{OTP}sha1 1024 d0ede923d894fc1a 1a98a024213d8d54"},
    {"doveadm pw", "{PBKDF2}$1$WgrATamIA6VF8duU$5000$3ff362b7dd02c3ff179eae76a915e298d91f1286"},
    {"doveadm pw", "{CRYPT}$2y$05$nc3D9U5o52jtSxrzuV0p0O/eGF/RxdXWLVspb2LngVJzE77xVRqLy"},
    {"doveadm pw", "{SHA256-CRYPT}$5$1kFGhaUyHZjj0LVO$fl8y8yNmFT71Y2/xlpgUoiL/F4OTOKrCL6mV9j02Jv8"},
    {"doveadm pw",
     "{SHA512-CRYPT}$6$OetCf38/P4SFTpZ3$t8c8Igo1.ocihltdHRE5ZRI5grGKrlkAbZVJmq8/"
     "HEIbsTFXDva6QQdbtAp85zhRvtut0QQBAoPzQjvc0EI9L/"},
    {"doveadm pw", "{BLF-CRYPT}$2y$05$rwWZ1KhGyDr/l/0lrfzTTuk7CGFNzmARjSE/HxmTLTnMRMwgyCMUC"},
    {"doveadm pw", "{DES-CRYPT}OZGB44xXRF846"},
    {"doveadm pw",
     "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$lDmQ0kts8cyKsb7TqXNEnA$jzj5hIR7/"
     "Cuw56BRjaSWzzPpjhf0HCr7jDD4cW5aXd4"},
    {"doveadm pw",
     "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$rNSo3PL0SpKLRt3tFsH24g$"
     "d098XHB7jcqei8oeIuv14n1SQ2ngTfqqbkh6AhaQGCY"},
    {"doveadm pw",
     "{SSHA256.HEX}c3e1364fda86899af63dba70863111f47eb7b0e0bb72d4134e2212bee2bfdaa1d261bfe0"},
    {"doveadm pw", "{SHA.HEX}0dd58463f28bfe8a747dae6786a3e1846ca3c8dd"},
    {"doveadm pw",
     "{SSHA512.B64}"
     "51gc7i1RLG7oT9ZR2fEhHTY1OwIgz4HcHbjowIvCjpXNm9oLO4dmeXs9qiBXsHiryAwsL2c8iWqnDLwQ+"
     "MVAQRRpN9w="},
    {"doveadm pw", "{PLAIN.HEX}4772c3bcc39f6520616e20616c6c65"},
    {"doveadm pw",
     "{BLF-CRYPT.B64}"
     "JDJ5JDA1JFhKdGVCd3JoTlFFLkY1WTA2QTRsOXVmazhFYzBVTE5LaElBY3ltUWx3UVIucXd0QXBUZy5D"},
    {"doveadm pw", "{PLAIN-MD5.B64}2N04XlmaKTQY+o7aI0NyTg=="},
    {"doveadm pw", "{CRAM-MD5.B64}/9N9hIirLHAqA8CATa93bH8aLZL9LKL0ylX7KoJMJko="},
    {"doveadm pw",
     "{PBKDF2.HEX}"
     "2431244257466e532e6d744f4c534f35316f4e2435303030243438353263626337343232326439333562343862643"
     "7643965623462323732383136313937386239"},
    {"mkpasswd", "$y$j9T$7IjsO18QmybSq1QWkIlZZ1$CKXWZkCyTAMeA8BFAean3mkRAnU8GwaL.fOVI8mHaw4"},
    {"mkpasswd", "$gy$j9T$xiCYJx3QcYLSfpXbUqaBQ.$fAgGEL9CzqzROOnUx2zJL7n83Xf3sr7WM9vfbBWrnsD"},
    {"mkpasswd",
     "$7$CU..../....gEzoTriq9KauvSdL.y2QJ0$gyV85Kom8H7s7AeXFbabMineexvSeYLinDzUScO7rb7"},
    {"mkpasswd", "$2b$05$2mVAk0BxFWhffQqepgvh7.ZZ1dcqsYt8o5RiFx./Kb1CPW62JVIia"},
    {"mkpasswd",
     "$6$Ijogp1R/yLQ.2tyu$NgXmigCVnbN1rcBfHzKAElpWB0Hes5oiBZeo.Yp8gId9rQGH7S7r2t/"
     "9AH2YoTs3zIAXB0R8SRLzqehxxrhZf/"},
    {"mkpasswd", "$md5,rounds=93250$EU8Tjm7g$$vWYe.frNPbkkjV3TaXPbI1"},
    {"mkpasswd", "_J9..TEH5k5P1ph3e8AI"},
    {"mkpasswd", "$1$emc.Y9cq$XfOmmR7yYxhmBiEUFdEZe."},
    {"mkpasswd", "$3$$42c4bdf74334f4c94a9e79a08ae141a0"},
    {"argon2",
     "$argon2id$v=19$m=256,t=3,p=4$c29tZXNhbHQ$DJc5Y9dqH62lTQVTGSb91EVksCTW/g7c81XXCU7xV0E"},
    {"argon2",
     "$argon2d$v=16$m=256,t=3,p=1$c29tZXNhbHQ$zj0THKs5A9Mu8TLTUBQpT3KI8wPQYcl2yi6GMPH+/Ds"},
    {"passlib",
     "{PBKDF2-SHA256}1000$hBCCkLLW.r83xhgDIGRMSQ$lf1KQ8nuDp/AoWCNEe7YA7ARIvq.PhGrp2b/Dl8/Tgc"},
    {"passlib",
     "{PBKDF2-SHA512}1000$jZHSGiPEuJdyrpWydu79Xw$ZxA4JKQ5xme9FvaShj4deGdphXG0zEFDn5HMM03b."
     "kDgUJxCU9ju28gW2ZapMMu8Jy/2XaH.B3VWtq.FLOBenw"},
    {"passlib", "{PBKDF2}1000$vXcuRehdqxUCoPQegxBijA$xg5Ce8XhasyQvhvHCrFX4kT6scQ"},
    {"passlib", "{NTLM}302156f142f26df0272c963284878d4a"},
    {"passlib", "$sha1$1000$Zl2b1kMJ$SdyvbuV4rS0TtjvWrMIam3zvj1wM"},
};

PasswordVerdict Verify(std::string_view stored, std::string_view password) {
  return VerifyPassword(stored, password, kUser, PasswordLimits()).verdict;
}

TEST(PasswordTest, HashesThatOtherProgramsMadeMatchTheirPasswordAndNoOther) {
  for (const Golden& golden : kGolden) {
    const PasswordResult right = VerifyPassword(golden.stored, kPassword, kUser, PasswordLimits());
    EXPECT_EQ(right.verdict, PasswordVerdict::kMatch)
        << golden.program << " " << golden.stored << " " << right.why;
    EXPECT_EQ(JudgeStoredPassword(golden.stored, PasswordLimits()), "") << golden.stored;
    EXPECT_EQ(Verify(golden.stored, "Gr"), PasswordVerdict::kMismatch) << golden.stored;
  }
}

TEST(PasswordTest, WhatIsHashedIsArgon2idAndVerifies) {
  const auto stored = HashPassword(kPassword, "0123456789abcdef", kCheap);
  ASSERT_TRUE(stored.ok());
  EXPECT_TRUE(stored->starts_with("{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$")) << *stored;
  EXPECT_EQ(Verify(*stored, kPassword), PasswordVerdict::kMatch);
  EXPECT_EQ(Verify(*stored, "another"), PasswordVerdict::kMismatch);
  EXPECT_FALSE(HashPassword("", "0123456789abcdef", kCheap).ok());
  EXPECT_FALSE(HashPassword(std::string(1025, 'a'), "0123456789abcdef", kCheap).ok());
  EXPECT_TRUE(HashPassword(std::string(1024, 'a'), "0123456789abcdef", kCheap).ok());
}

TEST(PasswordTest, EverythingLessThanTheCostNeedsAnUpgrade) {
  const std::string stored = *HashPassword(kPassword, "0123456789abcdef", kCheap);
  EXPECT_FALSE(PasswordNeedsUpgrade(stored, kCheap));
  EXPECT_TRUE(PasswordNeedsUpgrade(stored, PasswordCost()));
  EXPECT_TRUE(PasswordNeedsUpgrade("{PLAIN}a", kCheap));
  EXPECT_TRUE(PasswordNeedsUpgrade("$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                                   kCheap));
}

TEST(PasswordTest, AHashThatAsksForTooMuchIsRefusedWithASentence) {
  const struct {
    std::string_view stored, why;
  } kHostile[] = {
      {"$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
       "argon2 asks for 4194304 KiB of memory; 262144 are allowed"},
      {"$argon2id$v=19$m=65536,t=4294967295,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
       "argon2 asks for 4294967295 passes over 65536 KiB, more than is allowed"},
      {"$argon2id$v=19$m=65536,t=1,p=65$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
       "argon2 has no or too many passes or lanes, or too little memory"},
      {"{SHA512-CRYPT}$6$rounds=999999999$salt$hash",
       "SHA-crypt asks for 999999999 rounds; 2000000 are allowed"},
      {"{BLF-CRYPT}$2y$31$X40hOCtPyIMnQ6cdQVzsWOyrtBQD8k7Ei2SLZstqfnLMf53Awl3AW",
       "bcrypt (2^n) asks for 31 rounds; 15 are allowed"},
      {"$y$jOT$salt$hash", "yescrypt asks for 536870912 KiB of memory; 262144 are allowed"},
      {"$7$QU..../....salt$hash", "scrypt asks for 1073741824 KiB of memory; 262144 are allowed"},
      {"$sha1$4000000000$salt$hash", "sha1crypt asks for 4000000000 rounds; 2000000 are allowed"},
      {"{PBKDF2}$1$salt$4000000000$0e952643f5110401217cb7824506d52b5837cb05",
       "PBKDF2 asks for 4000000000 rounds; 2000000 are allowed"},
      {"{SCRAM-SHA-1}4000000,ZaNlnDBRmj9tpUDMMbJFSw==,t7ZBLd5L4WGmWTHy0YC9J9NSpLk=,"
       "QzdnZG8z3xpmJXHuKzxl+kr3xso=",
       "malformed SCRAM keys, or too many iterations"},
  };
  for (const auto& hostile : kHostile) {
    EXPECT_EQ(JudgeStoredPassword(hostile.stored, PasswordLimits()), hostile.why);
    EXPECT_EQ(Verify(hostile.stored, kPassword), PasswordVerdict::kUnusable) << hostile.stored;
  }
}

TEST(PasswordTest, WhatIsNoStoredPasswordIsSaidAndMatchesNothing) {
  for (const std::string_view stored :
       {"", "{", "{PLAIN", "{PLAIN}", "{NOSUCH}a", "{PLAIN.ROT13}a", "{SHA.HEX}zz", "{SHA}YQ==",
        "{SSHA}DdWEY/KL/op0fa5nhqPhhGyjyN0=", "{PBKDF2}$1$a", "{CRAM-MD5}00", "{ARGON2ID}$2y$",
        "{OTP}sha1 1 a", "{SCRAM-SHA-256}4096,a,b,c", "plain text", "$9$a$b", "$2y$"}) {
    EXPECT_NE(JudgeStoredPassword(stored, PasswordLimits()), "") << stored;
    EXPECT_EQ(Verify(stored, "a"), PasswordVerdict::kUnusable) << stored;
  }
}

TEST(PasswordTest, ALockedAccountMatchesNothing) {
  for (const std::string_view stored :
       {"!", "*", "!!", "{CRYPT}!$1$kH9lZkLT$3TiQXrrAKS/Tq03fmD.XU1"}) {
    EXPECT_EQ(JudgeStoredPassword(stored, PasswordLimits()), "") << stored;
    EXPECT_EQ(Verify(stored, stored), PasswordVerdict::kMismatch) << stored;
  }
}

TEST(PasswordTest, ACutPasswordCountsItsOctetsOnly) {
  EXPECT_EQ(Verify("{PLAIN-TRUNC}8-abcdefgh", "abcdefghijk"), PasswordVerdict::kMatch);
  EXPECT_EQ(Verify("{PLAIN-TRUNC}8-abcdefgh", "abcdefg"), PasswordVerdict::kMismatch);
}

TEST(PasswordTest, KeysForOtherMechanismsComeFromSchemesThatKeepThem) {
  EXPECT_EQ(PlainPassword("{PLAIN}secret")->view(), "secret");
  EXPECT_FALSE(PlainPassword("{SHA}DdWEY/KL/op0fa5nhqPhhGyjyN0="));
  EXPECT_EQ(StoredCramMd5("{PLAIN}secret"), codec::MakeHmacMd5Contexts("secret"));
  EXPECT_EQ(
      StoredCramMd5("{CRAM-MD5}ffd37d8488ab2c702a03c0804daf776c7f1a2d92fd2ca2f4ca55fb2a824c264a"),
      codec::MakeHmacMd5Contexts(kPassword));
  const std::string_view scram =
      "{SCRAM-SHA-1}4096,ZaNlnDBRmj9tpUDMMbJFSw==,t7ZBLd5L4WGmWTHy0YC9J9NSpLk=,"
      "QzdnZG8z3xpmJXHuKzxl+kr3xso=";
  EXPECT_TRUE(StoredScramKeys(scram, codec::DigestKind::kSha1));
  EXPECT_FALSE(StoredScramKeys(scram, codec::DigestKind::kSha256));
}

}  // namespace
}  // namespace ringmail::credential
