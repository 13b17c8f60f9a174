#include "ringmail/protocol/pop3_unique_id.h"

#include "gtest/gtest.h"

namespace ringmail::pop3 {
namespace {

std::string Shown(const UniqueIdFormat& format, uint32_t uid_validity, uint32_t uid) {
  std::string text;
  format.Append(uid_validity, uid, text);
  return text;
}

TEST(UniqueIdFormat, IsDovecotsUnlessToldOtherwise) {
  EXPECT_EQ(Shown(UniqueIdFormat(), 0x4DC5F0A3, 26), "0000001a4dc5f0a3");
  EXPECT_EQ(Shown(UniqueIdFormat(), UINT32_MAX, UINT32_MAX), "ffffffffffffffff");
}

TEST(UniqueIdFormat, SpeaksAsOtherServersDid) {
  const auto shown = [](std::string_view text) {
    const auto format = UniqueIdFormat::Parse(text);
    return format ? Shown(*format, 1'234'567, 89) : "refused";
  };
  EXPECT_EQ(shown("%v.%u"), "1234567.89");  // Cyrus
  EXPECT_EQ(shown("%v-%u"), "1234567-89");  // Courier
  EXPECT_EQ(shown("%u"), "89");             // Cyrus before 2.1.4
  EXPECT_EQ(shown("UID%u-%v"), "UID89-1234567");
  EXPECT_EQ(shown("%010u%%%05Xu%Xv"),
            "0000000089%00059"
            "12d687");
}

TEST(UniqueIdFormat, RefusesWhatIsNoFormatOrNamesNoMessage) {
  for (const char* text :
       {"",    "%v",   "x",     "%%u",   "%",     "%u%", "%0",   "%08",  "%08X", "%08Xs",
        "%8u", "%00u", "%011u", "%0%%u", "%X%%u", "%f",  "%g%u", "a %u", "%u\n", "\xC3%u"})
    EXPECT_FALSE(UniqueIdFormat::Parse(text)) << text;
  EXPECT_TRUE(UniqueIdFormat::Parse(std::string(60, 'x') + "%u"));
  EXPECT_FALSE(UniqueIdFormat::Parse(std::string(61, 'x') + "%u")) << "of 70 octets at most";
}

}  // namespace
}  // namespace ringmail::pop3
