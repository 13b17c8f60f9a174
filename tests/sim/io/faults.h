// What may go wrong in a world, as values that a driver chooses by seed and hands to World, Node
// and Disk. Each says what a real machine or network does that it stands for.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ringmail/base/status.h"
#include "ringmail/base/time.h"

namespace ringmail::sim {

class Node;

// What a crash takes of the changes that are not durable.
enum class DiskLoss : uint8_t {
  kNothing,
  kEverything,
  kRandom  // each write by itself: kept, lost, cut off at a sector, or any of its sectors lost; of
           // each directory's changes a prefix is kept
};

// What becomes of one disk request. An errno alone converts to it: 0 leaves the request as it is.
struct DiskFault {
  static constexpr uint64_t kHalf = UINT64_MAX;
  static constexpr uint64_t kNone = UINT64_MAX;

  DiskFault() = default;
  DiskFault(int e) : error(e) {}  // NOLINT: what most faults are

  int error = 0;
  Nanoseconds latency{0};  // added: a slow write or sync
  // Of a write with an error: how many octets are in the file all the same, not durable. A driver
  // that means sectors gives a multiple of 512. Also after a sync that failed nothing is sure of
  // what was written before it: no later sync makes it durable, as Linux marks such pages clean.
  uint64_t lands = kHalf;
  // Of a read: this bit of what it brings is the other one, modulo what it brings. The disk itself
  // keeps the right one: a bad cable, or memory.
  uint64_t flip_bit = kNone;
  // A durable write or sync says that it is done, and made nothing durable: a drive that lies. No
  // log can survive it; what a server then must still do is to notice.
  bool lies = false;
};

// A node's end at one of its writes and syncs (of files and of directories), wherever its tasks
// stand then.
struct EndAtRequest {
  enum class Moment : uint8_t {
    kBefore,    // the request never reaches the disk
    kApplied,   // it has, and is not durable: what it wrote is among what a crash keeps, loses,
                // tears
    kCompleted  // it is done, durable where it asked to be, and the process has not heard of it
  };
  uint64_t nth = 1;  // of the writes and syncs from now on
  Moment moment = Moment::kBefore;
  bool power = true;                  // false: as Kill
  DiskLoss loss = DiskLoss::kRandom;  // with power
  // With power: Node::TakeImage then has the disk as it was before anything was lost, so that the
  // same moment can be recovered from under many losses.
  bool keep_image = false;
};

// What the way from one node to another adds to WorldOptions::network.
struct PathOptions {
  Nanoseconds delay{0};
  Nanoseconds jitter{0};  // up to this is added, at random; order within a connection is kept
  bool lost = false;      // nothing arrives: connections stall, and their senders send again later
  size_t segment_bytes = 0;  // what arrives together at most; 0: as the world says
};

// What befalls one connection.
struct ConnectionFault {
  enum class Kind : uint8_t {
    kReset,  // both ends see a reset (a firewall that forgot, a peer that crashed)
    kEnd,    // as if the writer had ended its side there: the reader sees the end and can still
             // answer, the writer can still read; what it sends after that is lost
    kStall,  // nothing more arrives in this direction for `time`
    kVanish  // nothing more arrives in either direction, ever, and nobody is told
  };
  Kind kind = Kind::kReset;
  bool from_connector = true;  // the direction whose octets count, and that stalls or ends
  uint64_t after_octets = 0;   // after so many more octets have arrived
  Nanoseconds time{0};
};

// One connection, as Connections lists it. The nodes live as long as the world.
struct ConnectionInfo {
  uint64_t id = 0;
  Node* connector = nullptr;
  Node* acceptor = nullptr;
  uint16_t port = 0;     // of the listener; 0: a Unix socket
  uint64_t octets[2]{};  // arrived: [0] from the connector
};

// Of a port that a node listens on.
enum class PortState : uint8_t {
  kOpen,
  kRefusing,  // connects are refused, whoever listens
  kFull       // connects are neither accepted nor refused, as with an accept queue that is full
};

}  // namespace ringmail::sim
