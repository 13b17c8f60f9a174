// HTTP/1.1 messages over a stream (RFC 9112), both sides: what the control interface speaks.
//
// Made by: a session around its stream, which outlives it. Order, server: ReadRequest, then one
//   answer (Respond, or BeginChunked, SendChunk..., EndChunked), and again while keep_alive().
//   Client: WriteRequest, ReadResponse, and ReadBody until it is empty.
// Promise: one byte string means one message: only CRLF ends a line; a message whose length is told
//   twice, or in two ways, is refused (RFC 9112 §6.3).
// Shard: the stream's.
// Limits: HttpLimits. Request bodies are held whole, unless ReadRequestHead leaves them; response
//   bodies are streamed.
// Errors: HttpStatus; kRefused carries the status code to answer with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/time.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"
#include "ringmail/session/line_reader.h"

namespace ringmail::session {

struct HttpLimits {
  size_t line_bytes_max = 8192;       // RFC 9112 §3 asks for 8000 octets of request line at least
  size_t head_bytes_max = 32u << 10;  // all lines of the head together; beyond: 431
  size_t fields_max = 100;
  size_t body_bytes_max = 1u << 20;  // of a request; beyond: 413
};

enum class HttpStatus : uint8_t {
  kOk,
  kEnd,  // the peer closed between two messages
  kTimedOut,
  kCancelled,
  kFailed,   // reset, or closed within a message
  kRefused,  // not HTTP as we take it
};

struct HttpField {
  std::string name;   // in small letters
  std::string value;  // without the white space around it
};

struct HttpRequest {
  std::string method;
  std::string target;  // as it came: origin form, not decoded
  std::vector<HttpField> fields;
  std::string body;
  uint16_t refusal = 0;  // of kRefused: 400, 413, 431, 501 or 505

  // The value of the first field of this name (in small letters); null: none.
  const std::string* Find(std::string_view name) const;
};

struct HttpResponse {
  uint16_t code = 0;
  std::vector<HttpField> fields;
  const std::string* Find(std::string_view name) const;
};

// "OK" for 200; "" for a code without a name here.
std::string_view HttpReason(uint16_t code);

class HttpServerConnection {
 public:
  explicit HttpServerConnection(io::Stream& stream, const HttpLimits& limits = {});

  // REQUIRES: the last request was answered. `request` lives in the caller until this has returned.
  io::Task<HttpStatus> ReadRequest(HttpRequest& request, MonotonicTime deadline);
  // As ReadRequest, but leaves the body, which then has no limit: ReadBody gives it in pieces,
  // empty at its end. REQUIRES: it was read to its end before the next request, or keep-alive
  // forbidden.
  io::Task<HttpStatus> ReadRequestHead(HttpRequest& request, MonotonicTime deadline);
  io::Task<HttpStatus> ReadBody(std::string& piece, MonotonicTime deadline);
  // Of the body that ReadBody has not given yet.
  uint64_t body_left() const { return body_left_; }
  // Whether another request may follow the answer to the last.
  bool keep_alive() const { return keep_alive_; }
  // After this answer the connection ends: shutdown, or a request that was refused.
  void ForbidKeepAlive() { keep_alive_ = false; }

  // A whole answer; it goes out with the next wait.
  void Respond(uint16_t code, std::string_view content_type, std::string_view body);
  // An answer of unknown length. A client of HTTP/1.0 gets it without chunks, ended by the
  // connection's end.
  void BeginChunked(uint16_t code, std::string_view content_type);
  // Sends `piece` and waits until it is taken. Not kOk: the client is gone, the rest need not be
  // made.
  io::Task<io::StreamStatus> SendChunk(std::string_view piece, MonotonicTime deadline);
  void EndChunked();

 private:
  void WriteHead(uint16_t code, std::string_view content_type);
  void Continue();

  io::Stream& stream_;
  const HttpLimits limits_;
  LineReader lines_;
  uint64_t body_left_ = 0;
  bool expects_continue_ = false;
  bool keep_alive_ = true;
  bool chunks_ = true;      // the client knows them
  bool head_only_ = false;  // HEAD
};

class HttpClientConnection {
 public:
  explicit HttpClientConnection(io::Stream& stream, const HttpLimits& limits = {});

  // REQUIRES: `method`, `target`, `host` and `content_type` hold no space and no control, and
  // `fields` (in their own letters) are what RFC 9110 §5 lets them be.
  void WriteRequest(std::string_view method, std::string_view target, std::string_view host,
                    std::string_view content_type = {}, std::string_view body = {},
                    std::span<const HttpField> fields = {});
  // The head of the answer; those of 1xx are passed over.
  io::Task<HttpStatus> ReadResponse(HttpResponse& response, MonotonicTime deadline);
  // The next piece of the body, never empty but at its end.
  io::Task<HttpStatus> ReadBody(std::string& piece, MonotonicTime deadline);
  // Whether another request may follow once the body was read.
  bool keep_alive() const { return keep_alive_; }

 private:
  enum class Framing : uint8_t { kNone, kLength, kChunks, kUntilEnd };
  bool Frame(const HttpResponse& response);
  io::Task<HttpStatus> NextChunk(MonotonicTime deadline);

  io::Stream& stream_;
  const HttpLimits limits_;
  LineReader lines_;
  Framing framing_ = Framing::kNone;
  uint64_t left_ = 0;  // octets of the body, or of its chunk
  bool in_chunk_ = false;
  bool head_only_ = false;
  bool keep_alive_ = true;
};

// The target's parts: "/v1/queue?a=b" → path "/v1/queue", query "a=b". Pure.
struct HttpTarget {
  std::string_view path, query;
};
HttpTarget SplitTarget(std::string_view target);
// The value of `key` in a query, %XX decoded and + as a space; false: not there, or malformed.
bool QueryValue(std::string_view query, std::string_view key, std::string& value);

}  // namespace ringmail::session
