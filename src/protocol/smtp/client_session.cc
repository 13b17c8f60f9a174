#include "protocol/smtp/client_session.h"

#include <utility>

#include "fmt/format.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/log.h"
#include "ringmail/io/shard.h"
#include "ringmail/message/path.h"

namespace ringmail::smtp {
namespace {

using agent::Outcome;
using message::BodyType;
using message::DsnReturn;
using message::Reply;

constexpr uint64_t kOutputBytesMax =
    256u << 10;  // written and not yet taken before a flush is waited for

// RFC 5321 §4.2.4: a command, or a parameter of it, that the peer does not take.
bool RefusedAsSyntax(const Reply& reply) {
  return reply.code == 500 || reply.code == 501 || reply.code == 502 || reply.code == 504 ||
         reply.code == 555;
}

Reply Ours(uint16_t code, message::EnhancedStatus status, std::string text) {
  return {code, status, std::move(text)};
}

// Only 4yz and 5yz are a refusal (RFC 5321 §4.2.1); any other code that does not fit is the peer's
// fault, which may pass.
Reply AsRefusal(const Reply& reply, std::string_view to_what) {
  if (reply.permanent() || reply.transient()) return reply;
  return Ours(451, {4, 5, 0}, fmt::format("unexpected reply to {}: {}", to_what, reply.ToLine()));
}

// RFC 3461 §4.1.
std::string NotifyText(uint8_t notify) {
  if (notify & message::kNotifyNever) return "NEVER";
  std::string text;
  const auto add = [&text](std::string_view word) {
    if (!text.empty()) text += ',';
    text += word;
  };
  if (notify & message::kNotifySuccess) add("SUCCESS");
  if (notify & message::kNotifyFailure) add("FAILURE");
  if (notify & message::kNotifyDelay) add("DELAY");
  return text;
}

}  // namespace

struct ClientSession::Transaction {
  agent::DeliveryAttempt& attempt;
  Method method = Method::kData;
  bool answered = false;  // the peer has answered anything in this transaction
  bool mail_accepted = false;
  bool again = false;     // worth another round in another form
  bool end_sent = false;  // the last octet of content is on its way
  bool open = false;      // a transaction stands at the peer: RSET before the next
  size_t accepted_count = 0;
  Reply mail_reply;
};

void SmtpClientMetrics::Register(MetricRegistry& registry) {
  registry.Add("ringmail_smtp_client_connections_total", "Connections made to next hops",
               &connections);
  registry.Add("ringmail_smtp_client_connect_failures_total",
               "Next hops that could not be reached or greeted", &connect_failures);
  registry.Add("ringmail_smtp_client_transactions_total", "Mail transactions made", &transactions);
  registry.Add("ringmail_smtp_client_recipients_total", "Recipients delivered", &recipients);
  registry.Add("ringmail_smtp_client_bytes_total", "Octets of content sent", &bytes);
  registry.Add("ringmail_smtp_client_ambiguous_total",
               "Transactions whose end was sent and never answered", &ambiguous);
}

ClientSession::ClientSession(io::Stream stream, std::string remote_host,
                             const SmtpClientOptions& options, SmtpClientMetrics& metrics,
                             PeerMemory& memory, agent::HopProtocol protocol)
    : stream_(std::move(stream)),
      lines_(kReplyLineBytesMax),
      remote_host_(std::move(remote_host)),
      options_(options),
      metrics_(metrics),
      memory_(memory),
      protocol_(protocol) {}

bool ClientSession::usable() const {
  return usable_ && (peer_.transactions_max == 0 || transactions_ < peer_.transactions_max);
}

void ClientSession::Cancel() {
  usable_ = false;
  // Where the peer has ended the session, the stream is closed already.
  if (stream_.open()) stream_.Cancel();
}

// False: the conversation is over, lost_ or bad_reply_ says why. `extensions` takes the lines after
// the first.
io::Task<bool> ClientSession::ReadReply(Reply& reply, std::chrono::seconds patience,
                                        PeerExtensions* extensions) {
  const MonotonicTime deadline = Planted(Canary::kWaitForever) ? kNever : io::Now() + patience;
  for (;;) {
    session::Line line = lines_.TryLine(stream_);
    if (line.status == session::LineStatus::kNeedMore)
      line = co_await lines_.ReadLine(stream_, deadline);
    if (line.status != session::LineStatus::kLine) {
      usable_ = false;
      lost_ = line.stream;
      bad_reply_ = line.status != session::LineStatus::kStream;
      co_return false;
    }
    const ReplyReader::Verdict verdict = reader_.Line(line.text);
    if (verdict == ReplyReader::Verdict::kBad) {
      usable_ = false;
      bad_reply_ = true;
      co_return false;
    }
    if (extensions != nullptr && reader_.line_number() > 1)
      ReadExtension(reader_.line_text(), *extensions);
    if (verdict == ReplyReader::Verdict::kDone) break;
  }
  reply = reader_.Take();
  // RFC 5321 §3.8: after 421 the peer closes, whatever we do.
  if (reply.code == 421) usable_ = false;
  co_return true;
}

// ── greeting ──

io::Task<Reply> ClientSession::Greet() {
  Reply reply;
  stage_ = Stage::kGreeting;
  if (!co_await ReadReply(reply, options_.timeouts.greeting)) co_return LostReply();
  if (reply.code != 220) {
    // A host that takes no mail at all says 521 or 556 (RFC 7504); any other refusal to talk may
    // pass.
    if (reply.permanent() && reply.code != 521 && reply.code != 556) {
      co_return Ours(451, {4, 3, 0}, fmt::format("greeting refused: {}", reply.ToLine()));
    }
    if (!reply.permanent() && !reply.transient())
      co_return Ours(451, {4, 5, 0}, fmt::format("unexpected greeting: {}", reply.ToLine()));
    co_return reply;
  }
  const std::string_view text = reply.text;
  const std::string_view name = text.substr(0, text.find_first_of(" \n"));
  if (options_.refuse_own_hostname && message::SameDomain(name, options_.hostname)) {
    co_return Ours(554, {5, 4, 6},
                   fmt::format("mail loops back to ourselves: {} is our own name", name));
  }
  co_return co_await Hello();
}

io::Task<Reply> ClientSession::Hello() {
  Reply reply;
  stage_ = Stage::kHello;
  stream_.Write(lmtp() ? "LHLO " : "EHLO ");
  stream_.Write(options_.hostname);
  stream_.Write("\r\n");
  if (!co_await ReadReply(reply, options_.timeouts.command, &peer_)) co_return LostReply();
  // RFC 2033 §4.1: a store that does not know LHLO speaks no LMTP.
  if (reply.permanent() && !lmtp()) {
    // RFC 5321 §3.2: a server that does not know EHLO is greeted with HELO.
    peer_ = PeerExtensions{};
    stream_.Write("HELO ");
    stream_.Write(options_.hostname);
    stream_.Write("\r\n");
    if (!co_await ReadReply(reply, options_.timeouts.command)) co_return LostReply();
  }
  if (!reply.completed()) co_return AsRefusal(reply, lmtp() ? "LHLO" : "EHLO");
  if (options_.pipelining == Use::kNever) peer_.pipelining = false;
  if (options_.chunking == Use::kNever) peer_.chunking = peer_.binary_mime = false;
  if (peer_.recipients_max > 0) recipients_max_ = peer_.recipients_max;
  usable_ = true;
  co_return reply;
}

// ── a transaction ──

// Answers for all recipients without asking the peer, where it cannot take this message at all.
bool ClientSession::Refuses(agent::DeliveryAttempt& attempt) {
  Reply reply;
  const bool binary = (attempt.content_flags & storage::kContentBinary) ||
                      attempt.envelope.body() == BodyType::kBinaryMime;
  if (peer_.size_bytes_max > 0 && attempt.content_bytes > peer_.size_bytes_max) {
    // RFC 1870 §6.
    reply = Ours(552, {5, 3, 4},
                 fmt::format("message of {} octets exceeds the {} that {} takes",
                             attempt.content_bytes, peer_.size_bytes_max, remote_host_));
  } else if (attempt.envelope.smtp_utf8() && !peer_.smtp_utf8) {
    // RFC 6531 §3.5.
    reply = Ours(
        550, {5, 6, 7},
        fmt::format("internationalized message, and {} does not offer SMTPUTF8", remote_host_));
  } else if (binary && !(peer_.binary_mime && peer_.chunking)) {
    // RFC 3030 §3: never sent to a peer without BINARYMIME.
    reply = Ours(554, {5, 6, 3},
                 fmt::format("binary content, and {} does not offer BINARYMIME", remote_host_));
  } else if ((attempt.content_flags & storage::kContent8Bit) && !peer_.eight_bit_mime) {
    // RFC 6152 §3 (converted once the MIME room can).
    reply = Ours(554, {5, 6, 3},
                 fmt::format("8-bit content, and {} does not offer 8BITMIME", remote_host_));
  } else {
    return false;
  }
  for (agent::RecipientResult& result : attempt.results) result = {Outcome::kFailed, reply};
  return true;
}

io::Task<void> ClientSession::Deliver(agent::DeliveryAttempt& attempt) {
  CHECK_EQ(attempt.recipients.size(), attempt.results.size());
  for (agent::RecipientResult& result : attempt.results) result = {};
  if (!usable() || Refuses(attempt)) co_return;
  // A peer that refuses what it offered is asked again in a plainer form, at most twice:
  // parameters, then chunks.
  for (int round = 0; round < 3; ++round) {
    if (round > 0 && !Planted(Canary::kNoRewind)) attempt.content->Rewind();
    const Round next = co_await Transact(attempt);
    // Replies to nothing that we asked: from here on none can be told from its neighbour.
    if (lines_.input_waits(stream_)) usable_ = false;
    if (next == Round::kOver || !usable_) break;
  }
  ++transactions_;
  metrics_.transactions.Add();
  if (attempt.ambiguous) metrics_.ambiguous.Add();
  // The content is only lent: nothing of it may be on its way when we return.
  if (stream_.output_bytes() > 0 && usable_) {
    if (co_await stream_.Flush(io::Now() + options_.timeouts.data_block) != io::StreamStatus::kOk)
      usable_ = false;
  }
  if (!usable_) co_await stream_.Close(io::Now());
}

ClientSession::Method ClientSession::ChooseMethod(const agent::DeliveryAttempt& attempt) const {
  if (!peer_.chunking || memory_.WithoutChunking(remote_host_)) return Method::kData;
  return peer_.pipelining && attempt.content_bytes <= kEagerContentBytesMax ? Method::kEagerChunk
                                                                            : Method::kChunks;
}

io::Task<ClientSession::Round> ClientSession::Transact(agent::DeliveryAttempt& attempt) {
  Transaction t{.attempt = attempt, .method = ChooseMethod(attempt)};
  accepted_.assign(attempt.recipients.size(), 0);
  const bool whole = co_await SendEnvelope(t);
  if (!whole) {
    // Also where another round was due: a peer that refuses and closes has been asked.
    if (lost_ != io::StreamStatus::kOk || bad_reply_) Lost(t);
    co_return t.again&& usable_ ? Round::kAgain : Round::kOver;
  }
  bool sent = false;
  switch (t.method) {
    case Method::kEagerChunk:
      sent = true;
      break;
    case Method::kChunks:
      sent = t.accepted_count > 0 && co_await SendByChunks(t);
      break;
    case Method::kData:
      sent = co_await SendByData(t);
      break;
  }
  if (sent) co_await ReadEnd(t);
  if (lost_ != io::StreamStatus::kOk || bad_reply_) {
    Lost(t);
  } else if (t.open && usable_) {
    co_await Reset();
  }
  co_return t.again&& usable_ ? Round::kAgain : Round::kOver;
}

void ClientSession::WriteMail(const Transaction& t) {
  const message::EnvelopeView& envelope = t.attempt.envelope;
  fmt::memory_buffer line;
  const auto out = fmt::appender(line);
  fmt::format_to(out, "MAIL FROM:<{}>", envelope.reverse_path());
  const bool binary = envelope.body() == BodyType::kBinaryMime ||
                      (t.attempt.content_flags & storage::kContentBinary);
  if (binary) {
    fmt::format_to(out, " BODY=BINARYMIME");
  } else if (peer_.eight_bit_mime && (t.attempt.content_flags & storage::kContent8Bit)) {
    fmt::format_to(out, " BODY=8BITMIME");
  }
  if (envelope.smtp_utf8()) fmt::format_to(out, " SMTPUTF8");
  if (!plain_parameters_) {
    if (peer_.size) fmt::format_to(out, " SIZE={}", t.attempt.content_bytes);
    if (peer_.dsn && envelope.dsn_return() != DsnReturn::kUnspecified) {
      fmt::format_to(out, " RET={}", envelope.dsn_return() == DsnReturn::kFull ? "FULL" : "HDRS");
    }
    if (peer_.dsn && !envelope.envelope_id().empty())
      fmt::format_to(out, " ENVID={}", envelope.envelope_id());
  }
  fmt::format_to(out, "\r\n");
  stream_.Write({line.data(), line.size()});
}

void ClientSession::WriteRecipient(const Transaction& t, size_t index) {
  const auto recipient = t.attempt.envelope.recipient(t.attempt.recipients[index]);
  stream_.Write("RCPT TO:<");
  stream_.Write(recipient.path);
  stream_.Write(">");
  if (peer_.dsn && !plain_parameters_) {
    if (recipient.notify != 0) {
      stream_.Write(" NOTIFY=");
      stream_.Write(NotifyText(recipient.notify));
    }
    if (!recipient.original_recipient.empty()) {
      stream_.Write(" ORCPT=");
      stream_.Write(recipient.original_recipient);
    }
  }
  stream_.Write("\r\n");
}

// Sends MAIL and RCPTs, and what may go with them, and reads all their replies. False: there is
// nothing more to send.
io::Task<bool> ClientSession::SendEnvelope(Transaction& t) {
  stage_ = Stage::kMail;
  WriteMail(t);
  if (peer_.pipelining) {
    for (size_t i = 0; i < t.attempt.recipients.size(); ++i) WriteRecipient(t, i);
    if (t.method == Method::kData) stream_.Write("DATA\r\n");
    if (t.method == Method::kEagerChunk && !co_await WriteEagerChunk(t)) co_return false;
    co_return co_await ReadEnvelopeReplies(t);
  }
  Reply reply;
  if (!co_await ReadReply(reply, options_.timeouts.command)) co_return false;
  t.answered = true;
  if (!JudgeMail(t, reply)) co_return false;
  stage_ = Stage::kRecipient;
  for (size_t i = 0; i < t.attempt.recipients.size(); ++i) {
    WriteRecipient(t, i);
    if (!co_await ReadReply(reply, options_.timeouts.command)) co_return false;
    JudgeRecipient(t, i, reply);
    if (!usable_) {
      Resolve(t, reply);
      co_return false;
    }
  }
  if (t.accepted_count == 0) {
    co_await Reset();
    co_return false;
  }
  if (t.method == Method::kData) stream_.Write("DATA\r\n");
  co_return true;
}

// The replies to a pipelined envelope, in order. A refused MAIL is still followed by a reply to
// each RCPT (RFC 2920 §3.1).
io::Task<bool> ClientSession::ReadEnvelopeReplies(Transaction& t) {
  Reply reply;
  if (!co_await ReadReply(reply, options_.timeouts.command)) co_return false;
  t.answered = true;
  const bool mail = JudgeMail(t, reply);
  if (reply.code == 421) co_return false;
  stage_ = Stage::kRecipient;
  for (size_t i = 0; i < t.attempt.recipients.size(); ++i) {
    if (!co_await ReadReply(reply, options_.timeouts.command)) co_return false;
    if (mail) JudgeRecipient(t, i, reply);
    if (!usable_) {
      Resolve(t, reply);
      co_return false;
    }
  }
  if (const size_t count = accepted_.size(); Planted(Canary::kSwapNeighbours) && count > 1) {
    std::swap(t.attempt.results[count - 2], t.attempt.results[count - 1]);
    std::swap(accepted_[count - 2], accepted_[count - 1]);
  }
  // With chunks to come nothing else was sent; DATA and an eager chunk have an answer each, read by
  // their own steps.
  co_return t.method != Method::kChunks || t.accepted_count > 0 || t.mail_accepted;
}

// False: no transaction came about.
bool ClientSession::JudgeMail(Transaction& t, const Reply& reply) {
  t.mail_reply = reply;
  if (reply.completed()) {
    t.mail_accepted = t.open = true;
    return true;
  }
  if (RefusedAsSyntax(reply) && !plain_parameters_ && (peer_.size || peer_.dsn)) {
    plain_parameters_ = true;
    t.again = true;
    return false;
  }
  // It was not the parameters: the next message has its own again.
  plain_parameters_ = plain_parameters_ && !RefusedAsSyntax(reply);
  // A kept connection that the peer gives up now (idle too long, enough messages): nothing was
  // tried, as when it closes without a word.
  if (reply.code == 421 && transactions_ > 0) return false;
  Resolve(t, AsRefusal(reply, "MAIL"));
  return false;
}

void ClientSession::JudgeRecipient(Transaction& t, size_t index, const Reply& reply) {
  agent::RecipientResult& result = t.attempt.results[index];
  if (reply.completed()) {
    accepted_[index] = 1;
    ++t.accepted_count;
    return;
  }
  // RFC 5321 §4.5.3.1.10: too many recipients, also when said as 552; the rest go in a transaction
  // of their own.
  // RFC 3463 §3.3: X.2.x speaks of this mailbox (full, say), and of no other.
  if ((reply.code == 452 || reply.code == 552) && reply.status.subject != 2 &&
      t.accepted_count > 0) {
    recipients_max_ = std::max<uint32_t>(1, static_cast<uint32_t>(t.accepted_count));
    return;
  }
  result.outcome = reply.permanent() ? Outcome::kFailed : Outcome::kDeferred;
  result.reply = AsRefusal(reply, "RCPT");
}

// ── content ──

void ClientSession::WriteChunkCommand(uint64_t bytes, Last last) {
  fmt::memory_buffer line;
  fmt::format_to(fmt::appender(line), "BDAT {}{}\r\n", bytes, last == Last::kYes ? " LAST" : "");
  stream_.Write({line.data(), line.size()});
}

io::Task<bool> ClientSession::WriteEagerChunk(Transaction& t) {
  // "BDAT n LAST" and then the content by reference. One piece when it is still in memory, as it
  // nearly always is.
  WriteChunkCommand(t.attempt.content_bytes, Last::kYes);
  for (uint64_t sent = 0; sent < t.attempt.content_bytes;) {
    StatusOr<storage::ContentPiece> piece = co_await t.attempt.content->Next();
    if (!piece.ok()) {
      ContentUnreadable(t, piece.status());
      co_return false;
    }
    sent += piece->bytes.size();
    if (piece->bytes.empty() || sent > t.attempt.content_bytes) {
      ContentUnreadable(t, absl::DataLossError("it is not as long as it was"));
      co_return false;
    }
    stream_.WriteReference(piece->bytes);
    metrics_.bytes.Add(piece->bytes.size());
    // The piece is good only until the next: a whole content is one piece and needs no wait.
    if (piece->bytes.size() == t.attempt.content_bytes) break;
    lost_ = co_await stream_.Flush(io::Now() + options_.timeouts.data_block);
    if (lost_ != io::StreamStatus::kOk) {
      usable_ = false;
      co_return false;
    }
  }
  t.end_sent = true;
  co_return true;
}

io::Task<bool> ClientSession::SendByChunks(Transaction& t) {
  uint64_t left = t.attempt.content_bytes;
  size_t unanswered = 0;
  do {
    stage_ = Stage::kContent;
    StatusOr<storage::ContentPiece> piece = co_await t.attempt.content->Next();
    if (!piece.ok()) {
      ContentUnreadable(t, piece.status());
      co_return false;
    }
    if (piece->bytes.size() > left || (piece->bytes.empty() && left > 0)) {
      ContentUnreadable(t, absl::DataLossError("it is not as long as it was"));
      co_return false;
    }
    left -= piece->bytes.size();
    WriteChunkCommand(piece->bytes.size(), left == 0 ? Last::kYes : Last::kNo);
    stream_.WriteReference(piece->bytes);
    metrics_.bytes.Add(piece->bytes.size());
    t.end_sent = left == 0;
    lost_ = co_await stream_.Flush(io::Now() + options_.timeouts.data_block);
    if (lost_ != io::StreamStatus::kOk) {
      usable_ = false;
      co_return false;
    }
    ++unanswered;
    // One chunk is on its way while the one before is answered; without PIPELINING each is answered
    // first. The answer to the last is ReadEnd's.
    const size_t allowed = left == 0 || peer_.pipelining ? 1 : 0;
    if (unanswered > allowed && !co_await ReadChunkReplies(t, unanswered, allowed)) co_return false;
  } while (left > 0);
  co_return true;
}

// Reads answers to BDAT until `allowed` are left. False: the transaction has failed, or the
// connection.
io::Task<bool> ClientSession::ReadChunkReplies(Transaction& t, size_t& unanswered, size_t allowed) {
  Reply reply;
  while (unanswered > allowed) {
    if (!co_await ReadReply(reply, options_.timeouts.data_end)) co_return false;
    --unanswered;
    if (reply.completed()) continue;
    // RFC 3030 §2: the transaction has failed, and this reply says why; chunks still on their way,
    // the last among them, are refused whatever it was (503).
    t.end_sent = false;
    NoteChunkRefusal(reply);
    Resolve(t, AsRefusal(reply, "BDAT"));
    // RFC 2033 §4.3: how many replies the last chunk has now depends on who is asked.
    if (lmtp()) usable_ = false;
    for (; unanswered > 0 && usable_; --unanswered) {
      Reply ignored;
      if (!co_await ReadReply(ignored, options_.timeouts.data_end)) break;
    }
    co_return false;
  }
  co_return true;
}

// A peer that offered CHUNKING and does not know BDAT has read what followed as commands. Never
// again on this host.
void ClientSession::NoteChunkRefusal(const Reply& reply) {
  if (!RefusedAsSyntax(reply) || reply.code == 501) return;
  memory_.ForgetChunking(remote_host_);
  chunking_refused_ = true;
  usable_ = false;
}

// Waits for 354 and sends the content with its transparency dots (RFC 5321 §4.5.2).
io::Task<bool> ClientSession::SendByData(Transaction& t) {
  stage_ = Stage::kData;
  Reply reply;
  if (!co_await ReadReply(reply, options_.timeouts.data_start)) co_return false;
  if (reply.code != 354) {
    if (t.accepted_count > 0) {
      Resolve(t, AsRefusal(reply, "DATA"));
    }
    if (reply.completed()) usable_ = false;
    co_return false;
  }
  if (t.accepted_count == 0) {
    // RFC 2920 §3.1: a server may say 354 though every recipient was refused; it gets an empty
    // message and says 554.
    stream_.Write(".\r\n");
    t.open = false;
    // RFC 2033 §4.2: no recipient, no reply; and no 354 (503), so this peer is not to be trusted.
    if (lmtp()) usable_ = false;
    if (lmtp()) co_return false;
    static_cast<void>(co_await ReadReply(reply, options_.timeouts.data_end));
    co_return false;
  }
  stage_ = Stage::kContent;
  uint64_t left = t.attempt.content_bytes;
  std::string_view last;
  char ending[2] = {'\r', '\n'};
  for (;;) {
    StatusOr<storage::ContentPiece> piece = co_await t.attempt.content->Next();
    if (!piece.ok()) {
      ContentUnreadable(t, piece.status());
      co_return false;
    }
    if (piece->bytes.size() > left || (piece->bytes.empty() && left > 0)) {
      ContentUnreadable(t, absl::DataLossError("it is not as long as it was"));
      co_return false;
    }
    if (piece->bytes.empty()) break;
    left -= piece->bytes.size();
    last = piece->bytes;
    ending[0] = last.size() > 1 ? last[last.size() - 2] : ending[1];
    ending[1] = last.back();
    if (!co_await WriteStuffed(*piece)) co_return false;
    metrics_.bytes.Add(last.size());
    if (last.size() == t.attempt.content_bytes) break;
    lost_ = co_await stream_.Flush(io::Now() + options_.timeouts.data_block);
    if (lost_ != io::StreamStatus::kOk) {
      usable_ = false;
      co_return false;
    }
  }
  // Content that came by BDAT may lack its last line end, and DATA cannot say so.
  if (ending[0] != '\r' || ending[1] != '\n') stream_.Write("\r\n");
  stream_.Write(".\r\n");
  t.end_sent = true;
  co_return true;
}

io::Task<bool> ClientSession::WriteStuffed(const storage::ContentPiece& piece) {
  size_t from = 0;
  for (const uint32_t dot : piece.dot_lines) {
    stream_.WriteReference(piece.bytes.substr(from, dot - from));
    stream_.Write(".");
    from = dot;
    if (stream_.output_bytes() > kOutputBytesMax) {
      lost_ = co_await stream_.Flush(io::Now() + options_.timeouts.data_block);
      if (lost_ != io::StreamStatus::kOk) {
        usable_ = false;
        co_return false;
      }
    }
  }
  stream_.WriteReference(piece.bytes.substr(from));
  co_return true;
}

io::Task<void> ClientSession::ReadEnd(Transaction& t) {
  stage_ = Stage::kEnd;
  if (lmtp() && !t.again && t.accepted_count > 0) {
    co_await ReadEnds(t);
    co_return;
  }
  Reply reply;
  if (!co_await ReadReply(reply, options_.timeouts.data_end)) co_return;
  t.open = false;
  // Also where nobody was accepted: the replies to a content read as commands would be taken for
  // those to the next transaction.
  if (t.method != Method::kData) NoteChunkRefusal(reply);
  if (t.again || t.accepted_count == 0) {
    // An eager chunk whose MAIL or RCPTs were refused: the answer says so once more, and the
    // transaction may still stand.
    t.open = t.mail_accepted;
    co_return;
  }
  Resolve(t, reply.completed() ? reply : AsRefusal(reply, "the end of content"));
  if (!reply.completed()) t.open = true;
}

// RFC 2033 §4.2: a reply for each accepted recipient, in the order of RCPT. Each is one's own.
io::Task<void> ClientSession::ReadEnds(Transaction& t) {
  Reply reply;
  for (size_t i = 0; i < t.attempt.results.size(); ++i) {
    if (!accepted_[i]) continue;
    if (!co_await ReadReply(reply, options_.timeouts.data_end)) co_return;
    t.open = false;
    if (t.method != Method::kData) NoteChunkRefusal(reply);
    if (chunking_refused_) {
      Resolve(t, AsRefusal(reply, "BDAT"));
      co_return;
    }
    ResolveOne(t.attempt.results[i],
               reply.completed() ? reply : AsRefusal(reply, "the end of content"));
    if (!usable_) {
      // 421: the peer closes, and says nothing of the others.
      Resolve(t, AsRefusal(reply, "the end of content"));
      co_return;
    }
  }
}

// Gives every recipient that has no outcome yet the one that `reply` means.
void ClientSession::Resolve(Transaction& t, const Reply& reply) {
  // From DATA on a reply speaks of the accepted recipients; those over the peer's limit stay
  // untried.
  const bool content_stage = stage_ >= Stage::kData && t.accepted_count > 0;
  for (size_t i = 0; i < t.attempt.results.size(); ++i) {
    agent::RecipientResult& result = t.attempt.results[i];
    if (result.outcome != Outcome::kUntried || (content_stage && !accepted_[i])) continue;
    ResolveOne(result, reply);
  }
}

void ClientSession::ResolveOne(agent::RecipientResult& result, const Reply& reply) {
  result.reply = reply;
  if (chunking_refused_) {
    result.outcome = Outcome::kUntried;
  } else if (reply.completed() && stage_ == Stage::kEnd) {
    result.outcome = Outcome::kDelivered;
    metrics_.recipients.Add();
  } else {
    result.outcome = reply.permanent() ? Outcome::kFailed : Outcome::kDeferred;
  }
}

// The connection ended, or the peer stopped making sense, in the middle.
void ClientSession::Lost(Transaction& t) {
  usable_ = false;
  const bool closed_before = !t.answered && transactions_ > 0;
  if ((Planted(Canary::kResumeClosedSession) && closed_before) ||
      (Planted(Canary::kLostAnswerIsDelivered) && t.end_sent && t.accepted_count > 0)) {
    stage_ = Stage::kEnd;
    Resolve(t, {250, {2, 0, 0}, "Ok"});
    return;
  }
  if (closed_before) {
    // A kept connection that the peer had closed meanwhile: nothing was tried. Where the whole
    // content went with the envelope the peer may have it all the same.
    t.attempt.ambiguous = t.end_sent;
    return;
  }
  t.attempt.ambiguous = t.end_sent && (t.accepted_count > 0 || !t.answered);
  Resolve(t, LostReply());
}

Reply ClientSession::LostReply() const {
  static constexpr std::string_view kStages[] = {"the greeting",
                                                 "the reply to EHLO",
                                                 "the reply to MAIL",
                                                 "the reply to RCPT",
                                                 "the reply to DATA",
                                                 "the peer to take the content",
                                                 "the reply to the end of content"};
  const std::string_view stage = kStages[static_cast<size_t>(stage_)];
  if (bad_reply_)
    return Ours(451, {4, 5, 0},
                fmt::format("{} sent what is no SMTP reply, waiting for {}", remote_host_, stage));
  switch (lost_) {
    case io::StreamStatus::kTimedOut:
      return Ours(451, {4, 4, 2},
                  fmt::format("{} timed out while waiting for {}", remote_host_, stage));
    case io::StreamStatus::kCancelled:
      return Ours(451, {4, 3, 2}, fmt::format("we were shut down while waiting for {}", stage));
    default:
      return Ours(451, {4, 4, 2},
                  fmt::format("{} closed the connection while we were waiting for {}", remote_host_,
                              stage));
  }
}

// Our own disk failed us in the middle of a transaction: the peer must not take what it has for the
// whole.
void ClientSession::ContentUnreadable(Transaction& t, const Status& status) {
  usable_ = false;
  t.end_sent = false;
  LogLine(io::ShardLog(), LogLevel::kError, "content-unreadable")
      .Id(t.attempt.id)
      .Field("error", Std(status.message()));
  Resolve(t,
          Ours(451, {4, 3, 0}, fmt::format("content cannot be read: {}", Std(status.message()))));
}

io::Task<void> ClientSession::Reset() {
  stage_ = Stage::kMail;
  Reply reply;
  stream_.Write("RSET\r\n");
  if (Planted(Canary::kUnreadResetReply)) co_return;
  if (!co_await ReadReply(reply, options_.timeouts.command) || !reply.completed()) usable_ = false;
}

io::Task<void> ClientSession::Quit() {
  if (!stream_.open()) co_return;
  const MonotonicTime deadline = io::Now() + options_.timeouts.quit;
  if (usable_) {
    usable_ = false;
    Reply reply;
    stream_.Write("QUIT\r\n");
    static_cast<void>(co_await ReadReply(reply, options_.timeouts.quit));
  }
  co_await stream_.Close(deadline);
}

}  // namespace ringmail::smtp
