#include "ringmail/foreign/mbox.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "ringmail/codec/ascii.h"

namespace ringmail::foreign {
namespace {

constexpr std::string_view kFrom = "From ";
constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr std::string_view kDays = "MonTueWedThuFriSatSun";

// Fields that are about the mailbox, and not of the message.
constexpr std::string_view kMailboxFields[] = {"Status", "X-Status",   "X-Keywords",    "X-UID",
                                               "X-IMAP", "X-IMAPbase", "Content-Length"};
bool MailboxField(std::string_view name) {
  return std::any_of(std::begin(kMailboxFields), std::end(kMailboxFields),
                     [&](std::string_view one) { return codec::AsciiEqualNoCase(one, name); });
}

std::string_view WithoutEnd(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view TakeWord(std::string_view& text) {
  text = Trimmed(text);
  const std::string_view word = text.substr(0, std::min(text.find(' '), text.size()));
  text.remove_prefix(word.size());
  return word;
}

bool Number(std::string_view text, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

uint32_t Number32(std::string_view text) {
  uint64_t value = 0;
  return Number(text, value) && value <= UINT32_MAX ? static_cast<uint32_t>(value) : 0;
}

// "13:20:54" or "13:20". Seconds of the day.
std::optional<int64_t> ParseTime(std::string_view text) {
  uint64_t part[3] = {0, 0, 0};
  for (uint64_t& one : part) {
    const std::string_view digits = text.substr(0, std::min(text.find(':'), text.size()));
    if (digits.size() > 2 || !Number(digits, one)) return std::nullopt;
    text.remove_prefix(std::min(digits.size() + 1, text.size()));
    if (text.empty() && &one != part) break;
  }
  if (!text.empty() || part[0] > 23 || part[1] > 59 || part[2] > 60) return std::nullopt;
  return static_cast<int64_t>(part[0] * 3600 + part[1] * 60 + part[2]);
}

// "+0100". Seconds.
std::optional<int64_t> ParseZone(std::string_view text) {
  uint64_t digits = 0;
  if (text.size() != 5 || (text[0] != '+' && text[0] != '-') || !Number(text.substr(1), digits))
    return std::nullopt;
  const auto seconds = static_cast<int64_t>(digits / 100 * 3600 + digits % 100 * 60);
  return text[0] == '-' ? -seconds : seconds;
}

// asctime of C, with a zone before or behind the year, as some write it. RFC 4155: UTC.
std::optional<int64_t> ParseDate(std::string_view text) {
  (void)TakeWord(text);  // the day of the week
  const std::string_view month_name = TakeWord(text);
  const size_t month = month_name.size() == 3 ? kMonths.find(month_name) : kMonths.npos;
  const uint32_t day = Number32(TakeWord(text));
  const auto time = ParseTime(TakeWord(text));
  std::string_view word = TakeWord(text);
  std::optional<int64_t> zone = ParseZone(word);
  if (Number32(word) < 1000 || word.size() != 4) word = TakeWord(text);
  const uint32_t year = word.size() == 4 ? Number32(word) : 0;
  if (!zone) zone = ParseZone(TakeWord(text));
  if (month == kMonths.npos || month % 3 != 0 || !time || year < 1900) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(static_cast<uint32_t>(month / 3 + 1)),
                                         std::chrono::day(day)};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * int64_t{86400} + *time -
         zone.value_or(0);
}

// ">From ", ">>From " and so on.
bool Quoted(std::string_view line, FromQuoting quoting) {
  if (!line.starts_with('>')) return false;
  if (quoting == FromQuoting::kMboxo) return line.substr(1).starts_with(kFrom);
  return line.substr(std::min(line.find_first_not_of('>'), line.size())).starts_with(kFrom);
}

}  // namespace

std::optional<MboxSeparator> ParseMboxSeparator(std::string_view line) {
  line = WithoutEnd(line);
  if (!line.starts_with(kFrom)) return std::nullopt;
  std::string_view rest = line.substr(kFrom.size());
  MboxSeparator separator;
  separator.sender = TakeWord(rest);
  rest = Trimmed(rest);
  // A day of the week begins the date. Elsewhere text begins with "From ", too.
  if (separator.sender.empty()) return std::nullopt;
  if (rest.empty()) return separator;
  const size_t day = kDays.find(rest.substr(0, 3));
  if (rest.size() < 4 || rest[3] != ' ' || day == kDays.npos || day % 3 != 0) return std::nullopt;
  separator.date_seconds = ParseDate(rest);
  return separator;
}

void MboxReader::Feed(std::string_view octets) {
  input_.erase(0, at_);
  at_ = 0;
  input_ += octets;
}

MboxReader::Line MboxReader::TakeLine(std::string_view& line) {
  const size_t feed = input_.find('\n', at_);
  size_t end = feed + 1;
  Line kind = Line::kWhole;
  if (feed == input_.npos) {
    if (!ended_ && input_.size() - at_ < kMboxLineBytesMax) return Line::kNone;
    if (at_ == input_.size()) return Line::kNone;
    end = input_.size();
    if (!ended_) kind = Line::kPart;
  }
  line = std::string_view(input_).substr(at_, end - at_);
  offset_ += line.size();
  at_ = end;
  return kind;
}

void MboxReader::Begin(std::string_view separator, uint64_t offset) {
  message_ = {};
  message_.offset = offset;
  const auto parsed = ParseMboxSeparator(separator);
  if (parsed) message_.marks.date_seconds = parsed->date_seconds;
  state_ = State::kHeader;
  held_empty_.clear();
  content_length_.reset();
  dropping_field_ = after_part_ = too_long_ = probed_ = false;
  crlf_ = {};
}

void MboxReader::Append(std::string_view octets) {
  if (too_long_) return;
  if (message_.octets.size() + octets.size() > options_.message_bytes_max) {
    too_long_ = true;
    message_.octets = {};
    return;
  }
  crlf_.Feed(octets, message_.octets);
}

void MboxReader::TakeField(std::string_view name, std::string_view value) {
  Marks& marks = message_.marks;
  const auto is = [&](std::string_view other) { return codec::AsciiEqualNoCase(name, other); };
  if (is("Status") || is("X-Status")) {
    constexpr std::pair<char, uint8_t> kLetters[] = {
        {'R', kSeen}, {'A', kAnswered}, {'F', kFlagged}, {'D', kDeleted}, {'T', kDraft}};
    for (const auto& [letter, flag] : kLetters) {
      if (value.find(letter) != value.npos) marks.flags |= flag;
    }
  } else if (is("X-Keywords")) {
    for (std::string_view word = TakeWord(value); !word.empty(); word = TakeWord(value)) {
      if (ValidKeyword(word) &&
          std::find(marks.keywords.begin(), marks.keywords.end(), word) == marks.keywords.end())
        marks.keywords.emplace_back(word);
    }
  } else if (is("X-UID")) {
    marks.uid = Number32(TakeWord(value));
  } else if (is("X-IMAP") || is("X-IMAPbase")) {
    message_.uid_validity = Number32(TakeWord(value));
    message_.uid_last = Number32(TakeWord(value));
    message_.internal_data |= is("X-IMAP") && first_;
  } else if (is("Content-Length")) {
    uint64_t length = 0;
    if (Number(Trimmed(value), length)) content_length_ = length;
  }
}

void MboxReader::HeaderLine(std::string_view line) {
  const std::string_view text = WithoutEnd(line);
  if (text.empty()) {
    Append(line);
    state_ = State::kBody;
    const bool may_count =
        options_.quoting == FromQuoting::kDetect || options_.quoting == FromQuoting::kMboxcl2;
    if (content_length_ && may_count && *content_length_ < UINT64_MAX / 2 - offset_) {
      probe_offset_ = offset_ + *content_length_;
      state_ = State::kProbing;
    }
    return;
  }
  if (text.front() == ' ' || text.front() == '\t') {  // goes on with the field before
    if (!dropping_field_) Append(line);
    return;
  }
  const size_t colon = std::min(text.find(':'), text.size());
  const std::string_view name = Trimmed(text.substr(0, colon));
  dropping_field_ = colon < text.size() && MailboxField(name);
  if (!dropping_field_) {
    Append(line);
    return;
  }
  TakeField(name, Trimmed(text.substr(colon + 1)));
}

bool MboxReader::BodyLine(std::string_view line, bool whole) {
  const std::string_view text = WithoutEnd(line);
  if (text.empty() && !after_part_) {
    Append(held_empty_);
    held_empty_ = line;
    return false;
  }
  if (!after_part_ && !held_empty_.empty() && whole && ParseMboxSeparator(line)) return true;
  Append(held_empty_);
  held_empty_.clear();
  const bool unquote =
      !after_part_ && options_.quoting != FromQuoting::kMboxcl2 && Quoted(line, options_.quoting);
  Append(unquote ? line.substr(1) : line);
  return false;
}

void MboxReader::Probed(std::string_view octets) {
  const bool at_end = octets.size() < kMboxProbeBytes;
  std::string_view rest = octets;
  if (rest.starts_with('\r')) rest.remove_prefix(1);
  if (rest.starts_with('\n')) rest.remove_prefix(1);
  // Who edits a mailbox forgets the number: what stands there must bear it out.
  probe_says_ = rest.starts_with(kFrom) || (at_end && rest.empty());
  probed_ = true;
}

MboxReader::Want MboxReader::Finish() {
  first_ = false;
  return too_long_ ? Want::kTooLong : Want::kMessage;
}

// long: one state after the other, each a few lines.
MboxReader::Want MboxReader::Next() {
  for (;;) {
    if (next_begun_) {
      next_begun_ = false;
      Begin(next_separator_, next_offset_);
    }
    if (state_ == State::kEnded) return Want::kEnd;
    if (state_ == State::kProbing) {
      if (!probed_) return Want::kProbe;
      state_ = probe_says_ ? State::kCounted : State::kBody;
      counted_left_ = content_length_.value_or(0);
    }
    if (state_ == State::kCounted && counted_left_ > 0) {
      const std::string_view here = std::string_view(input_).substr(at_);
      const size_t count = static_cast<size_t>(std::min<uint64_t>(counted_left_, here.size()));
      Append(here.substr(0, count));
      at_ += count;
      offset_ += count;
      counted_left_ -= count;
      if (counted_left_ == 0) continue;
      if (!ended_) return Want::kMore;
      state_ = State::kEnded;  // the file became shorter meanwhile
      return Finish();
    }
    std::string_view line;
    const uint64_t line_offset = offset_;
    const Line kind = TakeLine(line);
    if (kind == Line::kNone) {
      if (!ended_) return Want::kMore;
      const bool within = state_ != State::kStart;
      state_ = State::kEnded;
      if (!within) return Want::kEnd;
      return Finish();
    }
    if (state_ == State::kStart) {
      if (WithoutEnd(line).empty() && kind == Line::kWhole) continue;
      if (kind != Line::kWhole || !line.starts_with(kFrom)) {
        state_ = State::kEnded;
        message_.offset = line_offset;
        return Want::kNotMbox;
      }
      Begin(line, line_offset);
      continue;
    }
    const bool over = state_ == State::kCounted
                          ? !WithoutEnd(line).empty() && line.starts_with(kFrom)
                          : state_ == State::kBody && BodyLine(line, kind == Line::kWhole);
    if (over) {
      next_separator_ = line;
      next_offset_ = line_offset;
      next_begun_ = true;
      return Finish();
    }
    if (state_ == State::kHeader) {
      // A header that goes on without end is a body: its fields are as they stand.
      if (after_part_ || kind == Line::kPart) {
        if (!dropping_field_) Append(line);
      } else {
        HeaderLine(line);
      }
    }
    after_part_ = kind == Line::kPart;
  }
}

namespace {

std::string FormatDate(int64_t seconds) {
  const std::chrono::sys_seconds when{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date(day);
  const auto of_day = (when - day).count();
  // Monday is 1 in ISO 8601.
  const uint32_t weekday = std::chrono::weekday(day).iso_encoding() - 1;
  const uint32_t month = static_cast<uint32_t>(date.month()) - 1;
  const auto two = [](int64_t number, char pad) {
    std::string digits = std::to_string(number);
    return digits.size() < 2 ? pad + digits : digits;
  };
  std::string text(kDays.substr(size_t{3} * weekday, 3));
  text += " " + std::string(kMonths.substr(size_t{3} * month, 3)) + " ";
  text += two(static_cast<uint32_t>(date.day()), ' ') + " " + two(of_day / 3600, '0') + ":";
  text += two(of_day / 60 % 60, '0') + ":" + two(of_day % 60, '0') + " ";
  return text + std::to_string(static_cast<int>(date.year()));
}

// The first address of Return-Path, or MAILER-DAEMON (RFC 4155 wants an addr-spec without spaces).
std::string SenderOf(std::string_view octets) {
  constexpr std::string_view kField = "return-path:";
  std::string sender;
  if (codec::AsciiStartsWithNoCase(octets, kField)) {
    const std::string_view line = octets.substr(kField.size(), octets.find('\n') - kField.size());
    const size_t open = line.find('<'), close = line.rfind('>');
    if (open != line.npos && close != line.npos && open < close)
      sender = line.substr(open + 1, close - open - 1);
  }
  const bool plain =
      std::all_of(sender.begin(), sender.end(), [](char c) { return c > ' ' && c < '\x7F'; });
  return sender.empty() || !plain ? "MAILER-DAEMON" : sender;
}

std::string FieldsOf(const Marks& marks, const MboxPlace& place) {
  std::string fields;
  if (place.uid_validity != 0) {
    // Dovecot rewrites the message where the last UID has not ten digits.
    const std::string last = std::to_string(place.uid_last);
    fields += "X-IMAPbase: " + std::to_string(place.uid_validity) + " " +
              std::string(10 - last.size(), '0') + last;
    for (const std::string& keyword : place.keywords) fields += " " + keyword;
    fields += '\n';
  }
  fields += (marks.flags & kSeen) != 0 ? "Status: RO\n" : "Status: O\n";
  std::string letters;
  if ((marks.flags & kAnswered) != 0) letters += 'A';
  if ((marks.flags & kDeleted) != 0) letters += 'D';
  if ((marks.flags & kFlagged) != 0) letters += 'F';
  if ((marks.flags & kDraft) != 0) letters += 'T';
  if (!letters.empty()) fields += "X-Status: " + letters + "\n";
  if (!marks.keywords.empty()) {
    fields += "X-Keywords:";
    for (const std::string& keyword : marks.keywords) fields += " " + keyword;
    fields += '\n';
  }
  if (marks.uid != 0) fields += "X-UID: " + std::to_string(marks.uid) + "\n";
  return fields;
}

}  // namespace

std::string FormatMboxMessage(std::string_view octets, const Marks& marks, FromQuoting quoting,
                              const MboxPlace& place) {
  std::string text;
  ToLf to_lf;
  to_lf.Feed(octets, text);
  to_lf.Finish(text);
  std::string header, body;
  bool in_header = true, dropping = false;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end;
    if (in_header && line == "\n") {
      in_header = false;
    } else if (in_header) {
      const bool goes_on = line.front() == ' ' || line.front() == '\t';
      if (!goes_on) {
        const size_t colon = line.find(':');
        dropping = colon != line.npos && MailboxField(Trimmed(line.substr(0, colon)));
      }
      if (!dropping) header += line;
    } else {
      const bool from = line.starts_with(kFrom) ||
                        (quoting != FromQuoting::kMboxo && Quoted(line, FromQuoting::kMboxrd));
      if (from && quoting != FromQuoting::kMboxcl2) body += '>';
      body += line;
    }
  }
  std::string out(kFrom);
  out += SenderOf(octets) + " " + FormatDate(marks.date_seconds.value_or(0)) + "\n";
  out += FieldsOf(marks, place);
  // What has no line end at its end gets one: the separator needs it.
  std::string& last = in_header ? header : body;
  if (!last.empty() && !last.ends_with('\n')) last += '\n';
  if (quoting == FromQuoting::kMboxcl2)
    out += "Content-Length: " + std::to_string(body.size()) + "\n";
  return out + header + "\n" + body + "\n";
}

}  // namespace ringmail::foreign
