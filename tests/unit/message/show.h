// A message as JSON, for golden files and for comparison with other parsers.
#pragma once

#include <string>
#include <string_view>

namespace ringmail::message {

std::string ShowMessage(std::string_view text);

}  // namespace ringmail::message
