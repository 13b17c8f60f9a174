// The rules of mailbox names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ringmail::storage {

inline constexpr char kLevelSeparator = '/';
inline constexpr std::string_view kInboxName = "INBOX";

// The name as it is kept: its first level, if it is INBOX in any case, in capitals. nullopt: not
// valid UTF-8, a control character, an empty level, '%' or '*' (they would match others in LIST),
// or beyond AccountLimits.
std::optional<std::string> NormalMailboxName(std::string_view name);

// Whether `name` lies below `parent`.
bool LiesBelow(std::string_view name, std::string_view parent);

}  // namespace ringmail::storage
