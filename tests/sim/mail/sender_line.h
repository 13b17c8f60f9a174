// One connection of a sender: greeting, EHLO, and mail transactions, pipelined where that was
// offered (RFC 2920).
//
// It says of each transaction what became of every recipient, and whether the content may have been
// taken without an answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/io/endpoint.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"
#include "tests/sim/mail/ledger.h"
#include "tests/sim/mail/plan.h"
#include "tests/sim/mail/smtp_line.h"

namespace ringmail::sim {

enum class Told : uint8_t { kNothing, kAccepted, kDeferred, kRefused };

// One transaction to be made, and what was said to it.
struct Errand {
  const MessagePlan* message = nullptr;
  uint64_t dice = 0;                 // of this attempt
  bool pieces = false;               // the content is written bit by bit, with pauses
  std::vector<uint32_t> recipients;  // of the message
  std::vector<Told> told;            // to each
  bool whole = false;                // the end of the content was handed to the stream
  int final_code = 0;                // the reply to the content; 0: none came
  std::string final_text;
};

class SenderLine {
 public:
  SenderLine(const Plan& plan, Ledger& ledger, io::Endpoint server);
  bool open() const { return stream_.open(); }
  uint32_t transactions() const { return transactions_; }
  // True: connected and greeted.
  io::Task<bool> Open();
  // After it the line may be closed: it was lost, or gave no answer in time, or the server said
  // 421.
  io::Task<void> Carry(Errand& errand);
  // With QUIT.
  io::Task<void> Quit();
  void Drop() { stream_.Abort(); }

 private:
  // False: the line was lost, and is closed.
  io::Task<bool> Read(Nanoseconds patience);
  bool TakeReply();
  void Extension(std::string_view line);
  bool completed() const { return code_ / 100 == 2; }
  io::Task<bool> Envelope(Errand& errand);
  io::Task<bool> EnvelopeReplies(Errand& errand);
  bool JudgeMail(Errand& errand);
  void JudgeRecipient(Errand& errand, size_t index);
  io::Task<void> ByData(Errand& errand);
  io::Task<void> ByChunks(Errand& errand);
  io::Task<bool> ChunkReplies(Errand& errand, size_t from, size_t to, size_t count);
  io::Task<bool> WriteContent(std::string_view bytes, Errand& errand, bool last);
  io::Task<void> Reset();
  void AppendMail(const Errand& errand);
  void AppendRecipient(const Errand& errand, size_t index);
  void Finish(Errand& errand, int code);
  // Of a reply that does not fit its command, or is none.
  void Wrong(std::string_view to_what);

  const Plan& plan_;
  Ledger& ledger_;
  const io::Endpoint server_;
  io::Stream stream_;
  LineBuffer buffer_;
  int code_ = 0;           // of the last reply
  std::string_view text_;  // its last line; good until the next Read
  bool hello_ = false;     // the next reply is EHLO's
  bool bad_ = false;       // a reply was none
  std::string out_, content_, scratch_;
  bool pipelining_ = false, chunking_ = false, eight_bit_ = false, size_ = false, dsn_ = false,
       codes_ = false;
  uint32_t transactions_ = 0;
};

}  // namespace ringmail::sim
