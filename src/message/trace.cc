#include "ringmail/message/trace.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace ringmail::message {
namespace {

constexpr size_t kColumnsMax = 78;  // RFC 5322 §2.1.1
constexpr size_t kFoldColumns = 8;  // a tab
constexpr std::string_view kReceivedName = "received";
constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void AppendDigits(uint64_t value, int digits, std::string& out) {
  char text[20];
  for (int i = digits - 1; i >= 0; --i) {
    text[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  out.append(text, static_cast<size_t>(digits));
}

// Writes words, and a fold instead of a space where the line would become too long.
class Folder {
 public:
  explicit Folder(std::string& out) : out_(out) {}
  void First(std::string_view word) {
    out_ += word;
    column_ = word.size();
  }
  void Word(std::string_view word) { Pieces({word}); }
  // One word in pieces that stay together.
  void Pieces(std::initializer_list<std::string_view> pieces) {
    size_t bytes = 0;
    for (const std::string_view piece : pieces) bytes += piece.size();
    if (column_ + 1 + bytes > kColumnsMax && column_ > kFoldColumns) {
      out_ += "\r\n\t";
      column_ = kFoldColumns;
    } else {
      out_ += ' ';
      ++column_;
    }
    for (const std::string_view piece : pieces) out_ += piece;
    column_ += bytes;
  }

 private:
  std::string& out_;
  size_t column_ = 0;
};

// RFC 5322 §3.2.2: what would end or escape a comment is quoted; what may not stand in one is left
// out.
std::string CommentText(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c < ' ' || c > '~') continue;
    if (c == '(' || c == ')' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

void AppendWords(std::string_view text, Folder& folder) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) folder.Word(text.substr(at, end - at));
    at = end + 1;
  }
}

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

void AppendDate(WallTime when, std::string& out) {
  const int64_t seconds = UnixSeconds(when);
  const int64_t days = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400;
  const auto of_day = static_cast<uint64_t>(seconds - days * 86400);
  const std::chrono::sys_days day{std::chrono::days{static_cast<int>(days)}};
  const std::chrono::year_month_day date{day};
  out += kDays[std::chrono::weekday{day}.c_encoding()];
  out += ", ";
  AppendDigits(static_cast<unsigned>(date.day()), 2, out);
  out += ' ';
  out += kMonths[static_cast<unsigned>(date.month()) - 1];
  out += ' ';
  AppendDigits(static_cast<uint64_t>(static_cast<int>(date.year())), 4, out);
  out += ' ';
  AppendDigits(of_day / 3600, 2, out);
  out += ':';
  AppendDigits(of_day / 60 % 60, 2, out);
  out += ':';
  AppendDigits(of_day % 60, 2, out);
  // All times of ours are UTC (RFC 5321 §4.4 allows any zone, and names none but by its offset).
  out += " +0000";
}

void AppendReceived(const ReceivedField& field, std::string& out) {
  Folder folder(out);
  folder.First("Received:");
  // RFC 5321 §4.4: From-domain is what the client said, TCP-info the address that the connection
  // came from.
  const std::string literal = field.client.ToAddressLiteral();
  if (!field.helo.empty() || !literal.empty()) {
    folder.Word("from");
    folder.Word(field.helo.empty() ? std::string_view(literal) : field.helo);
    if (!literal.empty()) folder.Pieces({"(", literal, ")"});
  }
  folder.Word("by");
  folder.Word(field.by_host);
  folder.Word("with");
  folder.Word(field.with_protocol);
  if (!field.tls.empty()) AppendWords("(" + CommentText(field.tls) + ")", folder);
  folder.Word("id");
  const std::string id = field.id.ToString();
  // RFC 5321 §7.6: a "for" with one of several recipients would show a blind one to others.
  if (field.for_path.empty()) {
    folder.Pieces({id, ";"});
  } else {
    folder.Word(id);
    folder.Word("for");
    folder.Pieces({"<", field.for_path, ">;"});
  }
  std::string date;
  AppendDate(field.when, date);
  AppendWords(date, folder);
  out += "\r\n";
}

HopCounter::HopCounter(std::string_view own_host) : own_host_(own_host) {}

void HopCounter::Feed(std::string_view piece) {
  for (size_t at = 0; at < piece.size() && !ended_;) {
    switch (state_) {
      case State::kLineStart:
        at += LineStart(piece[at]);
        break;
      case State::kCrAtLineStart:
        if (piece[at] == '\n') {
          ended_ = true;
        } else {
          state_ = State::kSkipLine;
        }
        break;
      case State::kName:
        Name(piece[at]);
        ++at;
        break;
      case State::kSkipLine: {
        const size_t end = piece.find('\n', at);
        if (end == std::string_view::npos) return;
        at = end + 1;
        state_ = State::kLineStart;
        break;
      }
      case State::kBody:
        Body(piece[at]);
        ++at;
        break;
    }
  }
  if (ended_ && in_received_) {
    EndToken();
    in_received_ = false;
  }
}

// How many octets it took: the first of a name is read again as such.
size_t HopCounter::LineStart(char c) {
  if (c == ' ' || c == '\t') {
    // RFC 5322 §2.2.3: the field before goes on.
    state_ = in_received_ ? State::kBody : State::kSkipLine;
    return 1;
  }
  if (in_received_) EndToken();
  in_received_ = false;
  if (c == '\n') {
    ended_ = true;
    return 1;
  }
  if (c == '\r') {
    state_ = State::kCrAtLineStart;
    return 1;
  }
  state_ = State::kName;
  matched_ = 0;
  return 0;
}

void HopCounter::Name(char c) {
  if (matched_ < kReceivedName.size()) {
    if (Lower(c) == kReceivedName[matched_]) {
      ++matched_;
      return;
    }
  } else if (c == ' ' || c == '\t') {
    return;  // RFC 5322 §4.5: old fields have space before the colon
  } else if (c == ':') {
    ++received_;
    in_received_ = true;
    after_by_ = own_seen_ = after_backslash_ = false;
    comment_depth_ = 0;
    token_bytes_ = 0;
    state_ = State::kBody;
    return;
  }
  state_ = c == '\n' ? State::kLineStart : State::kSkipLine;
}

void HopCounter::Body(char c) {
  if (comment_depth_ > 0) {
    if (after_backslash_) {
      after_backslash_ = false;
    } else if (c == '\\') {
      after_backslash_ = true;
    } else if (c == '(') {
      ++comment_depth_;
    } else if (c == ')') {
      --comment_depth_;
    }
  } else if (IsSpace(c) || c == '(' || c == ';') {
    EndToken();
    if (c == '(') comment_depth_ = 1;
  } else {
    // A token that is longer than a host name can be is remembered as one that matches nothing.
    if (token_bytes_ < sizeof(token_)) token_[token_bytes_] = Lower(c);
    if (token_bytes_ <= sizeof(token_)) ++token_bytes_;
  }
  if (c == '\n') state_ = State::kLineStart;
}

void HopCounter::EndToken() {
  if (token_bytes_ == 0) return;
  const bool whole = token_bytes_ <= sizeof(token_);
  const std::string_view token(token_, whole ? token_bytes_ : 0);
  if (after_by_ && !own_seen_ && whole && SameDomain(token, own_host_)) {
    own_seen_ = true;
    ++own_;
  }
  after_by_ = token == "by";
  token_bytes_ = 0;
}

}  // namespace ringmail::message
