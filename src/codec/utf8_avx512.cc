// UTF-8 with AVX-512.
#include <array>
#include <cstring>

#include "codec/kernels.h"
#include "codec/vector_x86.h"

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target(RINGMAIL_TARGET_AVX512))), apply_to = function)

#include "codec/utf8_blocks.h"

namespace ringmail::codec {

size_t Utf8PrefixAvx512(std::string_view text) { return utf8::ValidPrefix<VectorAvx512>(text); }

}  // namespace ringmail::codec

#pragma clang attribute pop

#endif
