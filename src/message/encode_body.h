// A body in its transfer encoding. Private to message.
#pragma once

#include <string>
#include <string_view>

#include "ringmail/message/mime_tree.h"

namespace ringmail::message {

// Appends `body`; without a line end after the last line of base64, which the delimiter brings.
void AppendEncodedBody(std::string_view body, TransferEncoding encoding, MediaType media,
                       std::string& out);

}  // namespace ringmail::message
