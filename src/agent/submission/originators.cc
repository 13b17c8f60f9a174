// RFC 5322 §3.4, read strictly: who stands in From is what an identity is held to, so a field that
// two readers could take for different authors is nobody's.

#include <cstddef>

#include "ringmail/agent/submission.h"

namespace ringmail::agent {
namespace {

bool IsAtomText(char c) {
  const auto octet = static_cast<unsigned char>(c);
  if (octet >= 128) return true;  // RFC 6532 §3.2
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  // False: not the grammar.
  bool Read(std::vector<std::string>& mailboxes) {
    bool in_group = false;
    while (true) {
      if (!SkipBlank()) return false;
      if (in_group && TakeIf(';')) {
        // RFC 6854 §2.1: From may be a group; it may be empty.
        in_group = false;
      } else {
        bool opened = false;
        if (!ReadEntry(mailboxes, in_group, opened)) return false;
        if (opened) {
          in_group = true;
          continue;
        }
        if (!SkipBlank()) return false;
        if (in_group && TakeIf(';')) in_group = false;
      }
      if (!SkipBlank()) return false;
      if (at_ == text_.size()) return !in_group;
      if (!TakeIf(',')) return false;
    }
  }

 private:
  bool Has(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool TakeIf(char c) {
    if (!Has(c)) return false;
    ++at_;
    return true;
  }

  // CFWS (RFC 5322 §3.2.2). False: a comment that does not end.
  bool SkipBlank() {
    size_t depth = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '(') {
        ++depth;
      } else if (depth == 0) {
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n') return true;
      } else if (c == ')') {
        --depth;
      } else if (c == '\\' && ++at_ == text_.size()) {
        return false;
      }
    }
    return depth == 0;
  }

  // One word: an atom, with the dots that a phrase and a dot-atom may have, or a quoted string.
  bool ReadWord(std::string_view& word) {
    const size_t start = at_;
    if (TakeIf('"')) {
      while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
      if (at_ >= text_.size()) return false;
      ++at_;
    } else {
      while (at_ < text_.size() && (IsAtomText(text_[at_]) || text_[at_] == '.')) ++at_;
    }
    word = text_.substr(start, at_ - start);
    return !word.empty();
  }

  bool ReadDomain(std::string_view& domain) {
    if (!SkipBlank()) return false;
    const size_t start = at_;
    if (TakeIf('[')) {
      while (at_ < text_.size() && text_[at_] != ']' && text_[at_] != '[' && text_[at_] != '\\')
        ++at_;
      if (!TakeIf(']')) return false;
    } else {
      while (at_ < text_.size() && (IsAtomText(text_[at_]) || text_[at_] == '.')) ++at_;
    }
    domain = text_.substr(start, at_ - start);
    return !domain.empty();
  }

  // After the local part: "@" domain.
  bool ReadRest(std::string_view local_part, std::vector<std::string>& mailboxes) {
    std::string_view domain;
    if (!TakeIf('@') || !ReadDomain(domain)) return false;
    std::string mailbox(local_part);
    mailbox += '@';
    mailbox += domain;
    if (!message::ParseMailbox(mailbox, message::Utf8::kAllowed)) return false;
    if (mailboxes.size() == kOriginatorsMax) return false;
    mailboxes.push_back(std::move(mailbox));
    return true;
  }

  // A mailbox, or the name of a group with its colon.
  bool ReadEntry(std::vector<std::string>& mailboxes, bool in_group, bool& opened) {
    size_t words = 0;
    std::string_view word;
    while (at_ < text_.size() && !Has('<') && !Has('@') && !Has(':')) {
      if (!ReadWord(word)) return false;
      ++words;
      if (!SkipBlank()) return false;
    }
    if (Has('@')) return words == 1 && ReadRest(word, mailboxes);
    if (TakeIf('<')) {
      return SkipBlank() && ReadWord(word) && SkipBlank() && ReadRest(word, mailboxes) &&
             SkipBlank() && TakeIf('>');
    }
    opened = words > 0 && !in_group && TakeIf(':');
    return opened;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::optional<std::vector<std::string>> ReadOriginators(std::string_view value) {
  std::vector<std::string> mailboxes;
  if (!Reader(value).Read(mailboxes) || mailboxes.empty()) return std::nullopt;
  return mailboxes;
}

}  // namespace ringmail::agent
