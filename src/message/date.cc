#include "ringmail/message/date.h"

#include <array>
#include <chrono>
#include <vector>

#include "message/lexer.h"

namespace ringmail::message {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kDays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct ZoneRow {
  std::string_view name;
  int16_t minutes;
};
// RFC 5322 §4.3.
constexpr ZoneRow kZones[] = {{"UT", 0},     {"UTC", 0},    {"GMT", 0},    {"Z", 0},
                              {"EST", -300}, {"EDT", -240}, {"CST", -360}, {"CDT", -300},
                              {"MST", -420}, {"MDT", -360}, {"PST", -480}, {"PDT", -420}};

// What a date is made of: runs of digits, runs of letters, and the marks between.
struct Piece {
  char kind;  // '0' digits, 'a' letters, otherwise the mark itself
  std::string_view text;
};

bool StartsAs(std::string_view word, std::string_view three) {
  return word.size() >= 3 && SameAscii(word.substr(0, 3), three);
}

int FindName(std::string_view word, const std::string_view* names, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (StartsAs(word, names[i])) return static_cast<int>(i);
  }
  return -1;
}

int Number(std::string_view digits) {
  int number = 0;
  for (const char c : digits) {
    if (number > 99999) return number;
    number = number * 10 + (c - '0');
  }
  return number;
}

constexpr size_t kPiecesMax = 32;

std::vector<Piece> Split(std::string_view text) {
  std::vector<Piece> pieces;
  for (size_t at = SkipCfws(text, 0); at < text.size() && pieces.size() < kPiecesMax;
       at = SkipCfws(text, at)) {
    const size_t begin = at;
    if (IsDigit(text[at])) {
      while (at < text.size() && IsDigit(text[at])) ++at;
      pieces.push_back({'0', text.substr(begin, at - begin)});
    } else if (IsAlpha(text[at])) {
      while (at < text.size() && IsAlpha(text[at])) ++at;
      pieces.push_back({'a', text.substr(begin, at - begin)});
    } else {
      pieces.push_back({text[at], text.substr(at, 1)});
      ++at;
    }
  }
  return pieces;
}

class DateReader {
 public:
  explicit DateReader(std::string_view text) : pieces_(Split(text)) {}
  std::optional<DateTime> Read();

 private:
  char Kind() const { return at_ < pieces_.size() ? pieces_[at_].kind : '\0'; }
  std::string_view Text() const { return pieces_[at_].text; }
  bool Skip(char mark) {
    if (Kind() != mark) return false;
    ++at_;
    return true;
  }
  bool ReadDay();
  bool ReadMonth();
  bool ReadYear();
  bool ReadTime();
  void ReadZone();
  void ReadOffset();
  std::optional<DateTime> Make() const;

  std::vector<Piece> pieces_;
  size_t at_ = 0;
  int day_ = 0, month_ = 0, year_ = 0, hour_ = 0, minute_ = 0, second_ = 0;
  int zone_ = 0;
  bool unknown_ = false;
};

bool DateReader::ReadDay() {
  if (Kind() != '0' || Text().size() > 2) return false;
  day_ = Number(Text());
  ++at_;
  return true;
}

bool DateReader::ReadMonth() {
  if (Kind() != 'a') return false;
  month_ = FindName(Text(), kMonths.data(), kMonths.size()) + 1;
  ++at_;
  return month_ > 0;
}

bool DateReader::ReadYear() {
  if (Kind() != '0') return false;
  year_ = Number(Text());
  // RFC 5322 §4.3: two digits are 1950 to 2049, three are from 1900 on.
  if (Text().size() <= 2) {
    year_ += year_ < 50 ? 2000 : 1900;
  } else if (Text().size() == 3) {
    year_ += 1900;
  }
  ++at_;
  return year_ <= 9999;
}

