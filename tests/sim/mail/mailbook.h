// The ledger's part for the mailboxes of a simulated server: what senders were told will come into
// each, and what its owner saw there, session by session. What was acknowledged comes once, stays
// what and where it is, and goes only when its owner deletes it, and then for good.
//
// Written to by the ledger, by readers and by the world. A session of POP3 shows what is on stable
// storage: what it lists must be listed by all that come later, until it is deleted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmail/base/time.h"
#include "tests/sim/mail/plan.h"

namespace ringmail::sim {

// One message of a maildrop, as UIDL and LIST say.
struct MaildropLine {
  std::string unique_id;
  uint64_t bytes = 0;
  friend bool operator==(const MaildropLine&, const MaildropLine&) = default;
};

class Mailbook {
 public:
  using Violation = std::function<void(std::string_view kind, std::string what)>;
  Mailbook(const Plan& plan, Violation violation);

  // By the ledger. Content that these accounts are to have once: it was acknowledged, or nobody
  // knows.
  void Acknowledged(uint32_t message, const std::set<uint32_t>& accounts);
  void Unanswered(uint32_t message, const std::set<uint32_t>& accounts);
  void Reported(uint32_t message, uint32_t account);

  // By the world: the server's process began. What a session saw before may have been undecided.
  void ServerStarted(MonotonicTime now);

  // By readers: all that a session that logged in at `began` was shown.
  void Listed(uint32_t account, const std::vector<MaildropLine>& lines, MonotonicTime began);
  void Retrieved(uint32_t account, const MaildropLine& line, std::string_view content);
  // QUIT goes out with these marked; what came of it is not known. Then, where it was answered +OK,
  // Deleted.
  void Deleting(uint32_t account, const std::vector<std::string>& unique_ids, MonotonicTime now);
  void Deleted(uint32_t account, const std::vector<std::string>& unique_ids);

  // At the end, when every mailbox was read whole. A message that may have been given up with
  // nobody to tell need not be there.
  void Audit(const std::function<bool(uint32_t message)>& given_up);

  uint64_t seen() const { return seen_; }        // messages, in all mailboxes
  uint64_t deleted() const { return deleted_; }  // of those, by an answered QUIT

 private:
  enum class State : uint8_t {
    kThere,
    kMaybe,  // a QUIT was to delete it, and was not answered +OK
    kGone,
  };
  struct Copy {
    uint32_t message = 0;  // 0: not read yet
    uint64_t bytes = 0;
    State state = State::kThere;
    MonotonicTime maybe_since{};
  };
  struct Box {
    std::map<std::string, Copy> copies;  // by unique-id
    uint64_t validity = 0;               // the unique-ids' first half
    uint64_t uid_max = 0;                // their second
  };
  // Of one message into one account.
  struct Expected {
    uint32_t acknowledged = 0, unanswered = 0, reports = 0, copies = 0;
  };

  void Add(uint32_t account, const MaildropLine& line, uint64_t before);
  void CheckGone(uint32_t account, const std::vector<MaildropLine>& lines);
  void CheckContent(uint32_t account, const MaildropLine& line, const MessagePlan& message,
                    std::string_view content);
  bool DeliveredTo(std::string_view address, uint32_t account, const MessagePlan& message) const;
  bool SettledSince(MonotonicTime maybe_since, MonotonicTime began) const;

  const Plan& plan_;
  const Violation violation_;
  std::map<uint32_t, const MessagePlan*> messages_;
  std::vector<Box> boxes_;
  std::map<std::pair<uint32_t, uint32_t>, Expected> expected_;  // by message and account
  std::vector<MonotonicTime> starts_;
  uint64_t seen_ = 0, deleted_ = 0;
};

}  // namespace ringmail::sim
