#include "ringmail/codec/signature.h"

#include <gtest/gtest.h>

#include <string>

#include "ringmail/codec/hex.h"

namespace ringmail::codec {
namespace {

// Made by Python's cryptography 38 (OpenSSL), whose keys were then thrown away.
constexpr std::string_view kMessage = "It was signed by another program.";
constexpr std::string_view kModulus =
    "c375daa79ed51a595c1fb5c53bdc08b60f03918750f07966037ed21215408fa01ba62f9f45dd917614b2"
    "6573e32d3b8f2baac4ac3557d186e9152962a110cd2855560d0528bb86025d8d56e396594c5016acf577"
    "d7b865854e0a8114a10d73cdce8e9efd07473a2cc077f9a06457850322bab6fdfea56ad3825d87ee5a84"
    "b369751f4539d78cd69d5f4cadd1f8cacc671862beb6edc31beea7bc371889f95b9db98d67c1448aa515"
    "7c9b0f78618d2b9efcb00bc90f4e609417412446e7d40e794a2857b4bcc836c48146c5b5f3b3e07a3181"
    "3e67b7c31fb4d2c89f49231c7fa1224b8444df1631981d686be016207469dcc894ce465798038c509155"
    "bab2806f";
constexpr std::string_view kRsaSignature =
    "90929b8fc42beb1de89c90a8dcc5188bb4e0a3e0cf182e405508a0ed3a619a03a15e9f593c6aaf986229"
    "622e811881b7280da918953ca1245bf6d1a4d577bc3cc492ea98fab5ddd876dfbf54201f044d53f51bbc"
    "daa7c81372f76830e173f50c103f0c40a1cbc746979ae4ddc744fdfbe3203f5c81818df3fa96f42550c9"
    "3662edd77dd99ba8e60a4da4fa706f0c28d348d98ddd8d2d8ca98ed1cd2ba03e0ad55be6ad6b4f0ad9b1"
    "0cb13146a543b8bf4ce099f68c6f1628f68ccfe08d2f892e972df30824e9695d4f53ff5af4d9d5ebe833"
    "70555274a98323f73728be4c53decbd574fbf0b84e22979d96d7ad305d4067a2b391da0ef5e59748ec6b"
    "bbbd174a";
constexpr std::string_view kX = "d48a13c2ab5386920b92542b8a76d3c3cbdda606685d9118c809de2aafe983c3";
constexpr std::string_view kY = "49c8bd36b117f06f1841d7a35d6c4faa09790d89beae8c2b1ad208c254faefb5";
constexpr std::string_view kP256Signature =
    "fc65e51a40e824ddbb7a7c5c5c82fa0ebd187e08da9fcbeee4f5ffa3404dc14908eae0688d71f6b0a62e"
    "d03965f9411a2e3cd265d84fc12ce19d7438d737ae46";
constexpr std::string_view kEdKey =
    "4986fbb11e3dd393f3429c23c47573eb294bcaab749e40cf8239a21c52d8e021";
constexpr std::string_view kEdSignature =
    "a4e67ec912cd18e0fcff102f95f482ad8657504d7e72140a28afa8874fb2a669a2a5139ab46b817c0c7b"
    "e5f4704fcb1e14ed443a13041ec156e09fa08cd83802";

std::string Octets(std::string_view hex) {
  std::string out(hex.size() / 2, '\0');
  EXPECT_TRUE(HexDecode(hex, out.data()).has_value());
  return out;
}

std::string MessageDigest() { return std::string(Digest(DigestKind::kSha256, {kMessage}).view()); }

// Every signature with one bit changed, cut, and longer by one.
template <typename Verify>
void ExpectOnlyThis(std::string signature, Verify verify) {
  EXPECT_TRUE(verify(signature));
  EXPECT_FALSE(verify(signature.substr(1)));
  EXPECT_FALSE(verify(signature + '\0'));
  EXPECT_FALSE(verify(""));
  for (size_t at = 0; at < signature.size(); at += 5) {
    std::string other = signature;
    other[at] = static_cast<char>(other[at] ^ 0x10);
    EXPECT_FALSE(verify(other)) << at;
  }
}

TEST(SignatureTest, RsaHoldsForTheMessageAndTheKeyAlone) {
  const std::string modulus = Octets(kModulus), digest = MessageDigest();
  const std::string exponent("\x01\x00\x01", 3);
  ExpectOnlyThis(Octets(kRsaSignature), [&](const std::string& signature) {
    return VerifyRsa({modulus, exponent}, DigestKind::kSha256, digest, signature);
  });
  const std::string signature = Octets(kRsaSignature);
  // Zeros before a number change nothing.
  EXPECT_TRUE(VerifyRsa({'\0' + modulus, '\0' + exponent}, DigestKind::kSha256, digest, signature));
  EXPECT_EQ(RsaBits({'\0' + modulus, exponent}), 2048u);
  EXPECT_FALSE(VerifyRsa({modulus, "\x03"}, DigestKind::kSha256, digest, signature));
  EXPECT_FALSE(VerifyRsa({modulus, ""}, DigestKind::kSha256, digest, signature));
  EXPECT_FALSE(VerifyRsa({"", exponent}, DigestKind::kSha256, digest, signature));
  EXPECT_FALSE(VerifyRsa({modulus, exponent}, DigestKind::kSha512, digest, signature));
  EXPECT_FALSE(VerifyRsa({modulus, exponent}, DigestKind::kMd5, digest.substr(16), signature));
}

TEST(SignatureTest, RsaKeysHaveALeastAndAGreatestSize) {
  const std::string digest = MessageDigest(), exponent("\x01\x00\x01", 3);
  for (const size_t bytes : {127u, 513u}) {
    const std::string modulus(bytes, '\xff');
    EXPECT_FALSE(VerifyRsa({modulus, exponent}, DigestKind::kSha256, digest, modulus));
  }
}

TEST(SignatureTest, P256HoldsForTheMessageAndTheKeyAlone) {
  const std::string x = Octets(kX), y = Octets(kY), digest = MessageDigest();
  ExpectOnlyThis(Octets(kP256Signature), [&](const std::string& signature) {
    return VerifyP256({x, y}, digest, signature);
  });
  const std::string signature = Octets(kP256Signature);
  std::string off = y;  // not on the curve
  off[31] = static_cast<char>(off[31] ^ 1);
  EXPECT_FALSE(VerifyP256({x, off}, digest, signature));
  EXPECT_FALSE(VerifyP256({y, x}, digest, signature));
  EXPECT_FALSE(VerifyP256({x, y}, digest, std::string(64, '\0')));
}

TEST(SignatureTest, Ed25519HoldsForTheMessageAndTheKeyAlone) {
  const std::string key = Octets(kEdKey);
  ExpectOnlyThis(Octets(kEdSignature), [&](const std::string& signature) {
    return VerifyEd25519(key, kMessage, signature);
  });
  EXPECT_FALSE(VerifyEd25519(key, "another message", Octets(kEdSignature)));
  EXPECT_FALSE(VerifyEd25519(key.substr(1), kMessage, Octets(kEdSignature)));
}

}  // namespace
}  // namespace ringmail::codec
