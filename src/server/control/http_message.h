// As much of HTTP/1.1 (RFC 9112) as the control interface speaks: one request a connection, the
// answer in chunks. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmail::server {

// A request's or answer's lines up to the empty one; beyond: 431.
inline constexpr size_t kHeadBytesMax = 8192;
// A request's body, which nothing here needs: read and thrown away; beyond: 413.
inline constexpr uint64_t kRequestBodyBytesMax = 64u << 10;

// The end of the head at the start of `input`: the index after its empty line; npos while it is not
// there.
size_t HeadEnd(std::string_view input);

struct RequestHead {
  std::string method, target;
  bool http10 = false;  // takes no chunks (RFC 9112 §7.1)
  uint64_t content_bytes = 0;
};
// 200, or the status to answer a wrong head with: 400, 413, 501, 505.
uint16_t ParseRequestHead(std::string_view head, RequestHead& out);

struct ResponseHead {
  uint16_t status = 0;
  bool chunked = false;
};
std::optional<ResponseHead> ParseResponseHead(std::string_view head);

std::string_view ReasonPhrase(uint16_t status);
std::string FormatResponseHead(uint16_t status, std::string_view content_type, bool chunked);

// Takes chunked coding off (RFC 9112 §7.1), in whatever pieces it comes.
class ChunkReader {
 public:
  enum class State : uint8_t { kSize, kData, kDataEnd, kTrailer, kEnd, kWrong };
  // Consumes from `input` and sets `data` to the next piece of content, empty where there is none
  // yet. Again until it consumes nothing. Returns the number of octets consumed.
  size_t Feed(std::string_view input, std::string_view& data);
  State state() const { return state_; }

 private:
  State state_ = State::kSize;
  uint64_t left_ = 0;
};

}  // namespace ringmail::server
