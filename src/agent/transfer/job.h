// One batch of recipients of one message on its way to one destination: what the shard that owns
// the message lends to the shard that owns the destination, and gets back with an outcome for each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringmail/agent/transport.h"
#include "ringmail/base/ids.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/time.h"
#include "ringmail/storage/queue.h"

namespace ringmail::agent {

class TransferCore;
struct Lane;

enum class Urgency : uint8_t {
  kScheduled,
  kOperator,  // try now, whatever the destination's back-off says
};

struct Job : ListHook<class JobTag> {
  // Written by the home shard before it lends the job, read-only while lent.
  TransferCore* home = nullptr;
  ShardIndex home_shard;
  Lane* lane = nullptr;  // the home shard's own
  NextHop hop;
  QueueId id;
  std::string_view envelope;  // packed; the queue entry stays while recipients are in flight
  const storage::Content* content = nullptr;
  uint64_t content_bytes = 0;
  uint8_t content_flags = 0;
  Urgency urgency = Urgency::kScheduled;
  std::vector<uint32_t> recipients;  // ascending

  // Written by the destination's shard.
  std::vector<RecipientResult> results;  // one for each of `recipients`
  std::string remote_host;
  uint32_t fruitless = 0;  // attempts that gave no outcome to anybody
  bool ambiguous = false;
  bool delivered = false;  // to one recipient or more
  // The destination could not be reached: what is kUntried waits, and it is left alone until then.
  bool unreachable = false;
  MonotonicTime back_off_until{};
  storage::LastReply refusal;  // why; code 0 where nothing was said
};

}  // namespace ringmail::agent
