#include "ringmail/session/http.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "ringmail/base/check.h"

namespace ringmail::session {
namespace {

// Hexadecimal digits of a chunk's size: 64 bits.
constexpr size_t kChunkLineDigitsMax = 16;

// RFC 9110 §5.6.2.
bool TokenChar(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool Token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), TokenChar);
}
// RFC 9110 §5.5: what a field's value may hold.
bool FieldChar(char c) { return c == '\t' || (static_cast<uint8_t>(c) >= ' ' && c != '\x7F'); }
// RFC 9112 §3.2: no white space, no control; not checked further.
bool TargetChar(char c) { return c > ' ' && c < '\x7F'; }

char Small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
std::string Small(std::string_view text) {
  std::string small(text);
  for (char& c : small) c = Small(c);
  return small;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool Number(std::string_view text, int base, uint64_t& value) {
  if (text.empty()) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size();
}

const std::string* FindField(const std::vector<HttpField>& fields, std::string_view name) {
  for (const HttpField& field : fields) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}
size_t CountFields(const std::vector<HttpField>& fields, std::string_view name) {
  return static_cast<size_t>(std::count_if(fields.begin(), fields.end(),
                                           [&](const HttpField& f) { return f.name == name; }));
}

// Whether a list such as that of Connection (RFC 9110 §5.6.1) holds `member`, in any letters.
bool ListHolds(const std::string* list, std::string_view member) {
  if (list == nullptr) return false;
  for (std::string_view rest = *list; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    if (Small(Trim(rest.substr(0, comma))) == member) return true;
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return false;
}

// RFC 9112 §5: no space before the colon, no folding.
bool ParseField(std::string_view line, HttpField& field) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !Token(line.substr(0, colon))) return false;
  const std::string_view value = Trim(line.substr(colon + 1));
  if (!std::all_of(value.begin(), value.end(), FieldChar)) return false;
  field.name = Small(line.substr(0, colon));
  field.value = value;
  return true;
}

// RFC 9112 §3. 0, or the refusal.
uint16_t ParseRequestLine(std::string_view line, HttpRequest& request, bool& http_1_0) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return 400;
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!Token(method) || target.empty()) return 400;
  if (!std::all_of(target.begin(), target.end(), TargetChar)) return 400;
  if (version.size() != 8 || !version.starts_with("HTTP/")) return 400;
  http_1_0 = version == "HTTP/1.0";
  if (!http_1_0 && !version.starts_with("HTTP/1.")) return 505;
  if (version[7] < '0' || version[7] > '9') return 400;
  request.method = method;
  request.target = target;
  return 0;
}

// RFC 9112 §4. The reason may be missing; the space before it may not.
bool ParseStatusLine(std::string_view line, HttpResponse& response, bool& http_1_0) {
  if (line.size() < 13 || !line.starts_with("HTTP/1.") || line[8] != ' ' || line[12] != ' ')
    return false;
  uint64_t code = 0;
  if (!Number(line.substr(9, 3), 10, code) || code < 100 || code > 599) return false;
  http_1_0 = line[7] == '0';
  response.code = static_cast<uint16_t>(code);
  return true;
}

HttpStatus FromStream(io::StreamStatus status, bool within) {
  switch (status) {
    case io::StreamStatus::kOk:
      return HttpStatus::kOk;
    case io::StreamStatus::kEnd:
      return within ? HttpStatus::kFailed : HttpStatus::kEnd;
    case io::StreamStatus::kTimedOut:
      return HttpStatus::kTimedOut;
    case io::StreamStatus::kCancelled:
      return HttpStatus::kCancelled;
    case io::StreamStatus::kFailed:
      break;
  }
  return HttpStatus::kFailed;
}

// What is read of a head, and why it was refused.
struct Head {
  std::string first_line;
  std::vector<HttpField> fields;
  uint16_t refusal = 0;
};

// RFC 9112 §2.2: empty lines before a request line are passed over, a few of them.
constexpr int kEmptyLinesMax = 4;

io::Task<HttpStatus> ReadHead(io::Stream& stream, LineReader& lines, const HttpLimits& limits,
                              MonotonicTime deadline, Head& head) {
  size_t bytes = 0;
  int empty_lines = 0;
  bool begun = false;
  for (;;) {
    Line line = lines.TryLine(stream);
    if (line.status == LineStatus::kNeedMore) line = co_await lines.ReadLine(stream, deadline);
    if (line.status == LineStatus::kStream) {
      head.refusal = 0;
      co_return FromStream(line.stream, begun);
    }
    // What the next faults mean; taken back where none comes.
    head.refusal = line.status == LineStatus::kTooLong ? 431 : 400;
    if (line.status != LineStatus::kLine) co_return HttpStatus::kRefused;
    bytes += line.text.size() + 2;
    if (bytes > limits.head_bytes_max || head.fields.size() > limits.fields_max) {
      head.refusal = 431;
      co_return HttpStatus::kRefused;
    }
    if (!begun) {
      if (line.text.empty() && ++empty_lines <= kEmptyLinesMax) continue;
      head.first_line = line.text;
      begun = true;
      continue;
    }
    if (line.text.empty()) break;
    HttpField field;
    if (!ParseField(line.text, field)) co_return HttpStatus::kRefused;
    head.fields.push_back(std::move(field));
  }
  lines.Release(stream);
  head.refusal = 0;
  co_return HttpStatus::kOk;
}

}  // namespace

