// The ledger of a simulated mail world: what senders were told and what peers took, and whether
// both agree with what a mail server owes: each recipient that was acknowledged is delivered byte
// for byte, reported, or still queued; once, but where an answer was lost.
//
// Written to by senders, receivers and the world; nothing of the product writes here. The first
// violation of each kind is kept in words, with the time, the message and what was seen.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/time.h"
#include "tests/sim/mail/mailbook.h"
#include "tests/sim/mail/plan.h"

namespace ringmail::sim {

// One copy of one recipient, as a receiver took it.
struct Delivery {
  uint32_t peer = 0;
  uint64_t transaction = 0;  // of the world, counting up
  MonotonicTime answered;    // when the receiver wrote its 2yz
  bool answer_seen = false;  // the client went on after the answer: it had read it
  bool excused =
      false;  // the server ended, or its disk failed, before it had to have noted the outcome
};

struct RecipientBook {
  // What the sender was told.
  uint32_t acknowledged = 0;  // 2yz after the final dot (or last chunk)
  uint32_t unanswered = 0;    // the content was sent whole, and no answer came
  bool refused = false;       // 5yz, at any stage: the sender gave it up
  // What receivers did.
  std::vector<Delivery> deliveries;
  uint32_t refused_for_good = 0;  // 5yz to its RCPT, to its MAIL, or to content that it belonged to
  uint32_t deferred = 0;          // 4yz likewise
  std::vector<Delivery> reports;  // as failed, in a DSN that home took
  std::vector<Delivery> warnings;  // as delayed, likewise
};

struct MessageBook {
  const MessagePlan* plan = nullptr;
  std::vector<std::string> queue_ids;  // of the acknowledgements
  MonotonicTime acknowledged_first{};
  std::vector<RecipientBook> recipients;
};

struct Counts {
  uint64_t messages = 0;      // acknowledged
  uint64_t recipients = 0;    // acknowledged
  uint64_t deliveries = 0;    // of recipients
  uint64_t reports = 0;       // recipients reported as failed
  uint64_t duplicates = 0;    // deliveries beyond the first
  uint64_t excused = 0;       // of those, with a lost answer behind each
  uint64_t refusals = 0;      // recipients the server refused for good
  uint64_t transactions = 0;  // at receivers
  uint64_t resends = 0;       // by senders, after 4yz or a lost connection
  uint64_t boxed = 0;         // messages that readers saw in mailboxes
  uint64_t deleted = 0;       // of those, by a QUIT that was answered +OK
};

class Ledger {
 public:
  explicit Ledger(const Plan& plan);

  MessageBook* Find(uint32_t message);
  std::map<uint32_t, MessageBook>& messages() { return messages_; }
  // For recipients that are accounts of ours; what they were told stands in both.
  Mailbook& mailbook() { return mailbook_; }
  Counts& counts() { return counts_; }

  // By senders. `accepted` are indices of recipients that the server had said 2yz to.
  void Acknowledged(uint32_t message, const std::vector<uint32_t>& accepted, std::string_view reply,
                    MonotonicTime now);
  void Unanswered(uint32_t message, const std::vector<uint32_t>& accepted);
  // 4yz to the content. Where a disk failed under it, recovery may find the message all the same
  // (RFC 5321 §4.2.5).
  void PutOff(uint32_t message, const std::vector<uint32_t>& recipients);
  void Refused(uint32_t message, uint32_t recipient);

  // By receivers: a transaction whose content came whole; `taken`: it will be answered 2yz. Checks
  // envelope and content. The number of the transaction; later AnswerSeen(number).
  uint64_t Took(uint32_t peer, std::string_view reverse_path,
                const std::vector<std::string>& forward_paths, std::string_view content,
                MonotonicTime now);
  void AnswerSeen(uint64_t transaction, MonotonicTime now);
  // 4yz or 5yz to this path, whatever the stage.
  void Denied(std::string_view forward_path, int code);

  // By the world. Answers given within `window` before now may not have been noted by the server
  // that got them.
  void ServerEnded(MonotonicTime now, Nanoseconds window);

  // Whether this recipient needs its message no more: it was delivered, or reported, or refused for
  // good without anybody to report to.
  static bool Settled(const MessageBook& book, uint32_t recipient);
  // Whether the server may have given this recipient up: a peer said so, it expired, or the peer
  // cannot take such content.
  bool MayFail(const MessageBook& book, uint32_t recipient, MonotonicTime now) const;
  // At the end, each recipient's account. Still queued: as far as the servers' queues say.
  using StillQueued = std::function<bool(const MessageBook& book, uint32_t recipient)>;
  void Audit(const StillQueued& still_queued, MonotonicTime now);
  // Of the mailboxes, when each was read whole.
  void AuditMailboxes(MonotonicTime now);

  void Violation(std::string_view kind, std::string what);
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  struct Place {
    uint32_t message = 0;
    uint32_t recipient = 0;
    std::vector<Delivery> RecipientBook::*copies = nullptr;  // which of its lists
  };
  struct Transaction {
    std::vector<Place> places;
    MonotonicTime answered;
  };
  Delivery* FindDelivery(const Place& place, uint64_t transaction);
  void TookReport(Transaction& transaction, const Delivery& delivery, std::string_view home_path,
                  std::string_view content);
  void TookLocalReport(std::string_view home_path, uint32_t account, MonotonicTime now);
  bool MayHaveExpired(const MessageBook& book, MonotonicTime now) const;
  std::set<uint32_t> Accounts(const MessageBook& book, const std::vector<uint32_t>& list) const;
  void CheckContent(const MessageBook& book, std::string_view content, uint32_t peer);
  void AuditRecipient(const MessageBook& book, uint32_t recipient, bool queued, MonotonicTime now);

  const Plan& plan_;
  Mailbook mailbook_;
  std::map<uint32_t, MessageBook> messages_;
  std::vector<Transaction> transactions_;
  // Answers that were long on their way came long after they were given.
  struct SeenAnswer {
    uint64_t transaction;
    MonotonicTime at;
  };
  std::vector<SeenAnswer> seen_;  // in that order
  Counts counts_;
  std::vector<std::string> violations_;
  std::vector<std::string> violation_kinds_;
};

}  // namespace ringmail::sim
