// TLS over one connection: the record layer between the stream's plaintext and the connection's
// octets.
//
// Made by: the handshake, which owns it until it is over; then the connection does, also where the
//   handshake failed, so that nothing goes on in the clear.
// Memory: BoringSSL's SSL, which gives its own buffers back when they are empty, and this. Input
//   that was decrypted lies in a buffer of the thread's pool until it is consumed; what was written
//   lies here until it is sealed, as few records as possible.
// Order: after a raw wait that ended in kCancelled this may be gone (raw_connection.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/core/raw_connection.h"
#include "io/tls/boring.h"
#include "io/tls/context.h"
#include "io/tls/sign_work.h"
#include "ringmail/io/tls.h"

namespace ringmail::io {

class TlsLayer final : public StreamLayer {
 public:
  TlsLayer(Connection& connection, std::shared_ptr<const TlsContext> context);
  // REQUIRES: the context is a client's. False: the library refused the name or the session.
  bool Prepare(const TlsClientRequest& request);
  ~TlsLayer() override;

  // StreamLayer.
  std::string_view input() const override { return input_; }
  void Consume(size_t count) override;
  void Write(std::string_view bytes) override;
  void WriteReference(std::string_view bytes) override;
  size_t output_bytes() const override;
  int error() const override;
  std::optional<StreamStatus> TryReceive() override;
  Task<void> Receive(MonotonicTime deadline, StreamStatus* status) override;
  std::optional<StreamStatus> TryFlush() override;
  Task<void> Flush(MonotonicTime deadline, StreamStatus* status) override;
  void Seal() override { Seal(SIZE_MAX); }
  void EndOutput() override;
  void Finish() override;
  void Rebind(Connection& connection) override;
  Connection& connection() const { return *connection_; }

  // The handshake.
  enum class Step : uint8_t { kDone, kNeedsInput, kNeedsSignature, kFailed };
  Step Handshake();
  bool server() const { return context().side() == tls::Side::kServer; }
  tls::SignWork& sign_work() { return *sign_work_; }
  // Why Handshake said kFailed.
  std::string TakeProblem();
  void Describe(TlsResult& result);
  // What only the handshake needed is freed.
  void EndHandshake();
  // Nothing is read or written any more.
  void Break(int error);

  // Callbacks of the library.
  bool Show(const tls::Identity& identity);
  // As Show, for who asks whether a name is ours.
  bool Answer(const tls::Identity& identity);
  bool answers_challenge() const { return answers_challenge_; }
  void JudgePeer();
  bool peer_acceptable() const;
  void KeepSession(const SSL_SESSION& session);

  std::string ChannelBinding(TlsBinding binding) const;
  std::vector<std::string> PeerChain() const;
  std::string TakeSession() { return session_ == nullptr ? "" : *std::exchange(session_, nullptr); }

 private:
  // A reference, behind so many octets of our own.
  struct Reference {
    size_t after;
    const char* data;
    size_t bytes;
  };
  // What only a handshake needs.
  struct Verdict {
    TlsPeer peer = TlsPeer::kNone;
    std::string problem;
    TlsTrust trust = TlsTrust::kAnybody;
    std::string server_name;
    bool judged = false;
  };

  const tls::Context& context() const { return *static_cast<const tls::Context*>(context_.get()); }
  size_t unsealed() const { return own_.size() - own_at_ + references_bytes_; }
  void Seal(size_t bytes_max);
  size_t Gather(char* scratch, size_t bytes_max);
  std::string_view FrontPiece() const;
  void DropFront(size_t count);
  void DropOutput();
  void DropInput();
  std::optional<StreamStatus> Pull();

  Connection* connection_;
  std::shared_ptr<const TlsContext> context_;
  bssl::UniquePtr<SSL> ssl_;
  const tls::Identity* shown_ = nullptr;  // a server's; of the context
  std::string_view input_;
  char* buffer_ = nullptr;  // that input_ lies in
  std::string own_;         // written and not sealed
  size_t own_at_ = 0;
  std::vector<Reference> references_;
  size_t references_bytes_ = 0;
  std::unique_ptr<std::string> session_;  // of a client, that wants it
  std::unique_ptr<Verdict> verdict_;
  std::unique_ptr<tls::SignWork> sign_work_;
  int error_ = 0;
  bool keep_session_ = false;
  bool answers_challenge_ = false;
  bool failed_ = false;
  bool ended_ = false;     // close_notify came
  bool finished_ = false;  // ours is written
};

namespace tls {

// By the BIO, which has one anyway: the library's own place for it takes two blocks more.
inline TlsLayer& LayerOf(const SSL& ssl) {
  return *static_cast<TlsLayer*>(BIO_get_data(SSL_get_rbio(&ssl)));
}

}  // namespace tls
}  // namespace ringmail::io
