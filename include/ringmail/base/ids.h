// Identities that must never be mixed: each is its own type.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace ringmail {

template <typename Tag, typename Value>
struct StrongId {
  Value value = 0;
  constexpr StrongId() = default;
  constexpr explicit StrongId(Value v) : value(v) {}
  friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const StrongId& id) {
    return H::combine(std::move(h), id.value);
  }
};

// A shard: an index in [0, shard count). Means nothing across restarts.
using ShardIndex = StrongId<struct ShardIndexTag, uint16_t>;

// A log directory, [0, kLogCountMax). Stays with the data whatever the number of shards.
using LogId = StrongId<struct LogIdTag, uint16_t>;
inline constexpr uint32_t kLogCountMax = 1024;

// A message in the queue, for ever unique in one data directory: 10 bits of LogId, 50 bits of
// sequence. Written as 12 characters of base32 (0-9 a-v), most significant first: "0000000001a2".
struct QueueId : StrongId<struct QueueIdTag, uint64_t> {
  using StrongId::StrongId;
  static constexpr int kSequenceBits = 50;
  static constexpr size_t kTextBytes = 12;
  static constexpr QueueId Make(LogId log, uint64_t sequence) {
    return QueueId((uint64_t{log.value} << kSequenceBits) |
                   (sequence & ((uint64_t{1} << kSequenceBits) - 1)));
  }
  constexpr LogId log() const { return LogId(static_cast<uint16_t>(value >> kSequenceBits)); }
  constexpr uint64_t sequence() const { return value & ((uint64_t{1} << kSequenceBits) - 1); }
  constexpr bool valid() const { return value != 0; }

  std::string ToString() const;
  // Writes exactly kTextBytes characters to `out`.
  void Format(char* out) const;
  static std::optional<QueueId> Parse(std::string_view text);
};

// Content in a log: the bytes of one message, however many queue entries refer to it. Same form as
// QueueId.
struct ContentId : StrongId<struct ContentIdTag, uint64_t> {
  using StrongId::StrongId;
  constexpr LogId log() const {
    return LogId(static_cast<uint16_t>(value >> QueueId::kSequenceBits));
  }
};

// An account, from 1, never used again; the directory gives it (storage/directory.h), and it stays
// when the address changes.
using AccountId = StrongId<struct AccountIdTag, uint64_t>;

}  // namespace ringmail
