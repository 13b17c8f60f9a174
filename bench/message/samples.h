// Messages to measure with, made alike in every run.
#pragma once

#include <cstddef>
#include <string>

namespace ringmail::message {

// One text part of about `bytes` octets, with the header section of mail that passed two hops.
std::string SmallMessage(size_t bytes);
// A text and HTML alternative, and base64 attachments up to about `bytes` octets.
std::string MessageWithAttachments(size_t bytes);

}  // namespace ringmail::message
