// One mail transaction of a session: from MAIL to the end of content. It exists only while one is
// open, so that an idle session does not pay for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringmail/agent/mail_transaction.h"
#include "ringmail/base/time.h"
#include "ringmail/codec/data_scan.h"
#include "ringmail/io/task.h"
#include "ringmail/message/envelope.h"
#include "ringmail/message/path.h"
#include "ringmail/protocol/smtp.h"

namespace ringmail::smtp {

class Transaction {
 public:
  // `source.helo` stays valid as long as this.
  Transaction(agent::MailDoor& door, const agent::MailSource& source, BareNewline bare_newline);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // From the pool of frames: a kept connection that sends message after message does not reach the
  // allocator.
  static void* operator new(size_t bytes) { return io::FrameAllocate(bytes); }
  static void operator delete(void* memory, size_t bytes) { io::FrameFree(memory, bytes); }

  agent::MailTransaction& mail() { return mail_; }
  const agent::MailSource& source() const { return source_; }
  // For the log line, since the door does not give it back.
  void set_reverse_path(std::string_view path);
  std::string_view reverse_path() const { return {reverse_path_, reverse_path_bytes_}; }

  void BeginContent(MonotonicTime now);
  bool content_begun() const { return content_begun_; }
  // By when the next piece of content must have come: content_timeout from now, and on average
  // content_bytes_per_second_min.
  MonotonicTime Deadline(MonotonicTime now, const SmtpOptions& options) const;

  // Hand the content that is found in `input` on and return how much of it was used. `step` is room
  // to work in. TakeData: `ended` is set at CRLF.CRLF, and what follows it is not used.
  size_t TakeData(std::string_view input, codec::DataScanner::Step& step, bool& ended);
  size_t TakeChunk(std::string_view input, codec::DataScanner::Step& step);

  // What the door's Drain said: after a fault the rest of the content is read and thrown away.
  void Drained(const Status& status);
  // Not empty once the content can no longer be accepted: the reply.
  std::string_view Refusal() const;
  // At the end of content: not empty where it must be refused, whatever the door would say.
  std::string_view Judge();

  uint64_t content_bytes() const { return content_bytes_; }
  // Read only to be thrown away.
  uint64_t discarded_bytes() const { return discarded_bytes_; }

  message::BodyType body = message::BodyType::k7Bit;
  bool smtp_utf8 = false;
  // At least one RCPT was refused: says why there is no recipient.
  bool recipient_refused = false;
  // Of the RCPT that a backend is asked about.
  std::string asked_argument;

 private:
  void TakeRuns(const codec::DataScanner::Step& step);
  void WriteRepaired(std::string_view bytes, bool starts_with_dot_line);
  uint8_t scan_flags() const { return static_cast<uint8_t>(data_.flags() | chunks_.flags()); }

  const agent::MailSource source_;
  agent::MailTransaction mail_;
  codec::DataScanner data_;
  codec::ContentScanner chunks_;
  std::string_view refusal_;
  uint64_t content_bytes_ = 0, received_bytes_ = 0, discarded_bytes_ = 0;
  MonotonicTime content_started_{};
  const BareNewline bare_newline_;
  bool content_begun_ = false;
  bool chunked_ = false;
  char last_octet_ = 0;
  bool after_cr_ = false;           // the last octet that WriteRepaired saw
  bool after_repaired_lf_ = false;  // and whether it ended in a line end that it mended
  uint16_t reverse_path_bytes_ = 0;
  char reverse_path_[message::kPathBytesMax];
};

}  // namespace ringmail::smtp
