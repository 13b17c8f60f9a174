// One connection at a receiver: RFC 5321's server side, with the manners of its kind, and a strict
// eye on the client: what ringmail does against the RFCs, or beyond what was offered, is a
// violation in the ledger.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"
#include "tests/sim/mail/ledger.h"
#include "tests/sim/mail/plan.h"
#include "tests/sim/mail/receiver_kinds.h"
#include "tests/sim/mail/smtp_line.h"

namespace ringmail::sim {

// What the sessions of one receiver share.
struct ReceiverHost {
  const Plan& plan;
  const uint32_t index;
  Ledger& ledger;
  Manners manners;
  uint32_t sessions = 0;
};

class ReceiverSession {
 public:
  ReceiverSession(ReceiverHost& host, io::Stream stream);
  ReceiverSession(const ReceiverSession&) = delete;
  ReceiverSession& operator=(const ReceiverSession&) = delete;
  ~ReceiverSession() { --host_.sessions; }
  io::Task<void> Run();

 private:
  static constexpr uint64_t kNone = UINT64_MAX;
  struct Parameters {
    bool any = false;
    uint64_t size_bytes = 0;
    bool unknown = false;  // not offered
  };

  // False, of each: the conversation is over.
  io::Task<bool> More();
  io::Task<bool> Act(std::string_view usual, Turn turn);
  io::Task<bool> Command(std::string_view line);
  io::Task<bool> Other(std::string_view line);
  io::Task<bool> Mail(std::string_view line);
  io::Task<bool> Recipient(std::string_view line);
  io::Task<bool> Data();
  io::Task<bool> Chunk(std::string_view line);
  io::Task<bool> EndOfContent(std::string_view content, bool by_chunks);
  io::Task<bool> OverLong();
  bool Say(std::string_view reply);
  bool Hello(std::string_view line, bool extended);
  bool Unknown(std::string_view line);

  io::Task<void> Pause(Nanoseconds delay);
  io::Task<void> End(bool reset);
  void Seen(std::string_view octets, MonotonicTime now);
  void CheckLine(std::string_view line);
  void CheckNothingBehind(std::string_view line, bool may_be_pipelined);
  void CheckContent(std::string_view content);
  void Violation(std::string_view kind, std::string_view what);
  Parameters ReadParameters(std::string_view text) const;
  void DenyAll(int code);
  void Forget();

  ReceiverHost& host_;
  io::Stream stream_;
  LineBuffer buffer_;
  Offers offers_;         // as they were said to this client
  bool greeted_ = false;  // by EHLO or HELO
  bool garbled_ = false;  // input was thrown away, or is not commands: the client is not to blame
  bool gone_ = false;     // the client closed, or the connection failed
  uint32_t unknown_ = 0;

  // The transaction.
  bool open_ = false;      // MAIL was accepted
  bool troubled_ = false;  // its content was refused, or part of it
  int mail_refused_ = 0;   // code of the last MAIL, where that was refused
  std::string reverse_path_;
  std::vector<std::string> paths_;  // accepted
  std::string first_path_;
  size_t asked_ = 0;  // RCPTs
  uint64_t fate_ = 0;
  std::string chunks_, scratch_;

  // Whether the client has read the answer to its content.
  uint64_t awaiting_ = kNone;       // the transaction of it
  MonotonicTime waiting_since_{};   // of the octets that came last
  MonotonicTime end_not_before_{};  // the client's end of content was not sent before
};

}  // namespace ringmail::sim
