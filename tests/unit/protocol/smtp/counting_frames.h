// The pool of coroutine frames in place of io's, which knows how much of it is in use.
#pragma once

#include <cstddef>

namespace ringmail::io {

// Rounded up as the pool does.
size_t LiveFrameBytes();

}  // namespace ringmail::io
