// Text in the charset that a sender named, as UTF-8.
//
// Made by: CharsetDecoder, or DecodeCharset for text that is whole. Order: Feed however the text is
// cut, then Finish once. Promise: what comes out is valid UTF-8 whatever goes in; octets that mean
// nothing become U+FFFD. Shard: pure; one object per text.
//
// Labels are those of the WHATWG Encoding Standard, with what it makes of them: us-ascii and
// iso-8859-1 are windows-1252, gb2312 is GBK, and so on: senders mislabel, and this is what
// browsers do about it. Beyond it, for mail: UTF-7 (RFC 2152), UTF-32, ISO-2022-KR, ISO-2022-CN,
// HZ-GB-2312, and other charsets that ICU knows, if ASCII is a part of them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ringmail::message {

// The name of the encoding that `label` means, as WHATWG writes it; "" where nobody knows it. Case
// and blanks around do not matter.
std::string_view CharsetName(std::string_view label);

inline constexpr size_t kCharsetGuessBytes = 16u << 10;

class CharsetDecoder {
 public:
  // An empty label: UTF-8 or windows-1252, whichever the text is up to kCharsetGuessBytes after its
  // first octet over 127; until then those are held back, so that the cuts do not matter. An
  // unknown one is read in the same way, and known() is false.
  explicit CharsetDecoder(std::string_view label);
  CharsetDecoder(CharsetDecoder&&) noexcept;
  CharsetDecoder& operator=(CharsetDecoder&&) noexcept;
  ~CharsetDecoder();

  bool known() const { return known_; }
  // Both append to `utf8`.
  void Feed(std::string_view octets, std::string& utf8);
  void Finish(std::string& utf8);
  // Whether something had to be replaced by U+FFFD so far.
  bool replaced() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  bool known_;
};

// All of `octets` at once. `label` as above.
std::string DecodeCharset(std::string_view label, std::string_view octets);
// `text` where it is valid UTF-8, otherwise with U+FFFD for what is not.
std::string RepairUtf8(std::string_view text);

}  // namespace ringmail::message