const std::string* HttpRequest::Find(std::string_view name) const {
  return FindField(fields, name);
}
const std::string* HttpResponse::Find(std::string_view name) const {
  return FindField(fields, name);
}

std::string_view HttpReason(uint16_t code) {
  switch (code) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

// --- Server

HttpServerConnection::HttpServerConnection(io::Stream& stream, const HttpLimits& limits)
    : stream_(stream), limits_(limits), lines_(limits.line_bytes_max) {}

namespace {

// How long the body is, and whether the message is one we take (RFC 9112 §6). 0, or the refusal.
uint16_t JudgeRequest(const HttpRequest& request, bool http_1_0, uint64_t& body_bytes) {
  body_bytes = 0;
  const size_t hosts = CountFields(request.fields, "host");
  // RFC 9112 §3.2.
  if (hosts > 1 || (hosts == 0 && !http_1_0)) return 400;
  const size_t lengths = CountFields(request.fields, "content-length");
  const bool encoded = request.Find("transfer-encoding") != nullptr;
  if (lengths > 1 || (lengths == 1 && encoded)) return 400;
  if (encoded) return 501;
  if (lengths == 0) return 0;
  const std::string& length = *request.Find("content-length");
  if (!std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return 400;
  if (!Number(length, 10, body_bytes)) return length.empty() ? 400 : 413;
  return 0;
}

}  // namespace

io::Task<HttpStatus> HttpServerConnection::ReadRequestHead(HttpRequest& request,
                                                           MonotonicTime deadline) {
  CHECK_EQ(body_left_, 0u);
  request = {};
  head_only_ = false;
  Head head;
  const HttpStatus status = co_await ReadHead(stream_, lines_, limits_, deadline, head);
  if (status != HttpStatus::kOk) {
    keep_alive_ = false;
    request.refusal = head.refusal;
    co_return status;
  }
  bool http_1_0 = false;
  request.refusal = ParseRequestLine(head.first_line, request, http_1_0);
  request.fields = std::move(head.fields);
  chunks_ = !http_1_0;
  uint64_t body_bytes = 0;
  if (request.refusal == 0) request.refusal = JudgeRequest(request, http_1_0, body_bytes);
  if (request.refusal != 0) {
    keep_alive_ = false;
    co_return HttpStatus::kRefused;
  }
  head_only_ = request.method == "HEAD";
  const std::string* connection = request.Find("connection");
  if (ListHolds(connection, "close") || (http_1_0 && !ListHolds(connection, "keep-alive")))
    keep_alive_ = false;
  body_left_ = body_bytes;
  expects_continue_ = !http_1_0 && ListHolds(request.Find("expect"), "100-continue");
  co_return HttpStatus::kOk;
}

// RFC 9110 §10.1.1: the client holds its content back until it hears this.
void HttpServerConnection::Continue() {
  if (expects_continue_) stream_.Write("HTTP/1.1 100 Continue\r\n\r\n");
  expects_continue_ = false;
}

io::Task<HttpStatus> HttpServerConnection::ReadBody(std::string& piece, MonotonicTime deadline) {
  piece.clear();
  if (body_left_ == 0) co_return HttpStatus::kOk;
  Continue();
  if (stream_.input().empty()) {
    const HttpStatus received = FromStream(co_await stream_.Receive(deadline), true);
    if (received != HttpStatus::kOk) {
      keep_alive_ = false;
      body_left_ = 0;
      co_return received;
    }
  }
  const auto count = std::min<uint64_t>(stream_.input().size(), body_left_);
  piece = stream_.input().substr(0, count);
  stream_.Consume(count);
  body_left_ -= count;
  co_return HttpStatus::kOk;
}

io::Task<HttpStatus> HttpServerConnection::ReadRequest(HttpRequest& request,
                                                       MonotonicTime deadline) {
  const HttpStatus status = co_await ReadRequestHead(request, deadline);
  if (status != HttpStatus::kOk) co_return status;
  if (body_left_ > limits_.body_bytes_max) {
    keep_alive_ = false;
    body_left_ = 0;
    request.refusal = 413;
    co_return HttpStatus::kRefused;
  }
  while (body_left_ > 0) {
    std::string piece;
    const HttpStatus received = co_await ReadBody(piece, deadline);
    if (received != HttpStatus::kOk) co_return received;
    request.body += piece;
  }
  co_return HttpStatus::kOk;
}

void HttpServerConnection::WriteHead(uint16_t code, std::string_view content_type) {
  stream_.Write("HTTP/1.1 " + std::to_string(code) + " ");
  stream_.Write(HttpReason(code));
  stream_.Write("\r\n");
  if (!content_type.empty()) {
    stream_.Write("Content-Type: ");
    stream_.Write(content_type);
    stream_.Write("\r\n");
  }
  if (!keep_alive_) stream_.Write("Connection: close\r\n");
}

void HttpServerConnection::Respond(uint16_t code, std::string_view content_type,
                                   std::string_view body) {
  WriteHead(code, content_type);
  // RFC 9110 §8.6: 204 has none.
  if (code != 204) stream_.Write("Content-Length: " + std::to_string(body.size()) + "\r\n");
  stream_.Write("\r\n");
  if (code != 204 && !head_only_) stream_.Write(body);
}

void HttpServerConnection::BeginChunked(uint16_t code, std::string_view content_type) {
  // RFC 9112 §6.1: no transfer coding to HTTP/1.0; the connection's end is the body's.
  if (!chunks_) keep_alive_ = false;
  WriteHead(code, content_type);
  stream_.Write(chunks_ ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
}

io::Task<io::StreamStatus> HttpServerConnection::SendChunk(std::string_view piece,
                                                           MonotonicTime deadline) {
  if (head_only_ || piece.empty()) co_return io::StreamStatus::kOk;
  if (chunks_) {
    char size[kChunkLineDigitsMax + 2];
    const auto [end, error] = std::to_chars(size, size + kChunkLineDigitsMax, piece.size(), 16);
    CHECK(error == std::errc());
    stream_.Write(std::string_view(size, static_cast<size_t>(end - size)));
    stream_.Write("\r\n");
  }
  stream_.Write(piece);
  if (chunks_) stream_.Write("\r\n");
  const io::StreamStatus status = co_await stream_.Flush(deadline);
  if (status != io::StreamStatus::kOk) keep_alive_ = false;
  co_return status;
}

void HttpServerConnection::EndChunked() {
  if (chunks_ && !head_only_) stream_.Write("0\r\n\r\n");
}

// --- Client

HttpClientConnection::HttpClientConnection(io::Stream& stream, const HttpLimits& limits)
    : stream_(stream), limits_(limits), lines_(limits.line_bytes_max) {}

void HttpClientConnection::WriteRequest(std::string_view method, std::string_view target,
                                        std::string_view host, std::string_view content_type,
                                        std::string_view body, std::span<const HttpField> fields) {
  CHECK(Token(method));
  CHECK(!target.empty() && std::all_of(target.begin(), target.end(), TargetChar));
  CHECK(std::all_of(host.begin(), host.end(), TargetChar));
  head_only_ = method == "HEAD";
  std::string head;
  head.append(method)
      .append(" ")
      .append(target)
      .append(" HTTP/1.1\r\nHost: ")
      .append(host)
      .append("\r\n");
  if (!content_type.empty()) head.append("Content-Type: ").append(content_type).append("\r\n");
  if (!body.empty() || method == "POST" || method == "PUT") {
    head.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  }
  for (const HttpField& field : fields) {
    CHECK(Token(field.name) && std::all_of(field.value.begin(), field.value.end(), FieldChar));
    head.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  head.append("\r\n");
  stream_.Write(head);
  stream_.Write(body);
}

// RFC 9112 §6.3, in its order. False: refused.
bool HttpClientConnection::Frame(const HttpResponse& response) {
  left_ = 0;
  in_chunk_ = false;
  framing_ = Framing::kNone;
  if (head_only_ || response.code == 204 || response.code == 304) return true;
  const size_t lengths = CountFields(response.fields, "content-length");
  const std::string* encoding = response.Find("transfer-encoding");
  if (lengths > 1 || (lengths == 1 && encoding != nullptr)) return false;
  if (encoding != nullptr) {
    framing_ = Framing::kChunks;
    return CountFields(response.fields, "transfer-encoding") == 1 && Small(*encoding) == "chunked";
  }
  if (lengths == 1) {
    framing_ = Framing::kLength;
    return Number(*response.Find("content-length"), 10, left_);
  }
  framing_ = Framing::kUntilEnd;
  keep_alive_ = false;
  return true;
}

io::Task<HttpStatus> HttpClientConnection::ReadResponse(HttpResponse& response,
                                                        MonotonicTime deadline) {
  // A peer that sends 1xx without end is cut by the deadline.
  do {
    response = {};
    Head head;
    const HttpStatus status = co_await ReadHead(stream_, lines_, limits_, deadline, head);
    if (status != HttpStatus::kOk) {
      keep_alive_ = false;
      co_return status;
    }
    bool http_1_0 = false;
    response.fields = std::move(head.fields);
    if (!ParseStatusLine(head.first_line, response, http_1_0)) {
      keep_alive_ = false;
      co_return HttpStatus::kRefused;
    }
    const std::string* connection = response.Find("connection");
    if (ListHolds(connection, "close") || (http_1_0 && !ListHolds(connection, "keep-alive")))
      keep_alive_ = false;
  } while (response.code < 200);
  if (!Frame(response)) {
    keep_alive_ = false;
    framing_ = Framing::kNone;
    co_return HttpStatus::kRefused;
  }
  co_return HttpStatus::kOk;
}

// Reads the line that begins a chunk (RFC 9112 §7.1), with the CRLF that ends the one before; at
// the last chunk the trailers too, which mean nothing to us.
io::Task<HttpStatus> HttpClientConnection::NextChunk(MonotonicTime deadline) {
  bool trailers = false;
  for (size_t lines = 0; lines <= limits_.fields_max + 2; ++lines) {
    const Line line = co_await lines_.ReadLine(stream_, deadline);
    if (line.status == LineStatus::kStream) co_return FromStream(line.stream, true);
    if (line.status != LineStatus::kLine) co_return HttpStatus::kRefused;
    if (trailers) {
      if (!line.text.empty()) continue;
      lines_.Release(stream_);
      framing_ = Framing::kNone;
      co_return HttpStatus::kOk;
    }
    if (std::exchange(in_chunk_, false)) {
      if (!line.text.empty()) co_return HttpStatus::kRefused;
      continue;
    }
    // Extensions behind a semicolon are passed over.
    const std::string_view size = Trim(line.text.substr(0, line.text.find(';')));
    if (size.size() > kChunkLineDigitsMax || !Number(size, 16, left_)) {
      co_return HttpStatus::kRefused;
    }
    trailers = left_ == 0;
    if (trailers) continue;
    in_chunk_ = true;
    lines_.Release(stream_);
    co_return HttpStatus::kOk;
  }
  co_return HttpStatus::kRefused;
}

io::Task<HttpStatus> HttpClientConnection::ReadBody(std::string& piece, MonotonicTime deadline) {
  piece.clear();
  if (framing_ == Framing::kChunks && left_ == 0) {
    const HttpStatus status = co_await NextChunk(deadline);
    if (status != HttpStatus::kOk) {
      keep_alive_ = false;
      framing_ = Framing::kNone;
      co_return status;
    }
  }
  if (framing_ == Framing::kNone || (framing_ == Framing::kLength && left_ == 0))
    co_return HttpStatus::kOk;
  if (stream_.input().empty()) {
    const io::StreamStatus status = co_await stream_.Receive(deadline);
    if (status == io::StreamStatus::kEnd && framing_ == Framing::kUntilEnd) {
      framing_ = Framing::kNone;
      co_return HttpStatus::kOk;
    }
    if (status != io::StreamStatus::kOk) {
      keep_alive_ = false;
      framing_ = Framing::kNone;
      co_return FromStream(status, true);
    }
  }
  const std::string_view input = stream_.input();
  const bool all = framing_ == Framing::kUntilEnd;
  const auto count =
      static_cast<size_t>(all ? input.size() : std::min<uint64_t>(input.size(), left_));
  piece = input.substr(0, count);
  stream_.Consume(count);
  if (!all) left_ -= count;
  co_return HttpStatus::kOk;
}

// --- Targets

HttpTarget SplitTarget(std::string_view target) {
  const size_t question = target.find('?');
  if (question == std::string_view::npos) return {.path = target, .query = {}};
  return {.path = target.substr(0, question), .query = target.substr(question + 1)};
}

bool QueryValue(std::string_view query, std::string_view key, std::string& value) {
  while (!query.empty()) {
    const size_t ampersand = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, ampersand);
    query.remove_prefix(std::min(ampersand + 1, query.size()));
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != key) continue;
    value.clear();
    for (std::string_view rest = pair.substr(equals + 1); !rest.empty();) {
      uint64_t octet = 0;
      if (rest.front() == '%') {
        if (rest.size() < 3 || !Number(rest.substr(1, 2), 16, octet)) return false;
        value += static_cast<char>(octet);
        rest.remove_prefix(3);
        continue;
      }
      value += rest.front() == '+' ? ' ' : rest.front();
      rest.remove_prefix(1);
    }
    return true;
  }
  return false;
}

}  // namespace ringmail::session
