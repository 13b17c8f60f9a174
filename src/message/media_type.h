// What a media type's words mean here. Private to message.
#pragma once

#include <string_view>

#include "ringmail/message/mime_tree.h"

namespace ringmail::message {

MediaType FindMediaType(std::string_view type);
MediaSubtype FindMediaSubtype(MediaType type, std::string_view subtype);

}  // namespace ringmail::message
