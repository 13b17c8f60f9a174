#include "ringmail/foreign/line_ends.h"

namespace ringmail::foreign {

void ToCrlf::Feed(std::string_view octets, std::string& out) {
  while (!octets.empty()) {
    const size_t feed = octets.find('\n');
    if (feed == octets.npos) {
      out += octets;
      after_cr_ = octets.back() == '\r';
      return;
    }
    const bool has_cr = feed == 0 ? after_cr_ : octets[feed - 1] == '\r';
    out += octets.substr(0, feed);
    out += has_cr ? "\n" : "\r\n";
    after_cr_ = false;
    octets.remove_prefix(feed + 1);
  }
}

void ToLf::Feed(std::string_view octets, std::string& out) {
  for (const char c : octets) {
    if (held_cr_ && c != '\n') out += '\r';
    held_cr_ = c == '\r';
    if (!held_cr_) out += c;
  }
}

void ToLf::Finish(std::string& out) {
  if (held_cr_) out += '\r';
  held_cr_ = false;
}

}  // namespace ringmail::foreign
