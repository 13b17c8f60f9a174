// Names of mailboxes as files have them, and as we do: UTF-8, levels parted by '/'.
//
// Files have each level in modified UTF-7 (RFC 3501 §5.1.3), or in UTF-8. A '.' within a level is
// "&AC4-" where '.' parts levels (Maildir++), as Courier has it. Shard: pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmail::foreign {

// nullopt: no levels, an empty one, a control character, or neither modified UTF-7 nor UTF-8. A '/'
// within a level, which no name of ours can have, becomes '_'. A first level "inbox" in any letters
// is INBOX.
std::optional<std::string> NameFromLevels(const std::vector<std::string_view>& levels);
// The levels of `name`, cut at `separator`.
std::optional<std::string> NameFromPath(std::string_view path, char separator);

// The levels of one of our names, each in modified UTF-7 and without `avoid`.
// REQUIRES: the name is valid (storage/account_change.h).
std::vector<std::string> LevelsOfName(std::string_view name, char avoid);

// Mailboxes above the one named, the topmost first: "a/b/c" has "a" and "a/b".
std::vector<std::string_view> NamesAbove(std::string_view name);

}  // namespace ringmail::foreign
