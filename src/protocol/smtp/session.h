// One conversation with a client (RFC 5321 §4): reads commands, runs them by the table, receives
// content.
//
// Made by: the service, for a connection that it admits.
// Ends in: Run's end, which also ends the session.
// Shard: one.
// Limits: while a session waits for a command it is this object, one coroutine frame and the
//   stream; a transaction and its content exist only while they are under way.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/smtp/commands.h"
#include "protocol/smtp/settings.h"
#include "protocol/smtp/transaction.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"
#include "ringmail/message/reply.h"
#include "ringmail/session/line_reader.h"
#include "ringmail/session/sasl.h"

namespace ringmail::smtp {

// What AUTH named.
struct AuthBegun {
  session::SaslMechanism mechanism = session::SaslMechanism::kPlain;
  std::optional<codec::Secret> initial_word;  // as it stood behind the name
};

// What a session has of AUTH, on a listener that may offer it.
struct AuthState {
  std::string account;              // "": nobody has authenticated
  std::string exporter, end_point;  // what ties an exchange to TLS (RFC 5056)
  std::string certificate;          // the address in a client certificate that is good
  std::optional<AuthBegun> begun;   // between AUTH and its exchange
};

class Session : public ListHook<struct SessionTag> {
 public:
  Session(Shared& shared, Settings& settings, const SmtpListenerOptions& listener,
          io::Stream stream);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  static void* operator new(size_t bytes) { return io::FrameAllocate(bytes); }
  static void operator delete(void* memory, size_t bytes) { io::FrameFree(memory, bytes); }

  // The whole conversation, until the connection is closed.
  io::Task<void> Run();
  const IpAddress& client() const { return stream_.peer().ip; }

  // Shutdown has begun: a session that waits for a command says 421 and ends.
  void Drain();
  // Ends it wherever it is.
  void Cut() { stream_.Cancel(); }

  // --- For the verbs (cmd_*.cc), which run between two awaits.

  // Writes a whole reply; those that refuse are counted and logged.
  void Reply(std::string_view reply);
  void Reply(const message::Reply& reply);
  // "421 <enhanced> <host> <text>" (RFC 5321 §3.8): the session ends after it.
  void Farewell(std::string_view enhanced, std::string_view text);

  const Settings& settings() const { return settings_; }
  const SmtpListenerOptions& listener() const { return listener_; }
  States state() const { return state_; }
  bool extended() const { return extended_; }
  bool lmtp() const { return listener_.protocol == ListenerProtocol::kLmtp; }
  // Whether TLS protects the session, and whether STARTTLS would begin it.
  bool secure() const { return !tls_.empty(); }
  bool OffersStartTls() const {
    return !secure() && listener_.tls == ListenerTls::kStartTls && settings_.options.tls != nullptr;
  }
  // Whether AUTH may be used, here and now; the mechanisms, as EHLO lists them.
  bool OffersAuth() const;
  // Whether it may be used here at all, perhaps after STARTTLS.
  bool KnowsAuth() const { return auth_ != nullptr; }
  session::SaslMechanismSet Mechanisms() const;
  // For whom the session acts; "": nobody has authenticated.
  std::string_view account() const {
    return auth_ == nullptr ? std::string_view() : auth_->account;
  }
  // AUTH: what kAuth begins.
  void ExpectAuth(AuthBegun begun) { auth_->begun = std::move(begun); }
  // RFC 2920 §3.1: whether the client sent more without waiting for the reply to this command.
  bool input_waits() const { return lines_.input_waits(stream_); }
  // Ends a session that did so where it may not.
  Next RefusePipelined();

  // HELO and EHLO: a new client name, and no transaction.
  void Hello(std::string_view name, bool extended);
  // MAIL. False: the limit on transactions is reached, and the farewell said.
  bool CountTransaction();
  void Begin(std::unique_ptr<Transaction> transaction);
  agent::MailSource Source(bool smtp_utf8) const;
  agent::MailDoor& door() { return shared_.door; }
  // REQUIRES: state() is kEnvelope or kChunks.
  Transaction& transaction() { return *transaction_; }
  // RSET, and whatever else gives the transaction up.
  void EndTransaction(States next);
  // The answer to RCPT. Refused recipients have a limit of their own: a list with dead addresses is
  // no abuse.
  void ReplyToRecipient(const message::Reply& reply);
  // BDAT: what kChunk receives. `refusal`: empty, or what to answer once the octets were thrown
  // away; it never changes.
  void ExpectChunk(uint64_t bytes, bool last, std::string_view refusal);

 private:
  enum class Ending : uint8_t {
    kNone,
    kQuit,
    kLost,
    kTimedOut,
    kAbuse,
    kUnsynchronized,
    kTls,
    kShutdown
  };

  // How the wait for input ended; false: the session ends, and what there is to say was said.
  bool Heard(io::StreamStatus status, std::string_view what);
  Next Dispatch(const session::Line& line);
  Next RunCommand(std::string_view line);
  Next AfterCommand(Next next);
  io::Task<Next> ReceiveContent();
  io::Task<Next> ReceiveChunk();
  io::Task<Next> FinishContent();
  // The reply to the end of content: in LMTP one for each RCPT that was accepted (RFC 2033 §4.2).
  template <typename R>
  void ReplyToContent(const R& reply);
  MonotonicTime ContentDeadline() const;
  io::Task<void> AwaitGreeting();
  io::Task<Next> StartTls();
  io::Task<Next> Authenticate();
  // RCPT: what kAsk begins.
  io::Task<Next> AskForRecipient();
  io::Task<agent::AuthLine> ReadAuthLine();
  session::SaslChannel Channel() const;
  class AuthFrame;
  // What the exchange ended with that is no success and no refusal: the reply says it.
  Next GiveUpAuth(std::string_view reply);
  Next EndAuth(const agent::AuthStep& step);
  // The refusal of a command that is for account holders; "": it may run.
  std::string_view Demand(const CommandRow& row) const;
  void SayStopping();
  void End(Ending ending);
  void CountReply(std::string_view reply);
  void LogBegin();
  void LogAccepted(QueueId id, uint32_t recipients);
  void LogEnd();

  Shared& shared_;
  Settings& settings_;
  const SmtpListenerOptions& listener_;
  io::Stream stream_;
  session::LineReader lines_;
  std::unique_ptr<Transaction> transaction_;
  std::string helo_;
  std::string tls_;                  // "TLSv1.3 cipher TLS_AES_128_GCM_SHA256"; empty: in the clear
  std::unique_ptr<AuthState> auth_;  // null: AUTH is not for this listener
  std::string_view line_;            // the command that runs, for the log; empty otherwise
  const MonotonicTime began_;
  uint64_t chunk_bytes_ = 0;
  MonotonicTime chunk_deadline_{};  // of a chunk that is thrown away
  std::string_view chunk_refusal_;
  uint32_t commands_ = 0, messages_ = 0, transactions_ = 0;
  uint32_t errors_ = 0, refused_recipients_ = 0, idle_commands_ = 0;
  uint32_t accepted_recipients_ =
      0;  // of the transaction, also while what is left of it is refused
  States state_ = kBeforeHello;
  Ending ending_ = Ending::kNone;
  bool extended_ = false;
  bool chunk_last_ = false;
  bool waits_for_command_ = false;
};

}  // namespace ringmail::smtp