bool DateReader::ReadTime() {
  if (Kind() != '0') return false;
  hour_ = Number(Text());
  ++at_;
  if (!Skip(':') && !Skip('.')) return false;
  if (Kind() != '0') return false;
  minute_ = Number(Text());
  ++at_;
  if (Kind() == ':' || Kind() == '.') {
    ++at_;
    if (Kind() != '0') return false;
    second_ = Number(Text());
    ++at_;
    // Fractions of a second, which no standard allows.
    if (Skip('.') && Kind() == '0') ++at_;
  }
  return hour_ < 24 && minute_ < 60 && second_ <= 60;
}

// "+hhmm", "+hh:mm" or "+hh".
void DateReader::ReadOffset() {
  const bool west = Kind() == '-';
  ++at_;
  if (Kind() != '0') {
    unknown_ = true;
    return;
  }
  const std::string_view digits = Text();
  int number = Number(digits);
  ++at_;
  if (digits.size() <= 2) {
    number *= 100;
    if (Skip(':') && Kind() == '0') number += Number(Text());
  }
  const int minutes = number / 100 * 60 + number % 100;
  if (digits.size() > 4 || number % 100 > 59 || minutes >= 24 * 60) {
    unknown_ = true;
    return;
  }
  zone_ = west ? -minutes : minutes;
  // RFC 5322 §3.3: "-0000" says that the zone is not known.
  unknown_ = west && minutes == 0;
}

void DateReader::ReadZone() {
  if (Kind() == 'a') {
    const std::string_view word = Text();
    ++at_;
    // "GMT+0200": the offset counts.
    if (Kind() == '+' || Kind() == '-') {
      ReadOffset();
      return;
    }
    for (const ZoneRow& row : kZones) {
      if (SameAscii(row.name, word)) {
        zone_ = row.minutes;
        return;
      }
    }
    // RFC 5322 §4.3: military zones and all others are "-0000", for their meaning was confused.
    unknown_ = true;
  } else if (Kind() == '+' || Kind() == '-') {
    ReadOffset();
  } else {
    unknown_ = true;
  }
}

std::optional<DateTime> DateReader::Make() const {
  const std::chrono::year_month_day date{std::chrono::year(year_),
                                         std::chrono::month(static_cast<unsigned>(month_)),
                                         std::chrono::day(static_cast<unsigned>(day_))};
  // WallTime counts nanoseconds: years that it cannot hold are refused.
  if (!date.ok() || year_ < 1678 || year_ > 2261) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t seconds =
      days * 86400 + int64_t{hour_} * 3600 + int64_t{minute_} * 60 + second_ - int64_t{zone_} * 60;
  return DateTime{.when = FromUnixSeconds(seconds),
                  .zone_minutes = static_cast<int16_t>(zone_),
                  .zone_unknown = unknown_};
}

std::optional<DateTime> DateReader::Read() {
  if (Kind() == 'a' && FindName(Text(), kMonths.data(), kMonths.size()) < 0) {
    if (FindName(Text(), kDays.data(), kDays.size()) < 0) return std::nullopt;
    ++at_;
    Skip('.');
    Skip(',');
  }
  Skip(',');
  if (Kind() == 'a') {
    // asctime: month, day, time, year, and a zone before or after the year.
    if (!ReadMonth() || !ReadDay()) return std::nullopt;
    Skip(',');
    const bool time_first = at_ + 1 < pieces_.size() && pieces_[at_ + 1].kind == ':';
    if (!time_first && !ReadYear()) return std::nullopt;
    if (!ReadTime()) return std::nullopt;
    if (Kind() == 'a') ReadZone();
    const bool zoned = at_ > 0 && (zone_ != 0 || pieces_[at_ - 1].kind == 'a');
    if (time_first && !ReadYear()) return std::nullopt;
    if (!zoned) ReadZone();
    return Make();
  }
  if (!ReadDay()) return std::nullopt;
  Skip('-');
  if (!ReadMonth()) return std::nullopt;
  Skip('.');
  Skip('-');
  Skip(',');
  if (!ReadYear()) return std::nullopt;
  Skip(',');
  if (!ReadTime()) return std::nullopt;
  ReadZone();
  return Make();
}

}  // namespace

std::optional<DateTime> ParseDate(std::string_view value) { return DateReader(value).Read(); }

}  // namespace ringmail::message
