#include "ringmail/foreign/maildir.h"

#include <algorithm>
#include <charconv>

#include "ringmail/foreign/mailbox_name.h"

namespace ringmail::foreign {
namespace {

// RFC 9051 §2.3.2 names it; what Maildir calls passed.
constexpr std::string_view kForwarded = "$Forwarded";

struct FlagLetter {
  char letter;
  uint8_t flag;
};
constexpr FlagLetter kLetters[] = {
    {'D', kDraft}, {'F', kFlagged}, {'R', kAnswered}, {'S', kSeen}, {'T', kDeleted}};

bool Number(std::string_view text, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

bool Number32(std::string_view text, uint32_t& value) {
  uint64_t wide = 0;
  if (!Number(text, wide) || wide > UINT32_MAX) return false;
  value = static_cast<uint32_t>(wide);
  return true;
}

std::string_view TakeLine(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view TakeWord(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

// "3 V1275660208 N25022 Gc2d5…" or "1 1275660208 25022". False: neither.
bool ReadUidListHead(std::string_view line, bool& lettered, UidList& list) {
  const std::string_view version = TakeWord(line);
  lettered = version == "3";
  if (!lettered) {
    return version == "1" && Number32(TakeWord(line), list.uid_validity) &&
           Number32(TakeWord(line), list.uid_next);
  }
  while (!line.empty()) {
    const std::string_view word = TakeWord(line);
    if (word.starts_with('V') && !Number32(word.substr(1), list.uid_validity)) return false;
    if (word.starts_with('N') && !Number32(word.substr(1), list.uid_next)) return false;
  }
  return list.uid_validity != 0;
}

}  // namespace

MaildirFile ParseMaildirFile(std::string_view name) {
  MaildirFile file;
  if (name.empty() || name.front() == '.') return file;
  const size_t colon = std::min(name.find(':'), name.size());
  file.unique = name.substr(0, colon);
  const std::string_view info = name.substr(colon);
  if (info.starts_with(":2,")) {
    file.flags = info.substr(3);
    // Dovecot's and others' own fields may follow another comma.
    file.flags = file.flags.substr(0, file.flags.find(','));
  }
  for (size_t at = file.unique.find(",S="); at != file.unique.npos;) {
    uint64_t bytes = 0;
    std::string_view digits = file.unique.substr(at + 3);
    digits = digits.substr(0, digits.find(','));
    if (Number(digits, bytes)) file.bytes = bytes;
    break;
  }
  return file;
}

void AddMaildirFlags(std::string_view flags, const MaildirKeywords& keywords, Marks& marks) {
  for (const char c : flags) {
    for (const FlagLetter& one : kLetters) {
      if (one.letter == c) marks.flags |= one.flag;
    }
    std::string keyword;
    if (c == 'P') keyword = kForwarded;
    if (c >= 'a' && c <= 'z') keyword = keywords[static_cast<size_t>(c - 'a')];
    if (keyword.empty() ||
        std::find(marks.keywords.begin(), marks.keywords.end(), keyword) != marks.keywords.end())
      continue;
    marks.keywords.push_back(std::move(keyword));
  }
}

std::string FormatMaildirFlags(const Marks& marks, MaildirKeywords& keywords, uint32_t& lost) {
  std::string flags;
  for (const FlagLetter& one : kLetters) {
    if ((marks.flags & one.flag) != 0) flags += one.letter;
  }
  for (const std::string& keyword : marks.keywords) {
    if (keyword == kForwarded) {
      flags += 'P';
      continue;
    }
    auto found = std::find(keywords.begin(), keywords.end(), keyword);
    if (found == keywords.end()) found = std::find(keywords.begin(), keywords.end(), "");
    if (found == keywords.end()) {
      ++lost;
      continue;
    }
    *found = keyword;
    flags += static_cast<char>('a' + (found - keywords.begin()));
  }
  std::sort(flags.begin(), flags.end());
  return flags;
}

MaildirKeywords ParseMaildirKeywords(std::string_view text) {
  MaildirKeywords keywords;
  while (!text.empty()) {
    std::string_view line = TakeLine(text);
    uint32_t index = 0;
    if (Number32(TakeWord(line), index) && index < keywords.size() && ValidKeyword(line))
      keywords[index] = line;
  }
  return keywords;
}

std::string FormatMaildirKeywords(const MaildirKeywords& keywords) {
  std::string text;
  for (size_t i = 0; i < keywords.size(); ++i) {
    if (!keywords[i].empty()) text += std::to_string(i) + " " + keywords[i] + "\n";
  }
  return text;
}

std::optional<Fault> ParseUidList(std::string_view text, UidList& list) {
  const size_t bytes = text.size();
  bool lettered = false;
  if (!ReadUidListHead(TakeLine(text), lettered, list))
    return Fault{0, "no first line of a UID list of version 1 or 3"};
  uint32_t last = 0;
  while (!text.empty()) {
    const uint64_t at = bytes - text.size();
    std::string_view line = TakeLine(text);
    uint32_t uid = 0;
    if (!Number32(TakeWord(line), uid) || uid <= last)
      return Fault{at, "a line whose UID is none, or not larger than the one before"};
    // Version 3: fields, each with its letter, and the name behind " :".
    if (lettered) {
      while (!line.empty() && line.front() != ':') (void)TakeWord(line);
      if (line.empty()) return Fault{at, "a line without a file name"};
      line.remove_prefix(1);
    }
    const std::string_view unique = line.substr(0, line.find(':'));
    if (unique.empty()) return Fault{at, "a line without a file name"};
    const bool control = std::any_of(unique.begin(), unique.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    });
    if (control) return Fault{at, "a file name with a control character"};
    list.uids.emplace_back(uid, unique);
    last = uid;
  }
  if (list.uid_next <= last) list.uid_next = last + 1;
  return std::nullopt;
}

std::string FormatUidList(const UidList& list) {
  std::string text =
      "3 V" + std::to_string(list.uid_validity) + " N" + std::to_string(list.uid_next) + "\n";
  for (const auto& [uid, unique] : list.uids) text += std::to_string(uid) + " :" + unique + "\n";
  return text;
}

std::vector<std::string> ParseSubscriptions(std::string_view text, char separator) {
  constexpr std::string_view kVersion2 = "V\t2\n\n";
  const bool tabs = text.starts_with(kVersion2);
  if (tabs) text.remove_prefix(kVersion2.size());
  std::vector<std::string> names;
  while (!text.empty()) {
    std::string_view line = TakeLine(text);
    // Courier's begin with the namespace.
    if (!tabs && separator == '.' && line.starts_with("INBOX.")) line.remove_prefix(6);
    if (std::optional<std::string> name = NameFromPath(line, tabs ? '\t' : separator))
      names.push_back(*std::move(name));
  }
  return names;
}

std::string FormatSubscriptions(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    // INBOX is the Maildir itself; all others are folders.
    text += name == "INBOX" ? name : FolderOfName(name).substr(1);
    text += '\n';
  }
  return text;
}

std::optional<std::string> NameOfFolder(std::string_view folder) {
  if (folder.size() < 2 || folder.front() != '.' || folder == "..") return std::nullopt;
  return NameFromPath(folder.substr(1), '.');
}

std::string FolderOfName(std::string_view name) {
  std::string folder;
  for (const std::string& level : LevelsOfName(name, '.')) folder += "." + level;
  return folder;
}

}  // namespace ringmail::foreign
