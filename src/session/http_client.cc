#include "ringmail/session/http_client.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/base/ip_address.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"

namespace ringmail::session {
namespace {

// Addresses of one host that are tried.
constexpr size_t kAddressesMax = 4;

char Small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// RFC 3986 §3.2.2, of what RFC 1123 §2.1 lets a host be called; "_" is in use.
bool HostChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

// RFC 3986 §2, without what §2.2 and §2.3 do not name, and without the fragment's sign.
bool UrlChar(char c) {
  return c > ' ' && c < '\x7F' && std::string_view("\"#<>\\^`{|}").find(c) == std::string_view::npos;
}

bool TakePort(std::string_view text, uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

bool TakeAuthority(std::string_view authority, HttpUrl& url) {
  std::string_view host = authority, port;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return false;
    host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
    const auto address = IpAddress::Parse(host);
    if (!address || address->family != IpAddress::Family::kV6) return false;
  } else {
    const size_t colon = authority.find(':');
    if (colon != std::string_view::npos) {
      host = authority.substr(0, colon);
      port = authority.substr(colon);
    }
  }
  if (!port.empty() && (port.front() != ':' || !TakePort(port.substr(1), url.port))) return false;
  url.host.clear();
  for (char c : host) url.host += Small(c);
  if (authority.starts_with('[')) return true;
  return !url.host.empty() && url.host.front() != '.' && url.host.front() != '-' &&
         std::all_of(url.host.begin(), url.host.end(), HostChar);
}

class Client final : public HttpClient {
 public:
  explicit Client(HttpClientOptions options) : options_(std::move(options)) {}

  io::Task<HttpReply> Call(HttpCall call, MonotonicTime deadline) override;
  void Stop() override {
    stopped_ = true;
    if (kept_ != nullptr) kept_->stream.Cancel();
  }

 private:
  // A connection, and to whom.
  struct Kept {
    Kept(io::Stream from, const HttpUrl& to)
        : stream(std::move(from)), http(stream), url(to) {}
    io::Stream stream;
    HttpClientConnection http;
    HttpUrl url;
    MonotonicTime until{};
  };

  io::Task<HttpReply> Open(const HttpUrl* url, MonotonicTime deadline);
  io::Task<HttpReply> OpenTls(io::Stream stream, const HttpUrl* url, MonotonicTime deadline);
  io::Task<HttpReply> Exchange(const HttpCall* call, MonotonicTime deadline);

  const HttpClientOptions options_;
  std::unique_ptr<Kept> kept_;
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
  const bool reused = kept_ != nullptr && kept_->url.SameOrigin(call.url) && io::Now() < kept_->until;
  if (reused) {
    HttpReply reply = co_await Exchange(&call, deadline);
    // RFC 9112 §9.3.1: it may have been closed since, and the request never read.
    const bool unheard = (reply.status == HttpStatus::kEnd || reply.status == HttpStatus::kFailed) &&
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
  co_return Problem(HttpStatus::kFailed,
                    "no TLS with " + who + ": " +
                        (result.problem.empty() ? std::string(io::ToString(result.outcome))
                                                : result.problem));
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
  }
  co_return reply;
}

}  // namespace

std::optional<HttpUrl> HttpUrl::Parse(std::string_view text) {
  if (text.size() > kHttpUrlBytesMax || !std::all_of(text.begin(), text.end(), UrlChar))
    return std::nullopt;
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return std::nullopt;
  std::string scheme;
  for (char c : text.substr(0, scheme_end)) scheme += Small(c);
  HttpUrl url;
  if (scheme != "http" && scheme != "https") return std::nullopt;
  url.tls = scheme == "https";
  url.port = url.tls ? 443 : 80;
  text.remove_prefix(scheme_end + 3);
  const size_t authority_end = std::min(text.find_first_of("/?"), text.size());
  if (!TakeAuthority(text.substr(0, authority_end), url)) return std::nullopt;
  text.remove_prefix(authority_end);
  url.target = text.starts_with('/') ? std::string(text) : "/" + std::string(text);
  return url;
}

std::string HttpUrl::Authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

std::unique_ptr<HttpClient> HttpClient::Make(HttpClientOptions options) {
  return std::make_unique<Client>(std::move(options));
}

}  // namespace ringmail::session
