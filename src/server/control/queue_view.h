// The queue as the control interface shows and steers it: work that runs on the shard that owns the
// messages.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmail/base/ids.h"
#include "ringmail/base/time.h"
#include "ringmail/storage/queue.h"
#include "server/control/json_writer.h"
#include "server/serve/shard_server.h"

namespace ringmail::server {

// Entries looked at before a shard's other work goes on.
inline constexpr size_t kQueueScanMessages = 128;
// Recipients shown in a list and of one message.
inline constexpr uint32_t kListedRecipientsMax = 10;
inline constexpr uint32_t kShownRecipientsMax = 100'000;

struct QueueFilter {
  std::optional<std::string> domain;  // of a pending recipient; normalized
  std::optional<std::string> sender;  // the reverse-path, "" for null
  std::optional<bool> held;
  bool Matches(const storage::QueuedMessage& message) const;
  bool all() const { return !domain && !sender && !held; }
};

// As an object. Views of the message are read before this returns.
void WriteMessage(const storage::QueuedMessage& message, uint32_t recipients_max, JsonWriter& json);

// RFC 3339, in UTC and whole seconds.
std::string FormatTime(WallTime time);

// The messages of one shard after `after`, up to kQueueScanMessages looked at.
struct ListWork {
  const QueueFilter* filter = nullptr;
  QueueId after;
  std::vector<std::pair<QueueId, std::string>> rows;  // in id order, as JSON
  QueueId reached;                                    // invalid: that was the last
  io::Task<void> Run(ShardServer& server);
};

// One message as JSON, "" where this shard does not have it.
struct ShowWork {
  QueueId id;
  std::string json;
  io::Task<void> Run(ShardServer& server);
};

enum class QueueAction : uint8_t { kRetry, kHold, kRelease, kDrop };
std::string_view ActionName(QueueAction action);
std::optional<QueueAction> ParseAction(std::string_view name);

// One message. kNotFound where this shard does not have it.
struct ActWork {
  QueueAction action = QueueAction::kRetry;
  QueueId id;
  Status status;
  io::Task<void> Run(ShardServer& server);
};

// Every message that the filter lets through, many at a time, so that one sync serves many.
struct ActOnAllWork {
  QueueAction action = QueueAction::kRetry;
  const QueueFilter* filter = nullptr;
  uint64_t done = 0, failed = 0;
  Status last_failure;
  io::Task<void> Run(ShardServer& server);
};

}  // namespace ringmail::server
