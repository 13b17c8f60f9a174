#include "ringmail/base/status.h"

#include <cerrno>
#include <string>
#include <system_error>

#include "ringmail/base/check.h"

namespace ringmail {
namespace {

absl::StatusCode CodeOf(int errno_value) {
  switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case EEXIST:
    case EADDRINUSE:
      return absl::StatusCode::kAlreadyExists;
    case ENOSYS:
    case EOPNOTSUPP:
      return absl::StatusCode::kUnimplemented;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

}  // namespace

Status ErrnoStatus(int errno_value, std::string_view what) {
  // Zero would make an error that says it is none.
  CHECK_GT(errno_value, 0);
  std::string text(what);
  text += ": ";
  text += std::generic_category().message(errno_value);
  return Status(CodeOf(errno_value), Absl(text));
}

}  // namespace ringmail
