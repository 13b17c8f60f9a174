#include "server/mailboxes/frame.h"

#include <algorithm>
#include <array>

#include <simdjson.h>

#include "ringmail/codec/ascii.h"
#include "server/control/json_writer.h"

namespace ringmail::server {
namespace {

constexpr std::array<std::pair<std::string_view, uint8_t>, 5> kFlags = {
    {{"\\Seen", foreign::kSeen},
     {"\\Answered", foreign::kAnswered},
     {"\\Flagged", foreign::kFlagged},
     {"\\Deleted", foreign::kDeleted},
     {"\\Draft", foreign::kDraft}}};

}  // namespace

uint8_t SystemFlag(std::string_view name) {
  for (const auto& [known, flag] : kFlags) {
    if (codec::AsciiEqualNoCase(known, name)) return flag;
  }
  return 0;
}

std::vector<std::string_view> SystemFlagNames(uint64_t flags) {
  std::vector<std::string_view> names;
  for (const auto& [name, flag] : kFlags) {
    if ((flags & flag) != 0) names.push_back(name);
  }
  return names;
}

std::string FormatFrameHead(const FrameHead& head) {
  std::string line;
  JsonWriter json(line);
  json.BeginObject().Key("bytes").Number(head.bytes);
  if (head.marks.uid != 0) json.Key("uid").Number(head.marks.uid);
  if (head.marks.date_seconds) json.Key("date").Number(*head.marks.date_seconds);
  json.Key("flags").BeginArray();
  for (const std::string_view name : SystemFlagNames(head.marks.flags)) json.String(name);
  json.EndArray().Key("keywords").BeginArray();
  for (const std::string& keyword : head.marks.keywords) json.String(keyword);
  json.EndArray();
  if (!head.error.empty()) json.Key("error").String(head.error);
  json.EndObject();
  return line + "\n";
}

std::optional<FrameHead> ParseFrameHead(std::string_view line) {
  FrameHead head;
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(line.data(), line.size()).get(object) != simdjson::SUCCESS) return std::nullopt;
  if (object["bytes"].get(head.bytes) != simdjson::SUCCESS) return std::nullopt;
  uint64_t uid = 0;
  if (object["uid"].get(uid) == simdjson::SUCCESS && uid <= UINT32_MAX)
    head.marks.uid = static_cast<uint32_t>(uid);
  int64_t date = 0;
  if (object["date"].get(date) == simdjson::SUCCESS) head.marks.date_seconds = date;
  simdjson::dom::array flags, keywords;
  std::string_view text;
  if (object["flags"].get(flags) == simdjson::SUCCESS) {
    for (const simdjson::dom::element one : flags) {
      if (one.get(text) != simdjson::SUCCESS || SystemFlag(text) == 0) return std::nullopt;
      head.marks.flags |= SystemFlag(text);
    }
  }
  if (object["keywords"].get(keywords) == simdjson::SUCCESS) {
    for (const simdjson::dom::element one : keywords) {
      if (one.get(text) != simdjson::SUCCESS || !foreign::ValidKeyword(text)) return std::nullopt;
      head.marks.keywords.emplace_back(text);
    }
  }
  if (object["error"].get(text) == simdjson::SUCCESS) head.error = text;
  if (!head.error.empty() && head.bytes != 0) return std::nullopt;
  return head;
}

FrameReader::Event FrameReader::Next(std::string_view& input) {
  if (malformed_) return Event::kMalformed;
  if (within_) {
    if (left_ == 0) {
      within_ = false;
      return Event::kMessage;
    }
    if (input.empty()) return Event::kMore;
    octets_ = input.substr(0, std::min<uint64_t>(left_, input.size()));
    input.remove_prefix(octets_.size());
    left_ -= octets_.size();
    return Event::kOctets;
  }
  const size_t feed = input.find('\n');
  const size_t end = std::min(feed, input.size());
  line_ += input.substr(0, end);
  input.remove_prefix(std::min(end + 1, input.size()));
  malformed_ = line_.size() > kFrameHeadBytesMax;
  if (malformed_) return Event::kMalformed;
  if (feed == input.npos) return Event::kMore;
  std::optional<FrameHead> head = ParseFrameHead(line_);
  line_.clear();
  malformed_ = !head;
  if (malformed_) return Event::kMalformed;
  head_ = *std::move(head);
  left_ = head_.bytes;
  within_ = true;
  return Event::kHead;
}

}  // namespace ringmail::server
