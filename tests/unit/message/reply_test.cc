#include "ringmail/message/reply.h"

#include <gtest/gtest.h>

#include "ringmail/message/status_reply.h"

namespace ringmail::message {
namespace {

TEST(ReplyTest, IsOneLineForLogs) {
  EXPECT_EQ((Reply{.code = 451, .status = {4, 3, 0}, .text = "try later"}).ToLine(),
            "451 4.3.0 try later");
  EXPECT_EQ((Reply{.code = 250, .text = "first\nsecond"}).ToLine(), "250 first second");
  EXPECT_EQ((Reply{.code = 354}).ToLine(), "354");
}

TEST(ReplyTest, TheFirstDigitSaysWhatItMeans) {
  EXPECT_TRUE(Reply{.code = 250}.completed());
  EXPECT_TRUE(Reply{.code = 354}.positive());
  EXPECT_FALSE(Reply{.code = 354}.completed());
  EXPECT_TRUE(Reply{.code = 421}.transient());
  EXPECT_TRUE(Reply{.code = 550}.permanent());
  EXPECT_FALSE(Reply{}.positive());
}

TEST(StatusReplyTest, EveryFaultOfOursIsTransient) {
  for (int code = 1; code <= 16; ++code) {
    const Reply reply =
        ReplyForFault(Status(static_cast<absl::StatusCode>(code), "secret /var/path"));
    EXPECT_TRUE(reply.transient()) << code;
    EXPECT_EQ(reply.status.klass, 4) << code;
    EXPECT_EQ(reply.text.find("secret"), std::string::npos);
    EXPECT_FALSE(reply.text.empty());
  }
}

TEST(StatusReplyTest, AFullDiskIs452AndOtherFaultsAre451) {
  for (const int error : {ENOSPC, EDQUOT}) {
    const Reply full = ReplyForFault(ErrnoStatus(error, "append"));
    EXPECT_EQ(full.code, 452);
    EXPECT_EQ(full.status, (EnhancedStatus{4, 3, 1}));
  }
  const Reply broken = ReplyForFault(ErrnoStatus(EIO, "append"));
  EXPECT_EQ(broken.code, 451);
  EXPECT_EQ(broken.status, (EnhancedStatus{4, 3, 0}));
  EXPECT_EQ(ReplyForFault(absl::UnknownError("")).code, 451);
}

TEST(StatusReplyDeathTest, NoFaultHasNoReply) {
  EXPECT_DEATH(ReplyForFault(absl::OkStatus()), "CHECK failed");
}

}  // namespace
}  // namespace ringmail::message
