// Reads the key set that [token] names, so that the configuration has a policy of tokens.
#pragma once

#include "server/config/tls.h"

namespace ringmail::server {

// What is wrong with the file becomes a diagnostic at the line that names it. Blocks.
void LoadTokenKeys(ConfigResult& result, ReadFile read_file);

}  // namespace ringmail::server
