#include "ringmail/base/status.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "ringmail/base/check.h"

namespace ringmail {
namespace {

TEST(ErrnoStatusTest, SaysWhatWhyAndWhetherItMayPass) {
  const Status status = ErrnoStatus(ENOSPC, "write log/0001");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Std(status.message()), "write log/0001: No space left on device");
  EXPECT_EQ(ErrnoStatus(EDQUOT, "").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(EMFILE, "").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(ENOENT, "").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrnoStatus(EPERM, "").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrnoStatus(EADDRINUSE, "").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ErrnoStatus(ENOSYS, "").code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(ErrnoStatus(EIO, "").code(), absl::StatusCode::kUnavailable);
}

StatusOr<int> Half(int value) {
  if (value % 2 != 0) return absl::InvalidArgumentError("odd");
  return value / 2;
}
StatusOr<int> Quarter(int value) {
  ASSIGN_OR_RETURN(const int half, Half(value));
  ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}
Status CanHalve(int value) {
  RETURN_IF_ERROR(Half(value).status());
  return absl::OkStatus();
}

TEST(StatusMacrosTest, PassErrorsOnAndValuesThrough) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(CanHalve(2).ok());
  EXPECT_FALSE(CanHalve(3).ok());
}

TEST(StatusDeathTest, AnErrorWithoutErrnoIsABug) {
  EXPECT_DEATH(static_cast<void>(ErrnoStatus(0, "x")), "CHECK failed: .*errno_value");
}

TEST(CheckDeathTest, NamesWhatFailedAndWhere) {
  const int apples = 3;
  CHECK(apples == 3);
  EXPECT_DEATH(CHECK_LT(apples, 2), "CHECK failed: \\(apples\\) < \\(2\\) at .*status_test.cc:");
}

}  // namespace
}  // namespace ringmail
