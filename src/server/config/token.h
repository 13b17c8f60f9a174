// Reads the files that [token] names, so that the configuration has a policy of tokens, and whom to
// ask about them.
#pragma once

#include "server/config/tls.h"

namespace ringmail::server {

// What is wrong with a file becomes a diagnostic at the line that names it. Blocks.
void LoadTokenKeys(ConfigResult& result, ReadFile read_file);

}  // namespace ringmail::server
