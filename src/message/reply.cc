#include "ringmail/message/reply.h"

namespace ringmail::message {

std::string EnhancedStatus::ToString() const {
  return std::to_string(klass) + "." + std::to_string(subject) + "." + std::to_string(detail);
}

std::string Reply::ToLine() const {
  std::string line = std::to_string(code);
  if (status.present()) line += " " + status.ToString();
  if (text.empty()) return line;
  line += ' ';
  const size_t start = line.size();
  line += text;
  for (size_t i = start; i < line.size(); ++i) {
    if (line[i] == '\n') line[i] = ' ';
  }
  return line;
}

}  // namespace ringmail::message
