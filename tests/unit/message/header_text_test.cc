#include "ringmail/message/header_text.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmail::message {
namespace {

TEST(UnfoldTest, TakesOutLineEndsAlone) {
  EXPECT_EQ(Unfold(" This\r\n is a test\r\n"), "This is a test");
  EXPECT_EQ(Unfold("a\n\tb"), "a\tb");
}

// RFC 2047 §8.
TEST(DecodeTextTest, ReadsTheExamplesOfRfc2047) {
  EXPECT_EQ(DecodeText("=?US-ASCII?Q?Keith_Moore?="), "Keith Moore");
  EXPECT_EQ(DecodeText("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?="), "Keld J\u00F8rn Simonsen");
  EXPECT_EQ(DecodeText("=?ISO-8859-1?Q?Andr=E9?= Pirard"), "Andr\u00E9 Pirard");
  EXPECT_EQ(DecodeText("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n"
                       "    =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="),
            "If you can read this you understand the example.");
  EXPECT_EQ(DecodeText("(=?ISO-8859-1?Q?a?=)"), "(a)");
  EXPECT_EQ(DecodeText("(=?ISO-8859-1?Q?a?= b)"), "(a b)");
  EXPECT_EQ(DecodeText("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)"), "(ab)");
  EXPECT_EQ(DecodeText("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)"), "(ab)");
  EXPECT_EQ(DecodeText("(=?ISO-8859-1?Q?a?=\r\n       =?ISO-8859-1?Q?b?=)"), "(ab)");
  EXPECT_EQ(DecodeText("(=?ISO-8859-1?Q?a_b?=)"), "(a b)");
  EXPECT_EQ(DecodeText("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)"), "(a b)");
}

TEST(DecodeTextTest, AByteOrderMarkIsACharacterWithinAValueAndNoneBeforeIt) {
  EXPECT_EQ(DecodeText("a =?utf-8?B?77u/Yg==?="), "a \uFEFFb");
  EXPECT_EQ(DecodeText("a \uFEFF"), "a \uFEFF");
  EXPECT_EQ(DecodeText("=?utf-8?B?77u/Yg==?="), "b");
  EXPECT_EQ(DecodeText("\uFEFF\uFEFFb"), "b");
}

TEST(DecodeTextTest, ReadsALanguageOfRfc2231) {
  EXPECT_EQ(DecodeText("=?US-ASCII*EN?Q?Keith_Moore?="), "Keith Moore");
}

TEST(DecodeTextTest, JoinsACharacterThatTwoWordsDivide) {
  EXPECT_EQ(DecodeText("=?utf-8?Q?=C3?= =?utf-8?Q?=A9?="), "\u00E9");
}

TEST(DecodeTextTest, TakesRawOctetsForUtf8OrWindows1252) {
  EXPECT_EQ(DecodeText("caf\u00E9"), "caf\u00E9");
  EXPECT_EQ(DecodeText("caf\xE9 \x80"), "caf\u00E9 \u20AC");
}

TEST(DecodeTextTest, LetsNoControlThrough) {
  EXPECT_EQ(DecodeText("=?utf-8?Q?a=0D=0ABcc:_b=00=1B?="), "a Bcc: b");
}

TEST(DecodeTextTest, LeavesWhatIsNoEncodedWord) {
  EXPECT_EQ(DecodeText("=?x =? =?a?b?c?= 1=?2"), "=?x =? =?a?b?c?= 1=?2");
}

}  // namespace
}  // namespace ringmail::message
