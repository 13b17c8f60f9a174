// The table of capabilities: what is announced, and by which RFC. What CAPA says derives from it.
//
// RFC 2449 §6: those that we have are announced in both states, and do not differ between them.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "ringmail/session/sasl.h"

namespace ringmail::pop3 {

// What the capabilities of one session depend on.
struct Offer {
  session::SaslMechanismSet mechanisms;
  std::chrono::seconds login_delay{0};
  bool stls = false;  // offered here, and not begun
  bool user = false;  // USER and PASS
};

struct CapabilityRow {
  std::string_view tag;
  std::string_view rfc;
  bool (*offered)(const Offer& offer);
  // Appends " " and what stands behind the tag; null: nothing.
  void (*append)(const Offer& offer, std::string& line);
};

// In the order in which they are announced.
std::span<const CapabilityRow> CapabilityRows();

// The whole reply to CAPA.
std::string CapaReply(const Offer& offer);

}  // namespace ringmail::pop3
