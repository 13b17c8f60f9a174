// The part of a session that receives content: after DATA (RFC 5321 §4.1.1.4) and after BDAT (RFC
// 3030 §2).

#include <algorithm>

#include "protocol/smtp/limits.h"
#include "protocol/smtp/replies.h"
#include "protocol/smtp/session.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"

namespace ringmail::smtp {

io::Task<Next> Session::ReceiveContent() {
  Transaction& transaction = *transaction_;
  lines_.Release(stream_);
  transaction.BeginContent(io::Now());
  stream_.Write(kSendContent);
  bool ended = false;
  while (true) {
    while (!ended && !stream_.input().empty()) {
      const size_t used = transaction.TakeData(stream_.input(), shared_.step, ended);
      stream_.Consume(used);
      if (transaction.mail().needs_drain())
        transaction.Drained(co_await transaction.mail().Drain());
    }
    if (ended) break;
    if (transaction.discarded_bytes() > kDiscardedBytesMax) {
      Reply(kTooLarge);
      End(Ending::kAbuse);
      co_return Next::kClose;
    }
    if (!Heard(co_await stream_.Receive(ContentDeadline()), "content")) {
      if (Planted(Canary::kCommitHalfContent)) break;
      co_return Next::kClose;
    }
  }
  co_return co_await FinishContent();
}

template <typename R>
void Session::ReplyToContent(const R& reply) {
  const uint32_t count = lmtp() ? std::max(1u, accepted_recipients_) : 1u;
  Reply(reply);
  // One refusal, however often it is said.
  const uint32_t errors = errors_;
  for (uint32_t i = 1; i < count; ++i) Reply(reply);
  errors_ = errors;
}

// All of the content is here: one reply says what became of it, and the transaction is over either
// way.
io::Task<Next> Session::FinishContent() {
  Transaction& transaction = *transaction_;
  const std::string_view refusal = transaction.Judge();
  if (!refusal.empty()) {
    ReplyToContent(refusal);
    shared_.metrics.messages_refused.Add();
  } else {
    const uint32_t recipients = transaction.mail().recipient_count();
    const message::Reply reply = co_await transaction.mail().Commit();
    if (reply.completed()) {
      // RFC 5321 §4.2.5: from here on the message is ours.
      LogAccepted(transaction.mail().id(), recipients);
      shared_.metrics.messages_accepted.Add();
      shared_.metrics.message_bytes.Observe(transaction.content_bytes());
      ++messages_;
      errors_ = refused_recipients_ = 0;
    } else {
      shared_.metrics.messages_refused.Add();
    }
    ReplyToContent(reply);
  }
  idle_commands_ = 0;
  EndTransaction(kReady);
  co_return Next::kCommand;
}

io::Task<Next> Session::ReceiveChunk() {
  lines_.Release(stream_);
  while (chunk_bytes_ > 0) {
    if (stream_.input().empty()) {
      if (!Heard(co_await stream_.Receive(ContentDeadline()), "content")) co_return Next::kClose;
    }
    std::string_view piece = stream_.input();
    piece = piece.substr(0, static_cast<size_t>(std::min<uint64_t>(piece.size(), chunk_bytes_)));
    if (chunk_refusal_.empty()) {
      piece = piece.substr(0, transaction_->TakeChunk(piece, shared_.step));
    }
    stream_.Consume(piece.size());
    chunk_bytes_ -= piece.size();
    if (!chunk_refusal_.empty()) continue;
    if (transaction_->mail().needs_drain())
      transaction_->Drained(co_await transaction_->mail().Drain());
  }
  if (!chunk_refusal_.empty()) {
    // RFC 2033 §4.3: the last chunk has a reply for each recipient, whatever was said before.
    if (chunk_last_) {
      ReplyToContent(chunk_refusal_);
    } else {
      Reply(chunk_refusal_);
    }
    chunk_refusal_ = {};
    co_return AfterCommand(Next::kCommand);
  }
  // RFC 3030 §2: each chunk has its reply; a refusal need not wait for the last.
  if (const std::string_view refusal = transaction_->Refusal(); !refusal.empty()) {
    if (chunk_last_) {
      ReplyToContent(refusal);
    } else {
      Reply(refusal);
    }
    shared_.metrics.messages_refused.Add();
    EndTransaction(kFailed);
    co_return AfterCommand(Next::kCommand);
  }
  if (chunk_last_) {
    co_return co_await FinishContent();
  }
  Reply(kOk);
  co_return AfterCommand(Next::kCommand);
}

}  // namespace ringmail::smtp
