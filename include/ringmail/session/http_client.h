// Calls to other hosts by HTTP/1.1 (RFC 9110, RFC 9112), in TLS or in the clear: one request, one
// answer, held whole. For authorities, token servers and whoever else is asked rarely and answers
// shortly.
//
// Made by: whoever calls, for one purpose. Order: Call, one at a time; Stop from another task ends
//   it; destruction when no call is under way.
// Promise: an answer that is not whole is none. Redirections are answers, and not followed: what
//   was meant for one host is not told to another. A connection that the other side keeps open
//   serves the next call to the same origin; a request is sent a second time only where it is
//   `repeatable`.
// Shard: one.
// Limits: HttpClientOptions; kHttpUrlBytesMax.
// Errors: HttpReply::status, with `problem` as a sentence for the log.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/time.h"
#include "ringmail/io/task.h"
#include "ringmail/io/tls.h"
#include "ringmail/session/http.h"

namespace ringmail::session {

inline constexpr size_t kHttpUrlBytesMax = 2048;

// "https://host:port/target" (RFC 3986, RFC 9110 §4.2): no user, no fragment.
struct HttpUrl {
  bool tls = true;
  std::string host;  // in small letters; an IPv6 address without its brackets
  uint16_t port = 443;
  std::string target = "/";

  static std::optional<HttpUrl> Parse(std::string_view text);
  // What the Host field says (RFC 9110 §7.2): the port where it is not the scheme's.
  std::string Authority() const;
  bool SameOrigin(const HttpUrl& other) const {
    return tls == other.tls && host == other.host && port == other.port;
  }
};

struct HttpCall {
  std::string method = "GET";
  HttpUrl url;
  std::vector<HttpField> fields;  // beside Host, Content-Type and Content-Length
  std::string content_type;
  std::string body;
  // The other side may get it twice: RFC 9110 §9.2.2, or because its own rules see to it.
  bool repeatable = false;
};

struct HttpReply {
  HttpStatus status = HttpStatus::kFailed;
  HttpResponse head;
  std::string body;
  std::string problem;  // "" where status is kOk
  bool ok() const { return status == HttpStatus::kOk; }
};

struct HttpClientOptions {
  std::shared_ptr<const io::TlsContext> tls;  // null: no call in TLS
  std::string user_agent = "ringmail";        // RFC 9110 §10.1.5
  size_t body_bytes_max = 1u << 20;           // of an answer
  std::chrono::seconds connect_timeout{10};   // to one address, and to look its name up
  std::chrono::seconds idle_timeout{15};      // a connection is kept so long for the next call
};

class HttpClient {
 public:
  static std::unique_ptr<HttpClient> Make(HttpClientOptions options);
  virtual ~HttpClient() = default;
  // REQUIRES: no call is under way.
  virtual io::Task<HttpReply> Call(HttpCall call, MonotonicTime deadline) = 0;
  // Ends the call under way, and every later one, with kCancelled. A name that is being looked up
  // or a connection that is being made ends at its own time-out.
  virtual void Stop() = 0;
};

}  // namespace ringmail::session
