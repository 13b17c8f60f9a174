#include "protocol/smtp/hello.h"

#include <algorithm>
#include <string>

#include "protocol/smtp/limits.h"
#include "ringmail/message/path.h"

namespace ringmail::smtp {

bool ValidHello(std::string_view name, HeloSyntax syntax) {
  if (name.empty() || name.size() > kHeloBytesMax) return false;
  if (name.front() == '[') return message::ValidAddressLiteral(name);
  // RFC 6531 §3.7.1: names in EHLO are A-labels, since SMTPUTF8 was not agreed on yet.
  if (message::ValidDomain(name, message::Utf8::kRefused)) return true;
  if (syntax == HeloSyntax::kStrict) return false;
  std::string without_underscores(name);
  std::replace(without_underscores.begin(), without_underscores.end(), '_', 'x');
  return message::ValidDomain(without_underscores, message::Utf8::kRefused);
}

}  // namespace ringmail::smtp
