// The world's faults (disk, network, memory of others): absl::Status, made once, at a room's edge.
//
// Debian's abseil has a string_view of its own; `Absl()` converts at that border and nowhere else
// is it named.
#pragma once

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ringmail {

using absl::Status;
using absl::StatusOr;

inline absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view Std(absl::string_view text) { return {text.data(), text.size()}; }

// "<what>: <strerror(errno_value)>", with the status code that says whether it may pass by itself:
// ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM → kResourceExhausted; ENOENT → kNotFound; EACCES, EPERM →
// kPermissionDenied; EEXIST, EADDRINUSE → kAlreadyExists; ENOSYS, EOPNOTSUPP → kUnimplemented;
// others → kUnavailable.
Status ErrnoStatus(int errno_value, std::string_view what);

}  // namespace ringmail

#define RINGMAIL_CONCAT_INNER(a, b) a##b
#define RINGMAIL_CONCAT(a, b) RINGMAIL_CONCAT_INNER(a, b)
// In functions that return Status or StatusOr; the CO_ forms in Task<Status> and Task<StatusOr<T>>.
#define RETURN_IF_ERROR(expression)                              \
  do {                                                           \
    if (auto status_ = (expression); !status_.ok()) [[unlikely]] \
      return status_;                                            \
  } while (false)
#define CO_RETURN_IF_ERROR(expression)                           \
  do {                                                           \
    if (auto status_ = (expression); !status_.ok()) [[unlikely]] \
      co_return status_;                                         \
  } while (false)
#define ASSIGN_OR_RETURN_INNER(temporary, target, expression, return_word) \
  auto temporary = (expression);                                           \
  if (!temporary.ok()) [[unlikely]]                                        \
    return_word std::move(temporary).status();                             \
  target = *std::move(temporary)
#define ASSIGN_OR_RETURN(target, expression) \
  ASSIGN_OR_RETURN_INNER(RINGMAIL_CONCAT(statusor_, __LINE__), target, expression, return)
#define ASSIGN_OR_CO_RETURN(target, expression) \
  ASSIGN_OR_RETURN_INNER(RINGMAIL_CONCAT(statusor_, __LINE__), target, expression, co_return)
