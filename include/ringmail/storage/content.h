// Content: the bytes of one message (RFC 5321 §2.3.1), written once into the log and referred to by
// id from then on.
//
// Written as it arrives, in pieces, with bounded memory; read back in pieces, on any shard, with
// the places where DATA must stuff a dot (RFC 5321 §4.5.2) beside them, so that nobody passes over
// the bytes again.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "ringmail/base/ids.h"
#include "ringmail/base/status.h"
#include "ringmail/io/task.h"

namespace ringmail::storage {

class ShardStore;

// How much of one message a connection may hold in memory while it arrives. Grows with what was
// received, never ahead of it.
inline constexpr size_t kContentStagingBytesMax = 256u << 10;

// What content is like, known when it was written; kept with it.
inline constexpr uint8_t kContent8Bit = 1;  // has octets over 127
inline constexpr uint8_t kContentBinary =
    2;  // has bare CR, bare LF or NUL, or a line over 998 octets (RFC 3030 only)

// Contents begin with what only mailboxes show: the Return-Path field (RFC 5321 §4.4), which
// belongs to final delivery and to nothing before it, though one content serves both. It counts in
// no size but a mailbox's. At most so many octets: a path has 256 (RFC 5321 §4.5.3.1.3), written
// with SMTPUTF8 or without.
inline constexpr size_t kContentPrefixBytesMax = 1024;

// Content in the store. Owned by the store of the shard whose log holds it; compact, since a queue
// holds a million.
//
// Lending: another shard may read it between Lend and Return, both called on the owner's shard;
// while lent it is neither evicted from memory, nor moved, nor dropped.
class Content;

ContentId Id(const Content& content);
uint64_t Bytes(const Content& content);  // without the prefix
uint16_t PrefixBytes(const Content& content);
uint8_t Flags(const Content& content);
void Lend(Content& content);
void Return(Content& content);

// Takes in one content.
//
// Made by: Queue::NewContent. Ends in: Queue::Enqueue, or destruction, which gives it up.
// Order: AppendPrefix once at most, before all else; Append any number of times; Drain once
// needs_drain() says so, after all that one piece of
//   input brought (its runs may be many, and cross the mark in the middle) and before the next.
// Promise: nothing is durable until Enqueue has returned OK.
// Limits: kContentStagingBytesMax in memory; beyond, pieces go to the log while the rest arrives,
//   and Drain waits for the disk (back-pressure). The caller enforces the message size.
class ContentWriter {
 public:
  ContentWriter();
  ContentWriter(ContentWriter&&) noexcept;
  ContentWriter& operator=(ContentWriter&&) noexcept;
  ~ContentWriter();

  bool open() const { return state_ != nullptr; }
  // What only mailboxes show. Whole lines, of which none begins with a dot.
  void AppendPrefix(std::string_view bytes);
  // Copies `bytes`. `starts_with_dot_line`: the first octet is a dot that begins a line. A line
  // elsewhere in `bytes` never begins with a dot (codec/data_scan.h gives runs of that form).
  void Append(std::string_view bytes, bool starts_with_dot_line);
  bool needs_drain() const;
  // Errors: kResourceExhausted: the disk or quota is full (452 4.3.1); others: the log has failed
  //   (451 4.3.0).
  io::Task<Status> Drain();
  uint64_t bytes() const;  // without the prefix
  void set_flags(uint8_t flags);

  struct State;  // the store's
  explicit ContentWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> TakeState();

 private:
  std::unique_ptr<State> state_;
};

// A piece of content, in order, and the offsets within it of dots that begin a line.
struct ContentPiece {
  std::string_view bytes;  // empty: the end
  std::span<const uint32_t> dot_lines;
};

// Content as a reader sees it, wherever it comes from: the log, or memory (`ringmail send`, tests).
class ContentSource {
 public:
  virtual ~ContentSource() = default;
  // The next piece, valid until the next Next or destruction; empty at the end.
  virtual io::Task<StatusOr<ContentPiece>> Next() = 0;
  // Reads again from the start.
  virtual void Rewind() = 0;
};

// kMessage: what others are given. kAll: what mailboxes show.
enum class ContentPart : uint8_t { kMessage, kAll };

// Reads lent content on the shard of `store`. Pieces are checked against their checksum before they
// are handed out.
// Limits: 256 KiB of memory while reading from disk; none for content still in memory.
// Errors: kDataLoss names log, segment and offset of the damage.
class ContentReader final : public ContentSource {
 public:
  ContentReader(ShardStore& store, const Content& content, ContentPart part);
  ContentReader(const ContentReader&) = delete;
  ContentReader& operator=(const ContentReader&) = delete;
  ~ContentReader() override;

  io::Task<StatusOr<ContentPiece>> Next() override;
  void Rewind() override;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace ringmail::storage
