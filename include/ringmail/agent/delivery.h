// Local delivery: the transport to the mailboxes of this host's accounts (RFC 5598 §4.3.3, the
// MDA).
//
// Made by: MakeLocalTransport, one for each shard, for Transfer (LocalDelivery). Its sessions serve
//   the next hop NextHop::Local of that shard.
// Promise: a recipient is kDelivered when the message is in the mailbox on stable storage, or was
//   there already: a delivery that a crash repeats finds its own copy. The content is referred to,
//   not copied; whoever records the outcome records the account's hold on it with it
//   (RecipientResult::account).
// Shard: one; that of the accounts.
// Limits: kLocalRecipientsMax in one attempt, all under way at once, so that their records go to
//   disk together.
// Errors: each a reply for the recipient: 452 4.2.2 over quota, 451 4.3.0 the account or directory
//   cannot be read, 550 5.1.1 nobody any more, 550 5.2.1 takes no mail, 551 5.1.6 moved.
#pragma once

#include <cstdint>
#include <memory>

#include "ringmail/agent/transport.h"
#include "ringmail/base/metrics.h"
#include "ringmail/storage/account.h"
#include "ringmail/storage/directory.h"

namespace ringmail::agent {

// Where a message to user+detail goes (RFC 5233).
enum class DetailMailbox : uint8_t {
  kInbox,  // as all others
  kNamed,  // to the mailbox of that name, if there is one
};

struct DeliveryOptions {
  DetailMailbox detail = DetailMailbox::kInbox;
};

class LocalTransport : public Transport {
 public:
  virtual void Reconfigure(DeliveryOptions options) = 0;
  virtual void RegisterMetrics(MetricRegistry& registry) = 0;
};

// Borrows both.
std::unique_ptr<LocalTransport> MakeLocalTransport(storage::Accounts& accounts,
                                                   const storage::Directory& directory,
                                                   DeliveryOptions options);

}  // namespace ringmail::agent
