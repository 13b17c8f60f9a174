#include "ringmail/backend/wire.h"

#include <gtest/gtest.h>

namespace ringmail::backend {
namespace {

TEST(BackendWire, WhatIsWrittenIsReadOctetByOctet) {
  const WireMessage one{
      .kind = WireKind::kFind, .number = 7, .fields = {{"address", "a@b"}, {"", ""}}};
  const WireMessage two{.kind = WireKind::kUnavailable, .number = ~0ull, .fields = {}};
  const std::string bytes = EncodeWire(one) + EncodeWire(two);
  std::vector<WireMessage> read;
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    std::string_view rest = std::string_view(bytes).substr(0, cut);
    WireMessage message;
    while (DecodeWire(rest, message) == WireStatus::kMessage) {
    }
    EXPECT_EQ(DecodeWire(rest, message), WireStatus::kNeedMore) << cut;
  }
  std::string_view rest = bytes;
  WireMessage message;
  ASSERT_EQ(DecodeWire(rest, message), WireStatus::kMessage);
  EXPECT_EQ(message, one);
  EXPECT_EQ(message.Get("address"), "a@b");
  EXPECT_EQ(message.Get("none"), "");
  ASSERT_EQ(DecodeWire(rest, message), WireStatus::kMessage);
  EXPECT_EQ(message, two);
  EXPECT_TRUE(rest.empty());
}

TEST(BackendWire, WhatIsNoFrameIsBroken) {
  const std::string good = EncodeWire({.kind = WireKind::kFind, .fields = {{"a", "b"}}});
  const auto status = [](std::string bytes) {
    std::string_view rest = bytes;
    WireMessage message;
    return DecodeWire(rest, message);
  };
  std::string bytes = good;
  bytes[4] = 9;  // a kind that there is not
  EXPECT_EQ(status(bytes), WireStatus::kBroken);
  bytes = good;
  bytes[14] = 99;  // a name longer than the frame
  EXPECT_EQ(status(bytes), WireStatus::kBroken);
  EXPECT_EQ(status(std::string("\0\0\0\1\2", 5)), WireStatus::kBroken);
  EXPECT_EQ(status("\x7f\xff\xff\xff"), WireStatus::kBroken);
}

TEST(BackendWire, TheLargestFrameFitsAndOneOctetMoreDoesNot) {
  WireMessage message{.kind = WireKind::kFound, .fields = {{"a", ""}}};
  message.fields[0].value.assign(kWireFrameBytesMax - 9 - 7, 'x');
  ASSERT_TRUE(FitsWire(message));
  const std::string bytes = EncodeWire(message);
  std::string_view rest = bytes;
  WireMessage read;
  EXPECT_EQ(DecodeWire(rest, read), WireStatus::kMessage);
  message.fields[0].value += 'x';
  EXPECT_FALSE(FitsWire(message));
  message.fields.assign(kWireFieldsMax, {"a", "b"});
  EXPECT_TRUE(FitsWire(message));
  message.fields.push_back({"a", "b"});
  EXPECT_FALSE(FitsWire(message));
}

}  // namespace
}  // namespace ringmail::backend
