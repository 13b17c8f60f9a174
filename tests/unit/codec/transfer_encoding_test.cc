#include "ringmail/codec/transfer_encoding.h"

#include <gtest/gtest.h>

namespace ringmail::codec {
namespace {

constexpr TransferEncoding kAll[] = {TransferEncoding::k7Bit,   TransferEncoding::k8Bit,
                                     TransferEncoding::kBinary, TransferEncoding::kQuotedPrintable,
                                     TransferEncoding::kBase64, TransferEncoding::kUuencode,
                                     TransferEncoding::kUnknown};

TEST(TransferEncodingTest, NamesAreReadInAnyCase) {
  EXPECT_EQ(ParseTransferEncoding("7bit"), TransferEncoding::k7Bit);
  EXPECT_EQ(ParseTransferEncoding("8BIT"), TransferEncoding::k8Bit);
  EXPECT_EQ(ParseTransferEncoding("Binary"), TransferEncoding::kBinary);
  EXPECT_EQ(ParseTransferEncoding("Quoted-Printable"), TransferEncoding::kQuotedPrintable);
  EXPECT_EQ(ParseTransferEncoding("BASE64"), TransferEncoding::kBase64);
  EXPECT_EQ(ParseTransferEncoding("X-UUencode"), TransferEncoding::kUuencode);
  EXPECT_EQ(ParseTransferEncoding("uuencode"), TransferEncoding::kUuencode);
}

TEST(TransferEncodingTest, EveryOtherNameIsUnknown) {
  for (const std::string_view name :
       {"", "x-foo", "7-bit", "base64 ", "base 64", "x-base64", "8bit;", "none"}) {
    EXPECT_EQ(ParseTransferEncoding(name), TransferEncoding::kUnknown) << name;
  }
}

TEST(TransferEncodingTest, EachNameIsReadBack) {
  for (const TransferEncoding encoding : kAll) {
    EXPECT_EQ(ParseTransferEncoding(TransferEncodingName(encoding)), encoding);
  }
}

TEST(TransferEncodingTest, OnlyIdentitiesMayEncodeACompositeType) {
  for (const TransferEncoding encoding : kAll) {
    const bool identity = encoding == TransferEncoding::k7Bit ||
                          encoding == TransferEncoding::k8Bit ||
                          encoding == TransferEncoding::kBinary;
    EXPECT_EQ(IsIdentityEncoding(encoding), identity);
    EXPECT_EQ(AllowedForComposite(encoding), identity);
  }
}

}  // namespace
}  // namespace ringmail::codec
