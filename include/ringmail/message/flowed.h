// text/plain; format=flowed (RFC 3676): paragraphs that a reader may wrap at any width, and the
// depth of quotation of each.
//
// Promise: pure; what Flow writes is read by Unflow as what was given. Lines end in CRLF or LF.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/message/parameter.h"

namespace ringmail::message {

// §4.4: what stands before the lines of a signature; it is fixed, and no paragraph goes across it.
inline constexpr std::string_view kSignatureSeparator = "-- ";

struct FlowedForm {
  bool delsp = false;  // §4.2: the space before a soft break is no part of the text
};
// nullopt where the type is not text/plain with format=flowed.
std::optional<FlowedForm> FlowedFormOf(const ContentType& type);

struct FlowedParagraph {
  uint32_t quote_depth = 0;
  std::string text;  // without its line end
  friend bool operator==(const FlowedParagraph&, const FlowedParagraph&) = default;
};

// The paragraphs of `text`, already in any one charset of which ASCII is a part. A flowed line
// before one of another depth, before a signature separator, or at the end is taken as fixed
// (§4.5), without its space.
std::vector<FlowedParagraph> Unflow(std::string_view text, FlowedForm form);
// A line for each paragraph, quoted as readers know it: "> text".
std::string UnflowText(std::string_view text, FlowedForm form);

// Flowed lines of up to 78 octets where the words allow (§4.2), for DelSp=no. REQUIRES: no CR or LF
// in a paragraph. White space at the end of one, which would make it flow on, is not written, but
// that of a signature separator.
std::string Flow(std::span<const FlowedParagraph> paragraphs);

}  // namespace ringmail::message
