// What a server running in the world may ask of its process. The world has one process for all, and
// no meter for each.
#include "ringmail/io/process.h"

namespace ringmail::io {

uint64_t ResidentBytes() { return 0; }
uint64_t CpuMicroseconds() { return 0; }

}  // namespace ringmail::io
