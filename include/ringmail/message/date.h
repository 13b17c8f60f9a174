// The date-time of RFC 5322 §3.3, with every obsolete form of §4.3 and the habits of old senders.
//
// Promise: pure. Writing is AppendDate of trace.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ringmail/base/time.h"

namespace ringmail::message {

struct DateTime {
  WallTime when{};
  int16_t zone_minutes = 0;   // east of Greenwich
  bool zone_unknown = false;  // "-0000", or a zone that means it (§4.3)

  friend bool operator==(const DateTime&, const DateTime&) = default;
};

// Of a raw field value: folded, with comments anywhere. Accepts, beyond the grammar: no or a wrong
// day of the week, full and one-digit forms, names in any case, "GMT+0200", "+02:00", a missing
// zone (unknown), the order of asctime ("Mon Nov 23 05:42:08 2026") and hyphens ("23-Nov-26").
// nullopt where there is no date, or one that does not exist (31 June).
std::optional<DateTime> ParseDate(std::string_view value);

}  // namespace ringmail::message
