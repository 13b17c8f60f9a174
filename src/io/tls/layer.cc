#include "io/tls/layer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "ringmail/base/check.h"

namespace ringmail::io {
namespace {

// The plaintext of one record (RFC 8446 §5.1).
constexpr size_t kPlainBytes = 16u << 10;

// Buffers for plaintext, of one thread: as many as it ever used at once, up to kKeptMax.
class PlainBuffers {
 public:
  PlainBuffers() = default;
  PlainBuffers(const PlainBuffers&) = delete;
  PlainBuffers& operator=(const PlainBuffers&) = delete;
  ~PlainBuffers() {
    for (char* one : free_) std::free(one);
  }
  char* Take() {
    if (!free_.empty()) {
      char* buffer = free_.back();
      free_.pop_back();
      return buffer;
    }
    auto* buffer = static_cast<char*>(std::malloc(kPlainBytes));
    CHECK(buffer != nullptr);
    return buffer;
  }
  void Give(char* buffer) {
    if (free_.size() < kKeptMax) {
      free_.push_back(buffer);
    } else {
      std::free(buffer);
    }
  }

 private:
  static constexpr size_t kKeptMax = 32;
  std::vector<char*> free_;
};
thread_local PlainBuffers plain_buffers;

// The connection as the library's source and sink: no buffer of its own.
int ReadConnection(BIO* bio, char* out, int bytes) {
  Connection& connection = static_cast<TlsLayer*>(BIO_get_data(bio))->connection();
  BIO_clear_retry_flags(bio);
  const std::string_view input = RawInput(connection);
  if (input.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t count = std::min(static_cast<size_t>(bytes), input.size());
  std::memcpy(out, input.data(), count);
  RawConsume(connection, count);
  return static_cast<int>(count);
}

int WriteConnection(BIO* bio, const char* in, int bytes) {
  BIO_clear_retry_flags(bio);
  Connection& connection = static_cast<TlsLayer*>(BIO_get_data(bio))->connection();
  RawWrite(connection, {in, static_cast<size_t>(bytes)});
  return bytes;
}

long ControlConnection(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* ConnectionMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
    CHECK(made != nullptr);
    BIO_meth_set_read(made, ReadConnection);
    BIO_meth_set_write(made, WriteConnection);
    BIO_meth_set_ctrl(made, ControlConnection);
    return made;
  }();
  return method;
}

}  // namespace

TlsLayer::TlsLayer(Connection& connection, std::shared_ptr<const TlsContext> context)
    : connection_(&connection),
      context_(std::move(context)),
      verdict_(std::make_unique<Verdict>()),
      sign_work_(std::make_unique<tls::SignWork>()) {
  ssl_.reset(SSL_new(this->context().ssl_ctx()));
  BIO* bio = BIO_new(ConnectionMethod());
  CHECK(ssl_ != nullptr && bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_shed_handshake_config(ssl_.get(), 1);
  server() ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
}

TlsLayer::~TlsLayer() { DropInput(); }

// --- Input

void TlsLayer::DropInput() {
  input_ = {};
  if (buffer_ != nullptr) plain_buffers.Give(std::exchange(buffer_, nullptr));
}

void TlsLayer::Consume(size_t count) {
  CHECK_LE(count, input_.size());
  input_.remove_prefix(count);
  if (input_.empty()) DropInput();
}

// The next plaintext, or why there is none; nullopt: more must arrive. All of the connection's
// input was read then.
std::optional<StreamStatus> TlsLayer::Pull() {
  if (failed_) return StreamStatus::kFailed;
  if (ended_) return StreamStatus::kEnd;
  CHECK(buffer_ == nullptr);
  char* const buffer = plain_buffers.Take();
  ERR_clear_error();
  const int count = SSL_read(ssl_.get(), buffer, static_cast<int>(kPlainBytes));
  if (count > 0) {
    buffer_ = buffer;
    input_ = {buffer, static_cast<size_t>(count)};
    return StreamStatus::kOk;
  }
  plain_buffers.Give(buffer);
  switch (SSL_get_error(ssl_.get(), count)) {
    case SSL_ERROR_WANT_READ:
      return std::nullopt;
    case SSL_ERROR_ZERO_RETURN:
      ended_ = true;
      return StreamStatus::kEnd;
    default:
      // Renegotiation too: the library has answered with an alert.
      Break(kTlsBroken);
      return StreamStatus::kFailed;
  }
}

std::optional<StreamStatus> TlsLayer::TryReceive() {
  CHECK(input_.empty());
  if (RawCancelled(*connection_)) return StreamStatus::kCancelled;
  Seal(SIZE_MAX);
  const std::optional<StreamStatus> status = Pull();
  // Otherwise the wait sends.
  if (status) RawSendSoon(*connection_);
  return status;
}

Task<void> TlsLayer::Receive(MonotonicTime deadline, StreamStatus* status) {
  for (;;) {
    *status = co_await RawReceiveOp(*connection_, deadline);
    switch (*status) {
      case StreamStatus::kCancelled:
      case StreamStatus::kTimedOut:
        co_return;
      case StreamStatus::kFailed:
        Break(0);
        co_return;
      case StreamStatus::kEnd:
        // RFC 8446 §6.1: an end without close_notify may be an attacker's.
        Break(kTlsTruncated);
        *status = StreamStatus::kFailed;
        co_return;
      case StreamStatus::kOk:
        break;
    }
    if (const std::optional<StreamStatus> pulled = Pull(); pulled) {
      *status = *pulled;
      RawSendSoon(*connection_);
      co_return;
    }
  }
}

// --- Output

void TlsLayer::Write(std::string_view bytes) {
  if (!failed_ && !finished_) own_.append(bytes);
}

void TlsLayer::WriteReference(std::string_view bytes) {
  if (failed_ || finished_ || bytes.empty()) return;
  references_.push_back({own_.size(), bytes.data(), bytes.size()});
  references_bytes_ += bytes.size();
}

size_t TlsLayer::output_bytes() const { return unsealed() + RawOutputBytes(*connection_); }

int TlsLayer::error() const { return error_ != 0 ? error_ : RawError(*connection_); }

void TlsLayer::DropOutput() {
  // Freed, not kept: most connections are idle most of the time.
  own_ = std::string();
  references_ = std::vector<Reference>();
  own_at_ = references_bytes_ = 0;
}

// The first octets that lie together.
std::string_view TlsLayer::FrontPiece() const {
  if (references_.empty()) return std::string_view(own_).substr(own_at_);
  const Reference& first = references_.front();
  if (first.after > own_at_) return std::string_view(own_).substr(own_at_, first.after - own_at_);
  return {first.data, first.bytes};
}

void TlsLayer::DropFront(size_t count) {
  if (references_.empty() || references_.front().after > own_at_) {
    own_at_ += count;
    return;
  }
  Reference& first = references_.front();
  first.data += count;
  first.bytes -= count;
  references_bytes_ -= count;
  if (first.bytes == 0) references_.erase(references_.begin());
}

// Puts what lies apart together, so that it becomes one record.
size_t TlsLayer::Gather(char* scratch, size_t bytes_max) {
  size_t bytes = 0;
  while (bytes < bytes_max && unsealed() > 0) {
    const std::string_view piece = FrontPiece().substr(0, bytes_max - bytes);
    std::memcpy(scratch + bytes, piece.data(), piece.size());
    bytes += piece.size();
    DropFront(piece.size());
  }
  return bytes;
}

void TlsLayer::Seal(size_t bytes_max) {
  size_t sealed = 0;
  while (unsealed() > 0 && sealed < bytes_max && !failed_) {
    std::string_view piece = FrontPiece().substr(0, kPlainBytes);
    char scratch[kPlainBytes];
    const bool whole = piece.size() == kPlainBytes || piece.size() == unsealed();
    if (!whole) piece = {scratch, Gather(scratch, kPlainBytes)};
    ERR_clear_error();
    const int written = SSL_write(ssl_.get(), piece.data(), static_cast<int>(piece.size()));
    // The connection takes everything, so that only a broken session refuses.
    if (written != static_cast<int>(piece.size())) return Break(kTlsBroken);
    if (whole) DropFront(piece.size());
    sealed += piece.size();
  }
  if (unsealed() == 0) DropOutput();
}

std::optional<StreamStatus> TlsLayer::TryFlush() {
  if (RawCancelled(*connection_)) return StreamStatus::kCancelled;
  if (failed_ && RawOutputBytes(*connection_) == 0) return StreamStatus::kFailed;
  Seal(kTlsSealAheadBytesMax);
  if (unsealed() == 0 && RawOutputBytes(*connection_) == 0) {
    return failed_ ? StreamStatus::kFailed : StreamStatus::kOk;
  }
  return std::nullopt;
}

Task<void> TlsLayer::Flush(MonotonicTime deadline, StreamStatus* status) {
  for (;;) {
    *status = co_await RawFlushOp(*connection_, deadline);
    if (*status == StreamStatus::kCancelled || *status == StreamStatus::kTimedOut) co_return;
    if (*status != StreamStatus::kOk) {
      Break(0);
      co_return;
    }
    if (unsealed() == 0) break;
    Seal(kTlsSealAheadBytesMax);
  }
  if (failed_) *status = StreamStatus::kFailed;
}

// RFC 8446 §6.1: close_notify says that nothing is missing, which must then be so; what the peer
// says goes on.
void TlsLayer::EndOutput() {
  Seal(SIZE_MAX);
  if (failed_ || finished_ || unsealed() > 0) return;
  finished_ = true;
  // A second call would read.
  (void)SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void TlsLayer::Finish() {
  DropInput();
  if (unsealed() == 0) EndOutput();
  DropOutput();
}

void TlsLayer::Rebind(Connection& connection) { connection_ = &connection; }

void TlsLayer::Break(int error) {
  if (failed_) return;
  failed_ = true;
  error_ = error;
  DropOutput();
  ERR_clear_error();
}

}  // namespace ringmail::io
