#include "ringmail/codec/digest.h"

#include <gtest/gtest.h>

#include <string>

#include "ringmail/codec/hex.h"

namespace ringmail::codec {
namespace {

std::string Hex(std::string_view octets) {
  std::string out(2 * octets.size(), '\0');
  HexEncode(octets, HexCase::kLower, out.data());
  return out;
}

std::string Hash(DigestKind kind, std::string_view text) {
  return Hex(Digest(kind, {text}).view());
}

TEST(DigestTest, AnswersAsTheRfcsSay) {
  // RFC 1320 §A.5, RFC 1321 §A.5.
  EXPECT_EQ(Hash(DigestKind::kMd4, "message digest"), "d9130a8164549fe818874806e1c7014b");
  EXPECT_EQ(Hash(DigestKind::kMd5, ""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Hash(DigestKind::kMd5, "message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
  // RFC 6234 §8.5, TEST1.
  EXPECT_EQ(Hash(DigestKind::kSha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(Hash(DigestKind::kSha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(
      Hash(DigestKind::kSha384, "abc"),
      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca"
      "134c825a7");
  EXPECT_EQ(Hash(DigestKind::kSha512, "abc"),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c"
            "23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

TEST(DigestTest, IsTheSameHoweverTheInputIsCut) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i);
  for (const DigestKind kind : {DigestKind::kMd4, DigestKind::kMd5, DigestKind::kSha1,
                                DigestKind::kSha256, DigestKind::kSha384, DigestKind::kSha512}) {
    const DigestValue whole = Digest(kind, {text});
    EXPECT_EQ(whole.size, DigestBytes(kind));
    for (size_t cut = 0; cut <= text.size(); cut += 7) {
      Digester digester(kind);
      digester.Feed(std::string_view(text).substr(0, cut));
      Digester copy = digester;
      digester.Feed(std::string_view(text).substr(cut));
      EXPECT_EQ(digester.Finish().view(), whole.view()) << cut;
      copy.Feed(std::string_view(text).substr(cut));
      EXPECT_EQ(copy.Finish().view(), whole.view()) << cut;
    }
  }
}

TEST(HmacTest, AnswersAsTheRfcsSay) {
  // RFC 2202 §2, test cases 1, 2 and 6.
  EXPECT_EQ(Hex(Hmac(DigestKind::kMd5, std::string(16, '\x0b'), {"Hi There"}).view()),
            "9294727a3638bb1c13f48ef8158bfc9d");
  EXPECT_EQ(Hex(Hmac(DigestKind::kMd5, "Jefe", {"what do ya want ", "for nothing?"}).view()),
            "750c783e6ab0b503eaa86e310a5db738");
  EXPECT_EQ(Hex(Hmac(DigestKind::kMd5, std::string(80, '\xaa'),
                     {"Test Using Larger Than Block-Size Key - Hash Key First"})
                    .view()),
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
  // RFC 2202 §3, test case 2.
  EXPECT_EQ(Hex(Hmac(DigestKind::kSha1, "Jefe", {"what do ya want for nothing?"}).view()),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  // RFC 4231 §4.3.
  EXPECT_EQ(Hex(Hmac(DigestKind::kSha256, "Jefe", {"what do ya want for nothing?"}).view()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      Hex(Hmac(DigestKind::kSha512, "Jefe", {"what do ya want for nothing?"}).view()),
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65"
      "f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
}

TEST(HmacTest, TakesAnEmptyKeyAndKeepsNoneFromBefore) {
  const DigestValue first = Hmac(DigestKind::kSha256, "", {"text"});
  (void)Hmac(DigestKind::kSha256, "another", {"text"});
  EXPECT_EQ(Hmac(DigestKind::kSha256, std::string_view(), {"text"}).view(), first.view());
}

TEST(HmacTest, TheContextsOfAKeyProveWhatTheKeyProves) {
  for (const size_t bytes : {0u, 1u, 16u, 63u, 64u, 65u, 200u}) {
    const std::string key(bytes, 'k');
    for (const size_t text_bytes : {0u, 55u, 56u, 64u, 100u}) {
      const std::string text(text_bytes, 't');
      EXPECT_EQ(HmacMd5(MakeHmacMd5Contexts(key), text).view(),
                Hmac(DigestKind::kMd5, key, {text}).view())
          << bytes << " " << text_bytes;
    }
  }
}

TEST(Pbkdf2Test, AnswersAsTheRfcsSay) {
  // RFC 6070 §2.
  EXPECT_EQ(Hex(Pbkdf2(DigestKind::kSha1, "password", "salt", 1, 20).view()),
            "0c60c80f961f0e71f3a9b524af6012062fe037a6");
  EXPECT_EQ(Hex(Pbkdf2(DigestKind::kSha1, "password", "salt", 4096, 20).view()),
            "4b007901b765489abead49d926f721d065a429c1");
  EXPECT_EQ(Hex(Pbkdf2(DigestKind::kSha1, std::string_view("pass\0word", 9),
                       std::string_view("sa\0lt", 5), 4096, 16)
                    .view()),
            "56fa6aa75548099dcc37d7f03425e0c3");
  // RFC 7914 §11.
  EXPECT_EQ(Hex(Pbkdf2(DigestKind::kSha256, "passwd", "salt", 1, 64).view()),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b6459916"
            "64b39d77ef317c71b845b1e30bd509112041d3a19783");
}

TEST(KeyedHashTest, IsSipHash24) {
  // The first vectors of its authors, whose key is 00 01 ... 0f.
  const std::array<uint64_t, 2> key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  EXPECT_EQ(KeyedHash(key, ""), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(KeyedHash(key, std::string_view("\0\1\2\3\4\5\6\7", 8)), 0x93f5f5799a932462u);
}

TEST(ConstantTimeEqualTest, ComparesWholeStrings) {
  EXPECT_TRUE(ConstantTimeEqual("", ""));
  EXPECT_TRUE(ConstantTimeEqual("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "ab"));
  EXPECT_FALSE(ConstantTimeEqual("", "a"));
}

TEST(SecretTest, WipesTheBufferThatItGivesUp) {
  std::string text = "a password that is too long to lie within the string itself";
  const size_t capacity = text.capacity();
  const char* const buffer = text.data();
  Wipe(text);
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(text.capacity(), capacity);
  EXPECT_EQ(std::string(buffer, 59), std::string(59, '\0'));
}

TEST(SecretTest, MovingLeavesNothingBehind) {
  std::string text = "short";
  Secret first(std::move(text));
  EXPECT_EQ(first.view(), "short");
  Secret second = std::move(first);
  EXPECT_EQ(second.view(), "short");
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): that is what is asked
  second.Set("another");
  EXPECT_EQ(second.view(), "another");
}

}  // namespace
}  // namespace ringmail::codec
