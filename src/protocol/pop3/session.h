// One conversation with a client (RFC 1939): reads commands and runs them by the table.
//
// Made by: the service, for a connection that it admits, or for a session that comes from another
//   shard. Ends in: Run's end.
// Order: AUTHORIZATION, on the shard that accepted; with a login the session moves to the shard of
//   the account, where a Session is made anew around the Baggage that came along, and TRANSACTION
//   begins. One that does not get the maildrop is in AUTHORIZATION there, and goes on.
// Promise: nothing is deleted but by QUIT in TRANSACTION (cmd_quit.cc).
// Shard: one, for one Session.
// Limits: while a session waits for a command it is this object with its Baggage, one coroutine
//   frame and the stream; one bit for each message of the maildrop, from the first DELE on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/pop3/capabilities.h"
#include "protocol/pop3/commands.h"
#include "protocol/pop3/limits.h"
#include "protocol/pop3/settings.h"
#include "protocol/pop3/wire.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/codec/digest.h"
#include "ringmail/io/move.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"
#include "ringmail/session/line_reader.h"

namespace ringmail::pop3 {

enum class Ending : uint8_t {
  kNone,
  kQuit,
  kMoved,
  kLost,
  kTimedOut,
  kAbuse,
  kTls,
  kDamage,
  kShutdown
};

// What of a session goes along when it moves.
struct Baggage : io::MovedState {
  session::LineReader lines{kLineBytesMax};
  // Shared, since the port that it came in by is another shard's.
  std::shared_ptr<const Pop3ListenerOptions> listener;
  std::string tls;  // "TLSv1.3 cipher TLS_AES_128_GCM_SHA256"; empty: in the clear
  std::unique_ptr<std::string> timestamp;  // of APOP; null: it is not offered
  // The address in a client certificate that is good. Null: there is none.
  std::unique_ptr<std::string> certificate;
  AccountId account;  // who has logged in, and how the log calls it
  std::string name;
  MonotonicTime began{};
  uint32_t commands = 0, errors = 0, login_failures = 0;
  bool utf8 = false;
};

// What SASL wants to know of the connection, with the octets that it views.
struct Channel {
  std::string exporter, end_point, certificate;
  bool encrypted = false;
  session::SaslChannel view() const {
    return {.encrypted = encrypted,
            .tls_exporter = exporter,
            .tls_server_end_point = end_point,
            .certificate_identity = certificate};
  }
};

class Session : public ListHook<struct SessionTag> {
 public:
  Session(Shared& shared, Settings& settings, std::unique_ptr<Baggage> baggage, io::Stream stream);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  static void* operator new(size_t bytes) { return io::FrameAllocate(bytes); }
  static void operator delete(void* memory, size_t bytes) { io::FrameFree(memory, bytes); }

  // The whole conversation, until the connection is closed or moves. Where the baggage names an
  // account, it has logged in and waits for +OK.
  io::Task<void> Run();
  const IpAddress& client() const { return stream_.peer().ip; }
  agent::AuthClient auth_client() const { return {.address = client(), .service = "pop3"}; }

  // Shutdown has begun: a session that waits for a command ends.
  void Drain();
  // Ends it wherever it is.
  void Cut() { stream_.Cancel(); }

  // --- For the verbs (cmd_*.cc).

  void Ok(std::string_view text);
  void Err(std::string_view text);
  // A line of a reply, or several, with their ends.
  void Write(std::string_view lines) { stream_.Write(lines); }
  // Whether the client has much to read. Then Pace waits for it; false: the session has ended.
  bool output_full() const { return stream_.output_bytes() > kOutputBytesMax; }
  io::Task<bool> Pace();
  void End(Ending ending);

  const Settings& settings() const { return settings_; }
  Shared& shared() { return shared_; }
  Baggage& baggage() { return *baggage_; }
  States state() const { return maildrop_ == nullptr ? kAuthorization : kTransaction; }
  bool secure() const { return !baggage_->tls.empty(); }
  // RFC 2595 §4: where it may not be, whether more came behind the command.
  bool input_waits() const { return baggage_->lines.input_waits(stream_); }

  // AUTHORIZATION.
  Offer MakeOffer() const;
  Channel MakeChannel() const;
  session::SaslMechanismSet Mechanisms(const Channel& channel) const;
  // What USER said, for the PASS that follows; empty: nothing.
  std::string& user() { return user_; }
  io::Task<agent::AuthLine> ReadResponse();
  io::Task<void> StartTls();
  // The answer to PASS, APOP and AUTH.
  io::Task<void> LogIn(agent::AuthStep step);

  // TRANSACTION.
  Maildrop& maildrop() { return *maildrop_; }
  bool deleted(uint32_t place) const { return !deleted_.empty() && deleted_[place]; }
  uint32_t count() const { return maildrop_->count() - deleted_count_; }
  uint64_t bytes() const { return maildrop_->bytes() - deleted_bytes_; }
  // The place that `number` says; nullopt: there is none, and that was said.
  std::optional<uint32_t> Place(std::string_view number);
  void Delete(uint32_t place);
  void Undelete();
  // Those deleted, ascending.
  std::vector<storage::UidRange> DeletedUids() const;
  uint32_t deleted_count() const { return deleted_count_; }
  void CloseMaildrop();
  // RETR; with `body_lines`, TOP.
  io::Task<void> Send(uint32_t place, std::optional<uint32_t> body_lines);

 private:
  // The message that is being sent: what the stream refers to lies in it.
  struct Sending {
    explicit Sending(uint32_t body_lines) : cut(body_lines) {}
    std::unique_ptr<storage::ContentSource> source;
    std::string header;  // the part of it that is in the current piece, with question marks
    MessageCut cut;
    bool top = false, surrogate = false;
  };

  // How a wait for the peer ended; false: the session ends.
  bool Heard(io::StreamStatus status);
  // The command that `line` is; null: none, and that was said.
  const CommandRow* Judge(const session::Line& line, std::string_view& argument);
  void AfterCommand();
  io::Task<void> MoveHome(ShardIndex home);
  io::Task<void> OpenMaildrop();
  io::Task<bool> SendPiece(std::string_view bytes, storage::ContentPiece piece, size_t begin);
  io::Task<std::optional<bool>> HeaderHas8Bit(storage::ContentSource& source);
  io::Task<void> SendPieces(uint32_t place, storage::ContentPiece piece);
  void NoteUnreadable(uint32_t place, const Status& status);
  void SayUnreadable(uint32_t place, const Status& status);
  void LogBegin();
  void LogEnd();

  Shared& shared_;
  Settings& settings_;
  io::Stream stream_;
  std::unique_ptr<Baggage> baggage_;  // null once it has moved
  MaildropLocks::Lock lock_;
  std::unique_ptr<Maildrop> maildrop_;
  std::unique_ptr<Sending> sending_;  // null between messages
  std::vector<bool> deleted_;         // by place; empty: none
  uint64_t deleted_bytes_ = 0;
  uint32_t deleted_count_ = 0, sent_count_ = 0;
  std::string user_;
  Ending ending_ = Ending::kNone;
  bool waits_for_command_ = false;
};

}  // namespace ringmail::pop3
