#include "server/mailboxes/lane.h"

#include <algorithm>
#include <charconv>

namespace ringmail::server {
namespace {

// In the place of a token, before the first batch.
constexpr std::string_view kNone = "-none-";

}  // namespace

bool ValidLaneName(std::string_view name) {
  return !name.empty() && name.size() <= kLaneNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '-' || c == '.' || c == '_';
         });
}

std::string LaneValueName(std::string_view lane) { return "ringmail/import/" + std::string(lane); }

std::string FormatLane(const LaneState& state) {
  return (state.token.empty() ? std::string(kNone) : state.token) + " " +
         std::to_string(state.mailbox) + " " + std::to_string(state.uid_next);
}

std::optional<LaneState> ParseLane(std::string_view value) {
  LaneState state;
  const size_t space = value.find(' ');
  if (space == value.npos) return std::nullopt;
  state.token = value.substr(0, space);
  const char* const end = value.data() + value.size();
  const auto mailbox = std::from_chars(value.data() + space + 1, end, state.mailbox);
  if (mailbox.ec != std::errc() || mailbox.ptr == end || *mailbox.ptr != ' ') return std::nullopt;
  const auto next = std::from_chars(mailbox.ptr + 1, end, state.uid_next);
  if (next.ec != std::errc() || next.ptr != end || !ValidLaneName(state.token)) return std::nullopt;
  if (state.token == kNone) state.token.clear();
  return state;
}

}  // namespace ringmail::server
