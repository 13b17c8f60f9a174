#include "server/commands/shown.h"

namespace ringmail::server {

std::string Shown(std::string_view text) {
  std::string out(text);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto octet = static_cast<unsigned char>(out[i]);
    if (octet < 0x20 || octet == 0x7f) out[i] = ' ';
    if (octet == 0xc2 && i + 1 < out.size() && static_cast<unsigned char>(out[i + 1]) < 0xa0)
      out[i] = out[i + 1] = ' ';
  }
  return out;
}

}  // namespace ringmail::server
