// Signals as values: a descriptor that the log writer's thread polls, and what it read from it.
#pragma once

#include "ringmail/io/runtime.h"

namespace ringmail::io {

// -1 before CaptureSignals.
int SignalDescriptor();
// Reads what has come; true where there is something for NextSignal. A second terminate ends the
// process (exit code 130).
bool ReadSignals();
// What NextSignal returns, kNone where nothing has come.
Signal TakeSignal();
// How often ReopenLog was called.
uint64_t LogReopenings();

}  // namespace ringmail::io
