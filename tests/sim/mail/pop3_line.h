// One connection of a reader: commands of POP3 (RFC 1939), one at a time, and their answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringmail/io/endpoint.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"
#include "tests/sim/mail/ledger.h"
#include "tests/sim/mail/smtp_line.h"

namespace ringmail::sim {

class Pop3Line {
 public:
  enum class Said : uint8_t {
    kOk,
    kError,
    kLost,  // and the line is closed
  };
  Pop3Line(Ledger& ledger, io::Endpoint server);

  // Connects; the greeting.
  io::Task<Said> Open();
  io::Task<Said> Ask(std::string_view command);
  // One that is answered by lines, where it is answered +OK: lines() has them.
  io::Task<Said> AskForLines(std::string_view command);
  // What follows the status indicator; good until the next command.
  std::string_view text() const { return text_; }
  // Unstuffed, without the last dot.
  const std::string& lines() const { return lines_; }
  // Sends the last command, and is gone before the answer.
  io::Task<void> Leave(std::string_view command);
  void Drop() { stream_.Abort(); }

 private:
  io::Task<bool> ReadLine(std::string_view& line);
  io::Task<Said> ReadReply();

  Ledger& ledger_;
  const io::Endpoint server_;
  io::Stream stream_;
  LineBuffer buffer_;
  std::string text_, lines_;
};

}  // namespace ringmail::sim
