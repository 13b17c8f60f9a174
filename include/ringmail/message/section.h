// Section numbers and section texts of IMAP: RFC 9051 §6.4.5, RFC 3516.
//
// Promise: pure. Limits: kSectionDepthMax numbers, kSectionFieldsMax field names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/message/content_view.h"
#include "ringmail/message/part_view.h"

namespace ringmail::message {

inline constexpr size_t kSectionDepthMax = 100;
inline constexpr size_t kSectionFieldsMax = 1000;

enum class SectionText : uint8_t {
  kAll,              // "" and "1.2": all of the message, the body of the part
  kHeader,           // of the message, or of the one within a message/rfc822 part
  kHeaderFields,     // those named
  kHeaderFieldsNot,  // all others
  kText,             // the body of such a message
  kMime,             // the header section of a part
};

struct Section {
  std::vector<uint32_t> path;
  SectionText text = SectionText::kAll;
  std::vector<std::string> fields;

  friend bool operator==(const Section&, const Section&) = default;
};

// What stands between the brackets of BODY[…]: "1.2.HEADER.FIELDS (From \"To\")". Names come as
// atoms or quoted strings; literals are the protocol's, which puts them in. nullopt where it is
// none.
std::optional<Section> ParseSection(std::string_view text);

// What a section is of a message.
struct SectionContent {
  std::vector<Extent> extents;  // in order
  std::string_view tail;        // the empty line that ends a subset of fields

  uint64_t bytes() const;
};
// nullopt where the message has no such section (RFC 9051: NIL).
std::optional<SectionContent> FindSection(const MessageView& message, const Section& section);

// The part that `path` names, as BINARY and BODY[n] count; kNoPart where there is none. The empty
// path is the message.
PartIndex FindPart(const Tree& tree, const std::vector<uint32_t>& path);
// "1.2.1" of a part; "" for the message itself where it is a multipart, or encapsulated.
std::string SectionNumber(const Tree& tree, PartIndex part);

}  // namespace ringmail::message
