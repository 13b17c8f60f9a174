// What a peer answers: lines put together to replies, and what EHLO offers, whatever comes.
//
// The lines are read as the client reads them. A reply is of one code, bounded, and carries no
// control character into logs and reports; a new reader reads its last line the same.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "protocol/smtp/reply_wire.h"

namespace ringmail::smtp {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckReply(const message::Reply& reply, uint32_t lines) {
  Require(200 <= reply.code && reply.code < 600);
  Require(!reply.status.present() || reply.status.klass == reply.code / 100);
  Require(reply.text.size() <= message::kReplyTextBytesMax + kReplyLinesMax);
  uint32_t line_ends = 0;
  for (const char c : reply.text) {
    if (c == '\n') ++line_ends;
    Require(c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f));
  }
  Require(line_ends < lines);
}

void ReadLines(std::string_view input) {
  ReplyReader reader;
  PeerExtensions peer;
  uint32_t lines = 0;
  while (!input.empty()) {
    const size_t end = std::min(input.find("\r\n"), input.size());
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(std::min(end + 2, input.size()));
    const ReplyReader::Verdict verdict = reader.Line(line);
    if (verdict == ReplyReader::Verdict::kBad) return;  // The conversation is over.
    Require(reader.line_number() == ++lines && lines <= kReplyLinesMax);
    Require(line.size() <= 4 || reader.line_text() == line.substr(4));
    if (lines > 1) ReadExtension(reader.line_text(), peer);
    if (verdict == ReplyReader::Verdict::kMore) continue;
    const message::Reply reply = reader.Take();
    CheckReply(reply, lines);
    ReplyReader other;
    Require(other.Line(line) == ReplyReader::Verdict::kDone && other.Take().code == reply.code);
    Require(peer.size || peer.size_bytes_max == 0);
    lines = 0;
  }
}

}  // namespace
}  // namespace ringmail::smtp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  ringmail::smtp::ReadLines(input.substr(1));
  // The first octet says where a line of its own begins: an extension, or a status.
  std::string_view text = input.substr(std::min<size_t>(1 + data[0] % 16, size));
  ringmail::smtp::PeerExtensions peer;
  ringmail::smtp::ReadExtension(text, peer);
  const std::string_view before = text;
  const bool present = ringmail::smtp::TakeEnhancedStatus(550, text).present();
  ringmail::smtp::Require(before.ends_with(text) && (present || text == before));
  return 0;
}
