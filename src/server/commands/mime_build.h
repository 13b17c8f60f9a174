// A message from files: the `build` of ringmail mime. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/time.h"
#include "ringmail/message/compose.h"

namespace ringmail::server {

struct MimeFile {
  std::string_view path;  // "-": standard input, which has no name
  std::string content;
};

struct MimeBuild {
  std::string_view from, subject;
  std::vector<std::string_view> to, cc;
  std::optional<MimeFile> text, html;
  std::vector<MimeFile> attachments;
  message::ComposePeer peer = message::ComposePeer::k7Bit;
  std::string_view host;  // right of the Message-ID's '@'
  WallTime when{};        // Date
  std::string unique;     // random: of the Message-ID and of boundaries
};

// The message, or nullopt with what is wrong in `problem`: a text that is no UTF-8, an address that
// needs SMTPUTF8, an attached message that the peer does not take.
std::optional<std::string> BuildMessage(const MimeBuild& build, std::string& problem);

// "image/png" for "a.PNG"; application/octet-stream where the name says nothing.
std::string_view MediaTypeOfFile(std::string_view path);

}  // namespace ringmail::server
