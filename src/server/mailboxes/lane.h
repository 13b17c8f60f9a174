// Lanes: how an import brings each message exactly once, though it, the server or the machine may
// fail at any point.
//
// A lane is a named value of the account that holds a token, where the lane's last batch began,
// and is replaced in the very transaction that appends the next batch. A batch says which token it
// follows: it is refused where the lane is at another. So a client that heard no answer asks where
// the lane is, and knows; and a batch that is late comes to a lane that has gone on. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "ringmail/base/ids.h"

namespace ringmail::server {

// Of lane names and tokens: letters, digits, '-', '.', '_'.
inline constexpr size_t kLaneNameBytesMax = 64;

struct LaneState {
  std::string token;  // "": no batch yet
  uint32_t mailbox = 0;
  // UIDNEXT when the batch began: its messages have this UID or larger ones.
  uint32_t uid_next = 0;
  friend bool operator==(const LaneState&, const LaneState&) = default;
};

bool ValidLaneName(std::string_view name);
// The name of the account's value.
std::string LaneValueName(std::string_view lane);
std::string FormatLane(const LaneState& state);
std::optional<LaneState> ParseLane(std::string_view value);

// Lanes that a batch is on its way in. One batch at a time, since it is judged by the one before.
using LaneSet = std::set<std::pair<AccountId, std::string>>;

}  // namespace ringmail::server
