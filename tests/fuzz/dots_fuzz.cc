// Dot transparency, lines and the search without regard to case: every kernel, however the content
// is cut, and in place, does what the definition does; what was stuffed is unstuffed to itself. The
// first two octets are the cut, the third the length of what is searched for.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/ascii.h"
#include "ringmail/codec/dots.h"
#include "ringmail/codec/kernel.h"
#include "support/codec/dots_reference.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

std::string Stuff(std::string_view content, size_t cut) {
  ringmail::codec::DotStuffer stuffer;
  std::string all;
  for (const std::string_view piece : {content.substr(0, cut), content.substr(cut)}) {
    std::string out(2 * piece.size(), '\0');
    all += out.substr(0, stuffer.Feed(piece, out.data()));
  }
  return all;
}

void HoldUnstuffer(std::string_view text, size_t cut) {
  const ringmail::codec::ReferenceScan want = ringmail::codec::ReferenceDataScan(text);
  ringmail::codec::DotUnstuffer unstuffer;
  std::string all;
  bool end = false;
  for (const std::string_view piece : {text.substr(0, cut), text.substr(cut)}) {
    if (end) break;
    std::string out(piece.size() + 1, '\0');
    const auto step = unstuffer.Feed(piece, out.data());
    all += out.substr(0, step.written);
    end = step.end;
  }
  Require(all == want.content && end == want.end);
  std::string in_place(text);
  ringmail::codec::DotUnstuffer again;
  const auto step = again.Feed(in_place, in_place.data());
  Require(in_place.substr(0, step.written) == want.content && step.consumed == want.consumed);
}

void HoldLines(std::string_view content, size_t cut) {
  ringmail::codec::LineScanner scanner;
  scanner.Feed(content.substr(0, cut));
  scanner.Feed(content.substr(cut));
  const auto facts = scanner.facts();
  Require(facts.lines == ringmail::codec::ReferenceLines(content));
  Require(facts.line_bytes_max == ringmail::codec::ReferenceLongestLine(content));
  // At the end a CR is judged too: it is alone, and an octet of its line.
  unsigned flags = ringmail::codec::ReferenceFlags(content);
  if (content.ends_with('\r')) flags |= ringmail::codec::kDataBareCr;
  if (facts.line_bytes_max > 998) flags |= ringmail::codec::kDataLineTooLong;
  Require(facts.flags == flags);
}

std::string Lower(std::string text) {
  for (char& octet : text) octet = ringmail::codec::AsciiLower(octet);
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 3, size - 3);
  const size_t cut = (size_t{data[0]} << 8 | data[1]) % (text.size() + 1);
  const std::string stuffed = ringmail::codec::ReferenceStuff(text);
  const std::string_view needle = text.substr(cut, data[2] % 20);
  const size_t found = Lower(std::string(text)).find(Lower(std::string(needle)));
  for (const ringmail::codec::Kernel kernel : ringmail::codec::kKernels) {
    if (!ringmail::codec::ForceKernel(kernel)) continue;
    Require(Stuff(text, cut) == stuffed);
    HoldUnstuffer(text, cut);
    HoldUnstuffer(stuffed + "\r\n.\r\n", cut);
    HoldLines(text, cut);
    Require(ringmail::codec::AsciiFindNoCase(text, needle, 0) == found);
  }
  return 0;
}
