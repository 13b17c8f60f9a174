#include "ringmail/message/status_reply.h"

#include <array>

#include "ringmail/base/check.h"

namespace ringmail::message {
namespace {

struct Row {
  absl::StatusCode fault;
  uint16_t code;
  EnhancedStatus status;
  std::string_view text;
};

constexpr EnhancedStatus kOther = {4, 3,
                                   0};  // RFC 3463 §3.4: other or undefined mail system status
constexpr EnhancedStatus kFull = {4, 3, 1};           // mail system full
constexpr EnhancedStatus kNotAccepting = {4, 3, 2};   // system not accepting network messages
constexpr EnhancedStatus kMisconfigured = {4, 3, 5};  // system incorrectly configured

constexpr std::string_view kLocalError = "Local error in processing, try again later";

constexpr std::array kRows = {
    Row{absl::StatusCode::kResourceExhausted, 452, kFull,
        "Insufficient system storage, try again later"},
    Row{absl::StatusCode::kCancelled, 451, kNotAccepting, "Shutting down, try again later"},
    Row{absl::StatusCode::kAborted, 451, kNotAccepting, "Interrupted, try again later"},
    Row{absl::StatusCode::kUnavailable, 451, kOther, "Temporarily unavailable, try again later"},
    Row{absl::StatusCode::kDeadlineExceeded, 451, kOther, "Took too long, try again later"},
    Row{absl::StatusCode::kPermissionDenied, 451, kMisconfigured, kLocalError},
    Row{absl::StatusCode::kUnauthenticated, 451, kMisconfigured, kLocalError},
    Row{absl::StatusCode::kUnimplemented, 451, kMisconfigured, kLocalError},
    Row{absl::StatusCode::kNotFound, 451, kOther, kLocalError},
    Row{absl::StatusCode::kAlreadyExists, 451, kOther, kLocalError},
    Row{absl::StatusCode::kFailedPrecondition, 451, kOther, kLocalError},
    Row{absl::StatusCode::kInvalidArgument, 451, kOther, kLocalError},
    Row{absl::StatusCode::kOutOfRange, 451, kOther, kLocalError},
    Row{absl::StatusCode::kInternal, 451, kOther, kLocalError},
    Row{absl::StatusCode::kDataLoss, 451, kOther, kLocalError},
    Row{absl::StatusCode::kUnknown, 451, kOther, kLocalError},
};

}  // namespace

Reply ReplyForFault(const Status& fault) {
  CHECK(!fault.ok());
  for (const Row& row : kRows) {
    if (row.fault == fault.code()) {
      return {.code = row.code, .status = row.status, .text = std::string(row.text)};
    }
  }
  return {.code = 451, .status = kOther, .text = std::string(kLocalError)};
}

}  // namespace ringmail::message
