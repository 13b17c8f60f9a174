#include "ringmail/session/http_client.h"

#include <algorithm>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/base/ip_address.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"

namespace ringmail::session {
namespace {

// Addresses of one host that are tried.
constexpr size_t kAddressesMax = 4;

class Client final : public HttpClient {
 public:
  explicit Client(HttpClientOptions options)
      : options_(std::move(options)), idle_(&Client::Drop, this) {}

  io::Task<HttpReply> Call(HttpCall call, MonotonicTime deadline) override;
  void Stop() override {
    stopped_ = true;
    if (kept_ != nullptr) kept_->stream.Cancel();
  }

 private:
  // A connection, and to whom.
  struct Kept {
    Kept(io::Stream from, const HttpUrl& to) : stream(std::move(from)), http(stream), url(to) {}
    io::Stream stream;
    HttpClientConnection http;
    HttpUrl url;
    MonotonicTime until{};
  };

  io::Task<HttpReply> Open(const HttpUrl* url, MonotonicTime deadline);
  io::Task<HttpReply> OpenTls(io::Stream stream, const HttpUrl* url, MonotonicTime deadline);
  io::Task<HttpReply> Exchange(const HttpCall* call, MonotonicTime deadline);

  // Nobody came in time: what the other side has closed meanwhile holds no descriptor.
  static void Drop(void* self) { static_cast<Client*>(self)->kept_.reset(); }

  const HttpClientOptions options_;
  std::unique_ptr<Kept> kept_;
  io::Timer idle_;
  bool stopped_ = false;
};

HttpReply Problem(HttpStatus status, std::string problem) {
  HttpReply reply;
  reply.status = status;
  reply.problem = std::move(problem);
  return reply;
}

std::string Sentence(HttpStatus status, const std::string& who) {
  switch (status) {
    case HttpStatus::kTimedOut:
      return who + " did not answer in time";
    case HttpStatus::kRefused:
      return who + " did not answer by HTTP/1.1";
    case HttpStatus::kCancelled:
      return "the call to " + who + " was stopped";
    case HttpStatus::kOk:
      return {};
    case HttpStatus::kEnd:
    case HttpStatus::kFailed:
      break;
  }
  return who + " closed the connection before the whole answer had come";
}

io::Task<HttpReply> Client::Call(HttpCall call, MonotonicTime deadline) {
  if (stopped_) co_return Problem(HttpStatus::kCancelled, "stopped");
  idle_.Disarm();
  const bool reused =
      kept_ != nullptr && kept_->url.SameOrigin(call.url) && io::Now() < kept_->until;
  if (reused) {
    HttpReply reply = co_await Exchange(&call, deadline);
    // RFC 9112 §9.3.1: it may have been closed since, and the request never read.
    const bool unheard =
        (reply.status == HttpStatus::kEnd || reply.status == HttpStatus::kFailed) &&
        reply.head.code == 0;
    if (!unheard || !call.repeatable || stopped_) co_return reply;
  }
  kept_.reset();
  HttpReply opened = co_await Open(&call.url, deadline);
  if (!opened.ok()) co_return opened;
  co_return co_await Exchange(&call, deadline);
}

io::Task<HttpReply> Client::Open(const HttpUrl* url, MonotonicTime deadline) {
  const std::string who = url->Authority();
  if (url->tls && options_.tls == nullptr)
    co_return Problem(HttpStatus::kFailed, who + " asks for TLS, and nobody vouches for servers");
  std::vector<IpAddress> addresses;
  if (const auto literal = IpAddress::Parse(url->host)) {
    addresses.push_back(*literal);
  } else {
    StatusOr<std::vector<IpAddress>> found = co_await io::ResolveHost(
        url->host, std::min(deadline, io::Now() + options_.connect_timeout));
    if (!found.ok()) {
      co_return Problem(HttpStatus::kFailed, url->host + " was not found: " +
                                                 std::string(Std(found.status().message())));
    }
    addresses = *std::move(found);
  }
  if (addresses.size() > kAddressesMax) addresses.resize(kAddressesMax);
  for (const IpAddress& address : addresses) {
    if (stopped_) break;
    const MonotonicTime until = std::min(deadline, io::Now() + options_.connect_timeout);
    io::ConnectResult connected =
        co_await io::Connect({.ip = address, .port = url->port, .unix_path = {}}, {}, until);
    if (connected.status != io::StreamStatus::kOk) continue;
    co_return co_await OpenTls(std::move(connected.stream), url, deadline);
  }
  if (stopped_) co_return Problem(HttpStatus::kCancelled, Sentence(HttpStatus::kCancelled, who));
  co_return Problem(HttpStatus::kFailed, "no connection to " + who);
}

io::Task<HttpReply> Client::OpenTls(io::Stream stream, const HttpUrl* url, MonotonicTime deadline) {
  // Kept from here on, so that Stop finds it.
  kept_ = std::make_unique<Kept>(std::move(stream), *url);
  HttpReply done;
  done.status = HttpStatus::kOk;
  if (!url->tls) co_return done;
  const io::TlsResult result = co_await kept_->stream.StartTlsClient(
      options_.tls, {.server_name = url->host, .trust = io::TlsTrust::kVerified, .session = {}},
      deadline);
  if (result.ok()) co_return done;
  kept_.reset();
  const std::string who = url->Authority();
  if (result.outcome == io::TlsOutcome::kTimedOut)
    co_return Problem(HttpStatus::kTimedOut, Sentence(HttpStatus::kTimedOut, who));
  if (result.outcome == io::TlsOutcome::kCancelled)
    co_return Problem(HttpStatus::kCancelled, Sentence(HttpStatus::kCancelled, who));
  co_return Problem(
      HttpStatus::kFailed,
      "no TLS with " + who + ": " +
          (result.problem.empty() ? std::string(io::ToString(result.outcome)) : result.problem));
}

io::Task<HttpReply> Client::Exchange(const HttpCall* call, MonotonicTime deadline) {
  CHECK(kept_ != nullptr);
  HttpClientConnection& http = kept_->http;
  std::vector<HttpField> fields = call->fields;
  fields.push_back({"User-Agent", options_.user_agent});
  const std::string who = call->url.Authority();
  http.WriteRequest(call->method, call->url.target, who, call->content_type, call->body, fields);
  HttpReply reply;
  reply.status = co_await http.ReadResponse(reply.head, deadline);
  while (reply.ok()) {
    std::string piece;
    reply.status = co_await http.ReadBody(piece, deadline);
    if (!reply.ok() || piece.empty()) break;
    if (reply.body.size() + piece.size() > options_.body_bytes_max) {
      kept_.reset();
      co_return Problem(HttpStatus::kRefused, "the answer of " + who + " is too long");
    }
    reply.body += piece;
  }
  reply.problem = Sentence(reply.status, who);
  if (!reply.ok() || !http.keep_alive()) {
    kept_.reset();
  } else {
    kept_->until = io::Now() + options_.idle_timeout;
    idle_.Arm(kept_->until);
  }
  co_return reply;
}

}  // namespace

std::unique_ptr<HttpClient> HttpClient::Make(HttpClientOptions options) {
  return std::make_unique<Client>(std::move(options));
}

}  // namespace ringmail::session
