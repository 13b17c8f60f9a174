// HTTP messages, both sides: however the octets arrive, they mean the same, and each limit holds.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "ringmail/session/http.h"
#include "support/io/still_io.h"

namespace {

using namespace ringmail;

constexpr session::HttpLimits kLimits{
    .line_bytes_max = 64, .head_bytes_max = 256, .fields_max = 8, .body_bytes_max = 64};

void Require(bool condition) {
  if (!condition) std::abort();
}

struct Conversation {
  io::Stream* stream;
  std::string seen;  // everything that was read, in one string
};

io::Task<void> Serve(Conversation* conversation) {
  session::HttpServerConnection connection(*conversation->stream, kLimits);
  for (;;) {
    session::HttpRequest request;
    const session::HttpStatus status = co_await connection.ReadRequest(request, kNever);
    conversation->seen +=
        std::to_string(static_cast<int>(status)) + " " + std::to_string(request.refusal);
    if (status != session::HttpStatus::kOk) {
      Require((status == session::HttpStatus::kRefused) == (request.refusal >= 400));
      co_return;
    }
    Require(request.body.size() <= kLimits.body_bytes_max);
    Require(request.fields.size() <= kLimits.fields_max);
    conversation->seen += request.method + " " + request.target + "\n";
    for (const auto& field : request.fields) {
      Require(field.value.find_first_of(std::string("\r\n\0", 3)) == std::string::npos);
      conversation->seen += field.name + ":" + field.value + "\n";
    }
    conversation->seen += request.body;
    connection.Respond(200, "text/plain", "x");
    if (!connection.keep_alive()) co_return;
  }
}

io::Task<void> Ask(Conversation* conversation) {
  session::HttpClientConnection connection(*conversation->stream, kLimits);
  do {
    connection.WriteRequest("GET", "/", "x");
    session::HttpResponse response;
    session::HttpStatus status = co_await connection.ReadResponse(response, kNever);
    conversation->seen +=
        std::to_string(static_cast<int>(status)) + " " + std::to_string(response.code);
    std::string piece;
    while (status == session::HttpStatus::kOk) {
      status = co_await connection.ReadBody(piece, kNever);
      if (piece.empty()) break;
      conversation->seen += piece;
    }
    conversation->seen += std::to_string(static_cast<int>(status));
    if (status != session::HttpStatus::kOk) co_return;
  } while (connection.keep_alive());
}

std::string Run(io::Task<void> (*side)(Conversation*), const std::string& bytes,
                size_t piece_bytes) {
  std::vector<io::Happening> script;
  for (size_t at = 0; at < bytes.size(); at += piece_bytes) {
    script.push_back({.bytes = bytes.substr(at, piece_bytes)});
  }
  io::Connection connection(std::move(script));
  connection.keep_output = false;
  io::Stream stream(&connection);
  Conversation conversation{&stream, {}};
  io::RunStill(side(&conversation));
  return std::move(conversation.seen);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const size_t piece_bytes = 1 + data[0] % 32;
  for (const auto side : {&Serve, &Ask}) {
    Require(Run(side, bytes, piece_bytes) == Run(side, bytes, bytes.size()));
  }
  std::string value;
  (void)session::QueryValue(session::SplitTarget(bytes).query, "key", value);
  return 0;
}
