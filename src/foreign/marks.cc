#include "ringmail/foreign/marks.h"

#include <algorithm>

namespace ringmail::foreign {
namespace {

// RFC 9051 §9: atom-specials, and '\' which begins a system flag.
bool AtomChar(char c) {
  return c > ' ' && c < '\x7F' && std::string_view("(){%*\"\\]").find(c) == std::string_view::npos;
}

}  // namespace

bool ValidKeyword(std::string_view keyword) {
  return !keyword.empty() && keyword.size() <= 255 &&
         std::all_of(keyword.begin(), keyword.end(), AtomChar);
}

}  // namespace ringmail::foreign
