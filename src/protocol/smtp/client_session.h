// One connection to a next hop, and the mail transactions made over it one after the other (RFC
// 5321 §3.3, client side).
//
// States: connected → greeted → { transaction } → quit. A transaction is pipelined where the peer
// offers it (RFC 2920):
//   MAIL, RCPT…, BDAT LAST with the content  when it offers CHUNKING too (one round trip, RFC
//   3030), MAIL, RCPT…, DATA | content              otherwise (two round trips),
// and command by command where it does not. With a peer that speaks LMTP (RFC 2033) it is the same,
// but for LHLO, and a reply for each accepted recipient at the end of content.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "protocol/smtp/reply_wire.h"
#include "ringmail/agent/transport.h"
#include "ringmail/io/stream.h"
#include "ringmail/protocol/smtp_client.h"
#include "ringmail/session/line_reader.h"
#include "ringmail/storage/content.h"

namespace ringmail::storage {
class ShardStore;
}

namespace ringmail::smtp {

// Content up to this goes out with the envelope in one BDAT, before the peer has said what it
// thinks of the recipients.
inline constexpr uint64_t kEagerContentBytesMax = 256u << 10;

struct SmtpClientMetrics {
  Counter connections, connect_failures, transactions, recipients, bytes, ambiguous;
  void Register(MetricRegistry& registry);
};

// What earlier connections taught us of a peer, kept by the transport beyond one session.
class PeerMemory {
 public:
  // It offered CHUNKING and did not know BDAT.
  void ForgetChunking(const std::string& host) {
    if (without_chunking_.size() >= kHostsMax) without_chunking_.clear();
    without_chunking_.insert(host);
  }
  bool WithoutChunking(const std::string& host) const { return without_chunking_.contains(host); }

 private:
  static constexpr size_t kHostsMax = 10'000;
  absl::flat_hash_set<std::string> without_chunking_;
};

class ClientSession final : public agent::TransportSession {
 public:
  ClientSession(io::Stream stream, std::string remote_host, const SmtpClientOptions& options,
                SmtpClientMetrics& metrics, PeerMemory& memory, agent::HopProtocol protocol);

  // Reads the greeting and says EHLO, or HELO where EHLO is refused. completed() or why not.
  io::Task<message::Reply> Greet();

  io::Task<void> Deliver(agent::DeliveryAttempt& attempt) override;
  bool usable() const override;
  uint32_t recipients_max() const override { return recipients_max_; }
  io::Task<void> Quit() override;
  void Cancel() override;
  const std::string& remote_host() const override { return remote_host_; }

 private:
  // Where a transaction is: what a lost connection is reported as.
  enum class Stage : uint8_t { kGreeting, kHello, kMail, kRecipient, kData, kContent, kEnd };
  enum class Round : uint8_t { kOver, kAgain };
  enum class Method : uint8_t { kData, kChunks, kEagerChunk };
  enum class Last : uint8_t { kNo, kYes };
  struct Transaction;

  io::Task<bool> ReadReply(message::Reply& reply, std::chrono::seconds patience,
                           PeerExtensions* extensions = nullptr);
  io::Task<message::Reply> Hello();
  bool Refuses(agent::DeliveryAttempt& attempt);
  Method ChooseMethod(const agent::DeliveryAttempt& attempt) const;

  io::Task<Round> Transact(agent::DeliveryAttempt& attempt);
  io::Task<bool> SendEnvelope(Transaction& t);
  io::Task<bool> ReadEnvelopeReplies(Transaction& t);
  bool JudgeMail(Transaction& t, const message::Reply& reply);
  void JudgeRecipient(Transaction& t, size_t index, const message::Reply& reply);
  io::Task<bool> SendByData(Transaction& t);
  io::Task<bool> SendByChunks(Transaction& t);
  io::Task<bool> ReadChunkReplies(Transaction& t, size_t& unanswered, size_t allowed);
  void NoteChunkRefusal(const message::Reply& reply);
  io::Task<bool> WriteEagerChunk(Transaction& t);
  io::Task<void> ReadEnd(Transaction& t);
  io::Task<void> ReadEnds(Transaction& t);
  bool lmtp() const { return protocol_ == agent::HopProtocol::kLmtp; }
  io::Task<bool> WriteStuffed(const storage::ContentPiece& piece);
  io::Task<void> Reset();

  void WriteChunkCommand(uint64_t bytes, Last last);
  void WriteMail(const Transaction& t);
  void WriteRecipient(const Transaction& t, size_t index);
  void Lost(Transaction& t);
  void ContentUnreadable(Transaction& t, const Status& status);
  void Resolve(Transaction& t, const message::Reply& reply);
  void ResolveOne(agent::RecipientResult& result, const message::Reply& reply);
  message::Reply LostReply() const;

  io::Stream stream_;
  session::LineReader lines_;
  const std::string remote_host_;
  const SmtpClientOptions& options_;
  SmtpClientMetrics& metrics_;
  PeerMemory& memory_;
  const agent::HopProtocol protocol_;
  PeerExtensions peer_;
  ReplyReader reader_;
  io::StreamStatus lost_ = io::StreamStatus::kOk;
  Stage stage_ = Stage::kGreeting;
  uint32_t transactions_ = 0;
  uint32_t recipients_max_ = 100;  // RFC 5321 §4.5.3.1.8: any peer takes 100
  bool usable_ = false;
  bool bad_reply_ = false;
  bool plain_parameters_ = false;  // the peer refused a parameter that it had offered: ask without
  bool chunking_refused_ = false;
  std::vector<uint8_t> accepted_;  // by recipient of the attempt
};

}  // namespace ringmail::smtp
