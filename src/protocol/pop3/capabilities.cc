#include "protocol/pop3/capabilities.h"

namespace ringmail::pop3 {
namespace {

bool Always(const Offer&) { return true; }

void AppendMechanisms(const Offer& offer, std::string& line) {
  line += ' ' + offer.mechanisms.Names();
}
void AppendLoginDelay(const Offer& offer, std::string& line) {
  line += ' ' + std::to_string(offer.login_delay.count());
}
// We delete nothing that the client did not.
void AppendNever(const Offer&, std::string& line) { line += " NEVER"; }
// Names and passwords may be in UTF-8 (RFC 6856 §2.2).
void AppendUser(const Offer&, std::string& line) { line += " USER"; }
void AppendName(const Offer&, std::string& line) { line += " ringmail"; }

constexpr CapabilityRow kCapabilities[] = {
    {"TOP", "RFC 2449 6.1", Always, nullptr},
    {"UIDL", "RFC 2449 6.8", Always, nullptr},
    {"USER", "RFC 2449 6.2", [](const Offer& offer) { return offer.user; }, nullptr},
    {"SASL", "RFC 5034 3", [](const Offer& offer) { return !offer.mechanisms.empty(); },
     AppendMechanisms},
    {"STLS", "RFC 2595 4", [](const Offer& offer) { return offer.stls; }, nullptr},
    {"RESP-CODES", "RFC 2449 6.4", Always, nullptr},
    {"AUTH-RESP-CODE", "RFC 3206 6", Always, nullptr},
    {"LOGIN-DELAY", "RFC 2449 6.5",
     [](const Offer& offer) { return offer.login_delay.count() > 0; }, AppendLoginDelay},
    {"EXPIRE", "RFC 2449 6.7", Always, AppendNever},
    {"PIPELINING", "RFC 2449 6.6", Always, nullptr},
    {"UTF8", "RFC 6856 2", Always, AppendUser},
    {"LANG", "RFC 6856 3", Always, nullptr},
    {"IMPLEMENTATION", "RFC 2449 6.9", Always, AppendName},
};

}  // namespace

std::span<const CapabilityRow> CapabilityRows() { return kCapabilities; }

std::string CapaReply(const Offer& offer) {
  std::string reply = "+OK Capability list follows\r\n";
  for (const CapabilityRow& row : kCapabilities) {
    if (!row.offered(offer)) continue;
    reply += row.tag;
    if (row.append != nullptr) row.append(offer, reply);
    reply += "\r\n";
  }
  reply += ".\r\n";
  return reply;
}

}  // namespace ringmail::pop3
