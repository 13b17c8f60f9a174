// Every limit of the tunnel room, with its unit and its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "ringmail/base/time.h"

namespace ringmail::tunnel {

// What one side has said and the other has not taken. More: the one is not read until the other
// has taken all of it.
inline constexpr size_t kRelayOutputBytesMax = 64u << 10;
// After an Accept that failed for want of descriptors.
inline constexpr Nanoseconds kAcceptPause = std::chrono::milliseconds(200);
// For a peer to take the alert of a handshake that failed, and to go.
inline constexpr Nanoseconds kCloseTimeout = std::chrono::seconds(5);
// At a stop: a connection on which nothing moved for so long has nothing to finish.
inline constexpr Nanoseconds kDrainStill = std::chrono::seconds(1);
// How often a stop looks.
inline constexpr Nanoseconds kDrainPause = std::chrono::milliseconds(200);
// Clients of one such network are counted together.
inline constexpr uint8_t kNetworkBitsV4 = 32;
inline constexpr uint8_t kNetworkBitsV6 = 64;

}  // namespace ringmail::tunnel
