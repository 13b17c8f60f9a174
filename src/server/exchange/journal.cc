#include "server/exchange/journal.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "ringmail/codec/crc32c.h"
#include "ringmail/codec/percent.h"

namespace ringmail::server {
namespace {

constexpr std::string_view kMagic = "ringmail-import";

// A word without spaces; "-" where there is nothing.
std::string Word(std::string_view text) {
  if (text.empty()) return "-";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '.' || c == '_' || c == '@' || c == '/' || c == '=' || c == ',';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return out;
}

std::string FromWord(std::string_view word) {
  if (word == "-") return {};
  std::string text(word.size(), '\0');
  text.resize(codec::PercentDecode(word, text.data()).bytes);
  return text;
}

std::string Finished(std::string line) {
  return line + fmt::format(" {:08x}\n", codec::Crc32c(0, line));
}

// The words of a whole line without its checksum; nullopt: it is not as it was written.
std::optional<std::vector<std::string>> Words(std::string_view line) {
  const size_t last = line.rfind(' ');
  if (last == line.npos) return std::nullopt;
  if (line.substr(last + 1) != fmt::format("{:08x}", codec::Crc32c(0, line.substr(0, last))))
    return std::nullopt;
  std::vector<std::string> words;
  for (std::string_view rest = line.substr(0, last); !rest.empty();) {
    const size_t end = std::min(rest.find(' '), rest.size());
    words.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return words;
}

template <typename T>
bool Number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

std::string Key(std::string_view mailbox, std::string_view id) {
  return std::string(mailbox) + '\n' + std::string(id);
}

}  // namespace

std::string FormatJournalHead(const JournalHead& head) {
  return Finished(
      fmt::format("{} 1 {} {} {}", kMagic, Word(head.job), Word(head.account), Word(head.source)));
}

std::string FormatBegun(const JournalBatch& batch) {
  std::string line = fmt::format("begun {} {} {} {}", batch.lane, Word(batch.expect),
                                 Word(batch.token), Word(batch.mailbox));
  for (const JournalItem& item : batch.items)
    line += fmt::format(" {}:{}:{}", Word(item.id), item.bytes, item.date_seconds);
  return Finished(std::move(line));
}

std::string FormatEnded(const JournalBatch& batch, const std::vector<uint32_t>& uids) {
  std::string line = fmt::format("ended {} {}", batch.lane, Word(batch.token));
  for (const uint32_t uid : uids) line += fmt::format(" {}", uid);
  return Finished(std::move(line));
}

std::string FormatNone(const JournalBatch& batch, std::string_view next) {
  return Finished(fmt::format("none {} {} {}", batch.lane, Word(batch.token), Word(next)));
}

std::optional<foreign::Fault> Journal::Read(std::string_view text) {
  while (valid_bytes_ < text.size()) {
    const size_t feed = text.find('\n', valid_bytes_);
    if (feed == text.npos) break;  // not finished
    const auto words = Words(text.substr(valid_bytes_, feed - valid_bytes_));
    if (!words || !Apply(*words)) {
      // Of a write that a crash cut, the end may have come without the beginning.
      if (text.find('\n', feed + 1) == text.npos && valid_bytes_ > 0) break;
      return foreign::Fault{valid_bytes_, "the journal is damaged here"};
    }
    valid_bytes_ = feed + 1;
  }
  return std::nullopt;
}

bool Journal::Apply(const std::vector<std::string>& words) {
  if (valid_bytes_ == 0) {
    if (words.size() != 5 || words[0] != kMagic || words[1] != "1") return false;
    head_ = {FromWord(words[2]), FromWord(words[3]), FromWord(words[4])};
    return true;
  }
  if (words.size() < 3) return false;
  if (words[0] == "begun") return ApplyBegun(words);
  uint32_t lane = 0;
  if (!Number(words[1], lane)) return false;
  const auto found = lanes_.find(lane);
  if (found == lanes_.end() || !found->second.open ||
      found->second.open->token != FromWord(words[2]))
    return false;
  if (words[0] == "none" && words.size() == 4) {
    None(lane, FromWord(words[3]));
    return true;
  }
  if (words[0] != "ended" || words.size() != 3 + found->second.open->items.size()) return false;
  std::vector<uint32_t> uids(words.size() - 3);
  for (size_t i = 0; i < uids.size(); ++i) {
    if (!Number(words[i + 3], uids[i])) return false;
  }
  Ended(lane, uids);
  return true;
}

bool Journal::ApplyBegun(const std::vector<std::string>& words) {
  JournalBatch batch;
  if (words.size() < 5 || !Number(words[1], batch.lane)) return false;
  batch.expect = FromWord(words[2]);
  batch.token = FromWord(words[3]);
  batch.mailbox = FromWord(words[4]);
  for (size_t i = 5; i < words.size(); ++i) {
    const std::string_view word = words[i];
    const size_t date = word.rfind(':');
    if (date == word.npos || date == 0) return false;
    const size_t bytes = word.rfind(':', date - 1);
    JournalItem item;
    if (bytes == word.npos || !Number(word.substr(bytes + 1, date - bytes - 1), item.bytes) ||
        !Number(word.substr(date + 1), item.date_seconds))
      return false;
    item.id = FromWord(word.substr(0, bytes));
    batch.items.push_back(std::move(item));
  }
  Begun(std::move(batch));
  return true;
}

bool Journal::Has(std::string_view mailbox, std::string_view id) const {
  return done_.contains(Key(mailbox, id));
}

void Journal::Begun(JournalBatch batch) {
  ++batches_;
  const uint32_t lane = batch.lane;
  lanes_[lane].open = std::move(batch);
}

void Journal::Ended(uint32_t lane, const std::vector<uint32_t>& uids) {
  Lane& one = lanes_[lane];
  for (size_t i = 0; i < uids.size() && i < one.open->items.size(); ++i) {
    if (uids[i] != 0) done_.insert(Key(one.open->mailbox, one.open->items[i].id));
  }
  one.token = one.open->token;
  one.open.reset();
}

void Journal::None(uint32_t lane, std::string_view next) {
  lanes_[lane].token = next;
  lanes_[lane].open.reset();
}

std::vector<uint32_t> MatchItems(const std::vector<JournalItem>& items,
                                 const std::vector<FoundMessage>& found) {
  std::vector<uint32_t> uids;
  auto at = found.begin();
  for (const JournalItem& item : items) {
    const auto here = std::find_if(at, found.end(), [&](const FoundMessage& one) {
      return one.bytes == item.bytes && one.date_seconds == item.date_seconds;
    });
    uids.push_back(here == found.end() ? 0 : here->uid);
    if (here != found.end()) at = here + 1;
  }
  return uids;
}

}  // namespace ringmail::server
