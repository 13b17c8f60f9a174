// How a receiver behaves where it is not simply correct: for each of its replies, what it says
// instead, how late, and whether it then still holds the connection.
//
// Decisions only: the session (receiver.cc) acts on them. All of them follow from the plan's seed,
// the path, and how often that path was tried, except those before any path is known, which follow
// from the number of the connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "ringmail/base/time.h"
#include "tests/sim/mail/plan.h"

namespace ringmail::sim {

struct Offers {
  bool ehlo = true;  // false: HELO is all it knows
  bool pipelining = true;
  bool eight_bit = true;
  bool codes = true;
  bool chunking = true;
  bool dsn = true;
  uint64_t size_bytes_max = 0;  // 0: SIZE is not offered
  uint32_t limits_recipients_max = 0;
};

// What becomes of one reply.
struct Turn {
  enum class Close : uint8_t {
    kNo,
    kUnsaid,  // instead of the reply
    kWithin,  // in the middle of its line
    kAfter,   // as soon as it is said
  };
  std::string_view reply;  // instead of the usual; with its CRLF
  Nanoseconds delay{0};
  Close close = Close::kNo;
  bool taken = true;   // of content that is not refused: kept, though its answer be lost
  bool deaf = false;   // what came behind the command is thrown away
  bool reset = false;  // of Close: not in order
  bool plain() const { return reply.empty() && delay.count() == 0 && close == Close::kNo && !deaf; }
  int code() const;  // of `reply`; 0: the usual
};

class Manners {
 public:
  // `index` may be kHomePeer.
  Manners(const Plan& plan, uint32_t index);

  void Behave() { behaves_ = true; }
  Offers offers() const;
  // How long an idle client may stay.
  Nanoseconds patience() const;

  // `sessions`: open now, this one among them.
  Turn Greeting(uint32_t sessions);
  Turn Mail(std::string_view reverse_path, bool has_parameters, uint64_t size_bytes);
  // `position`: of this RCPT in its transaction; `accepted` before it.
  Turn Recipient(std::string_view path, size_t position, size_t accepted, MonotonicTime now);
  // What a transaction's content will meet: of its first forward-path, after Recipient.
  uint64_t FateOf(std::string_view path) const;
  Turn Data(uint64_t fate) const;
  // False: BDAT is offered, and an unknown command.
  bool KnowsBdat() const;
  // Of a BDAT that is not the end of the content.
  Turn Chunk(uint64_t fate, uint64_t bytes_so_far) const;
  // After `bytes` of the content: whether it is refused before it is whole.
  bool RefusesWithin(uint64_t bytes) const;
  Turn End(std::string_view reverse_path, std::string_view first_path, uint64_t fate,
           uint64_t bytes, bool by_chunks) const;

 private:
  enum Lie : uint32_t {
    kChunking = 1,
    kPipelining = 2,
    kParameters = 4,
    kLimits = 8,
    kGarbage = 16,
    kSize = 32
  };
  bool Lies(Lie lie) const { return kind_ == PeerKind::kLiar && !behaves_ && (lies_ & lie) != 0; }
  bool Late(uint64_t dice, Turn& turn) const;
  Turn Closing(uint64_t dice, uint64_t percent) const;
  Turn RefuserRecipient(uint64_t fate, uint64_t hash) const;
  Turn RefuserEnd(std::string_view reverse_path, std::string_view first_path, uint64_t fate) const;

  const Plan& plan_;
  const uint32_t index_;
  PeerKind kind_ = PeerKind::kCorrect;
  uint32_t number_ = 0;
  uint64_t own_ = 0;  // from the seed and the peer
  uint32_t lies_ = 0;
  uint64_t size_bytes_max_ = 0;  // of kSizeBreaker and of the liar, in truth
  uint64_t connections_ = 0;
  bool behaves_ = false;
  struct Asked {
    uint32_t times = 0;
    MonotonicTime first{};
  };
  std::unordered_map<uint64_t, Asked> asked_;  // by hash of the path
};

}  // namespace ringmail::sim
