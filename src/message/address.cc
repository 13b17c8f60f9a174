#include "ringmail/message/address.h"

#include <algorithm>

#include "message/lexer.h"

namespace ringmail::message {
namespace {

class ListReader {
 public:
  explicit ListReader(std::string_view value) : lexer_(value) { Step(); }
  std::vector<Address> Read();

 private:
  void Step() { token_ = lexer_.NextWord(); }
  bool IsWord() const {
    return token_.kind == TokenKind::kAtom || token_.kind == TokenKind::kQuoted ||
           token_.kind == TokenKind::kLiteral;
  }
  bool EndsEntry() const {
    return token_.kind == TokenKind::kEnd || token_.Is(',') || token_.Is(';');
  }
  void ReadEntry();
  void ReadAngle(Address& address);
  void ReadRoute(Address& address);
  std::string ReadDomain();
  static std::string Join(const std::vector<Token>& words, bool spaces);
  static Address TakeLocalPart(std::vector<Token>& words);
  void Put(Address address);
  void PutComment(Address& address) const;

  Lexer lexer_;
  Token token_;
  std::vector<Address> list_;
  bool in_group_ = false;
};

void AppendWord(const Token& token, std::string& out) {
  if (token.kind == TokenKind::kQuoted) {
    AppendUnescaped(token.text, out);
    return;
  }
  for (const char c : token.text) {
    if (c != '\r' && c != '\n') out += c;
  }
}

std::string ListReader::Join(const std::vector<Token>& words, bool spaces) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (spaces && i > 0 && words[i].space_before) out += ' ';
    AppendWord(words[i], out);
  }
  return out;
}

// The words before "@": the local part is the last of them, with those that dots bind to it (RFC
// 5322 §4.4: obs-local-part); what is left was meant as a name.
Address ListReader::TakeLocalPart(std::vector<Token>& words) {
  size_t first = words.size();
  while (first > 0) {
    const bool bound =
        first == words.size() || !words[first].space_before ||
        (words[first].kind == TokenKind::kAtom && words[first].text.front() == '.') ||
        (words[first - 1].kind == TokenKind::kAtom && words[first - 1].text.back() == '.');
    if (!bound) break;
    --first;
  }
  Address address;
  address.local_part = Join({words.begin() + static_cast<ptrdiff_t>(first), words.end()}, false);
  words.resize(first);
  address.name = Join(words, true);
  return address;
}

void ListReader::Put(Address address) {
  if (list_.size() < kAddressesMax) list_.push_back(std::move(address));
}

void ListReader::PutComment(Address& address) const {
  if (!address.name.empty() || lexer_.comment().data() == nullptr) return;
  AppendUnescaped(TrimBlank(lexer_.comment()), address.name);
}

std::string ListReader::ReadDomain() {
  std::string domain;
  while (IsWord() && token_.kind != TokenKind::kQuoted) {
    const bool bound = domain.empty() || !token_.space_before || domain.back() == '.' ||
                       token_.text.starts_with('.');
    if (!bound) break;
    AppendWord(token_, domain);
    Step();
  }
  return domain;
}

// RFC 5322 §4.4: obs-route, "@a,@b:".
void ListReader::ReadRoute(Address& address) {
  while (token_.Is('@') || token_.Is(',')) {
    if (token_.Is(',')) {
      Step();
      continue;
    }
    Step();
    if (!address.route.empty()) address.route += ',';
    address.route += '@';
    address.route += ReadDomain();
  }
  if (token_.Is(':')) Step();
}

// After "<". Without ">" it ends where the entry does.
void ListReader::ReadAngle(Address& address) {
  if (token_.Is('@')) ReadRoute(address);
  std::vector<Token> words;
  while (!EndsEntry() && !token_.Is('>')) {
    if (token_.Is('@')) {
      Step();
      address.local_part = Join(words, false);
      address.domain = ReadDomain();
      words.clear();
      // A second "@" or other octets that mean nothing here.
      while (!EndsEntry() && !token_.Is('>')) Step();
      break;
    }
    if (IsWord()) words.push_back(token_);
    Step();
  }
  if (!words.empty()) address.local_part = Join(words, false);
  if (token_.Is('>')) Step();
}

void ListReader::ReadEntry() {
  lexer_.ClearComment();
  std::vector<Token> words;
  while (true) {
    if (IsWord()) {
      words.push_back(token_);
      Step();
    } else if (token_.Is('<')) {
      Address address;
      address.name = Join(words, true);
      Step();
      ReadAngle(address);
      PutComment(address);
      // What follows the address up to the next separator says nothing.
      while (!EndsEntry()) Step();
      Put(std::move(address));
      return;
    } else if (token_.Is('@')) {
      Step();
      Address address = TakeLocalPart(words);
      address.domain = ReadDomain();
      if (token_.Is('<')) {
        // "user@host <user@host>": the first is a name.
        const std::string name = (address.name.empty() ? "" : address.name + " ") +
                                 address.local_part + "@" + address.domain;
        Address angle;
        angle.name = name;
        Step();
        ReadAngle(angle);
        address = std::move(angle);
      }
      while (!EndsEntry()) Step();
      PutComment(address);
      Put(std::move(address));
      return;
    } else if (token_.Is(':') && !in_group_) {
      Put({.kind = AddressKind::kGroup, .name = Join(words, true)});
      in_group_ = true;
      Step();
      return;
    } else if (EndsEntry()) {
      if (words.empty()) return;
      Address address;
      address.local_part = Join(words, true);
      PutComment(address);
      Put(std::move(address));
      return;
    } else {
      Step();  // a special octet that means nothing here
    }
  }
}

std::vector<Address> ListReader::Read() {
  while (token_.kind != TokenKind::kEnd) {
    if (token_.Is(';') || token_.Is(',')) {
      if (token_.Is(';') && in_group_) {
        Put({.kind = AddressKind::kGroupEnd});
        in_group_ = false;
      }
      Step();
      continue;
    }
    ReadEntry();
  }
  if (in_group_) Put({.kind = AddressKind::kGroupEnd});
  return std::move(list_);
}

bool IsDotAtom(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  char before = 0;
  for (const char c : text) {
    const auto octet = static_cast<uint8_t>(c);
    if (c == '.' && before == '.') return false;
    const bool atext = IsAlpha(c) || IsDigit(c) || octet >= 0x80 || c == '.' ||
                       std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
    if (!atext) return false;
    before = c;
  }
  return true;
}

}  // namespace

std::vector<Address> ParseAddressList(std::string_view value) { return ListReader(value).Read(); }

std::string AddrSpec(const Address& address) {
  if (address.kind != AddressKind::kMailbox) return {};
  std::string out;
  if (IsDotAtom(address.local_part) || (address.local_part.empty() && address.domain.empty())) {
    out = address.local_part;
  } else {
    out += '"';
    for (const char c : address.local_part) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  if (!address.domain.empty()) out += "@" + address.domain;
  return out;
}

}  // namespace ringmail::message
