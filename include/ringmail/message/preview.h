// The first words of a message, for lists of messages: PREVIEW of RFC 8970, `preview` of RFC 8621
// §4.1.4.
//
// Promise: pure; UTF-8 without controls, single blanks between words, "" where there is no text.
// Limits: at most `characters_max` characters; reads at most kPreviewBytesMax octets of the encoded
// body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ringmail/message/part_view.h"

namespace ringmail::message {

inline constexpr uint32_t kPreviewBytesMax = 64u << 10;
inline constexpr size_t kPreviewCharactersMax = 200;  // RFC 8970 §3.1

std::string PreviewText(const MessageView& message, size_t characters_max);

// The text of HTML: without tags, comments, scripts and styles, character references decoded. For
// previews and search, not for display.
std::string HtmlText(std::string_view html);

}  // namespace ringmail::message
