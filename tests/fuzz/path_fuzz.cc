// Paths: what is read lies within the input, and what was read is read again, alone and in
// brackets, as the same mailbox.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/message/path.h"
#include "ringmail/message/xtext.h"

namespace {

using ringmail::message::Mailbox;
using ringmail::message::ParsedPath;
using ringmail::message::PathError;
using ringmail::message::PathKind;
using ringmail::message::Utf8;

void Require(bool condition) {
  if (!condition) std::abort();
}

bool Within(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void ReadPath(std::string_view input, PathKind kind, Utf8 utf8) {
  const ParsedPath path = ringmail::message::ParsePath(input, kind, utf8);
  if (path.error != PathError::kNone) {
    Require(path.consumed_bytes == 0 && path.text.empty());
    return;
  }
  Require(path.consumed_bytes >= 2 && path.consumed_bytes <= input.size());
  Require(path.consumed_bytes <= ringmail::message::kPathBytesMax);
  Require(input.front() == '<' && input[path.consumed_bytes - 1] == '>');
  const std::string_view read = input.substr(0, path.consumed_bytes);
  Require(Within(path.text, read) && Within(path.mailbox.local_part, read) &&
          Within(path.mailbox.domain, read));
  Require(path.null == path.text.empty());
  if (path.null || path.mailbox.domain.empty()) {
    Require(path.null || ringmail::message::IsPostmaster(path.text));
    return;
  }
  // No octet that could end a command line or a field hides in a path.
  for (const char c : path.text) Require(c >= ' ' ? c != 0x7F : static_cast<uint8_t>(c) >= 0x80);
  const auto mailbox = ringmail::message::ParseMailbox(path.text, utf8);
  Require(mailbox && mailbox->local_part == path.mailbox.local_part &&
          mailbox->domain == path.mailbox.domain);
  Require(path.mailbox.domain.front() == '['
              ? ringmail::message::ValidAddressLiteral(path.mailbox.domain)
              : ringmail::message::ValidDomain(path.mailbox.domain, utf8));
  const std::string again = "<" + std::string(path.text) + ">";
  const ParsedPath second = ringmail::message::ParsePath(again, kind, utf8);
  Require(second.error == PathError::kNone && second.text == path.text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const PathKind kind : {PathKind::kReverse, PathKind::kForward}) {
    for (const Utf8 utf8 : {Utf8::kRefused, Utf8::kAllowed}) ReadPath(input, kind, utf8);
  }
  if (const auto text = ringmail::message::DecodeXtext(input)) {
    Require(ringmail::message::DecodeXtext(ringmail::message::EncodeXtext(*text)) == text);
  }
  if (const auto text = ringmail::message::DecodeUtf8Address(input)) {
    // The decoded form is UTF-8, or EncodeUtf8Address would not take it.
    Require(!ringmail::message::EncodeUtf8Address(*text).empty() || text->empty());
  }
  return 0;
}
