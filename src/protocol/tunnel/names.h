// Names of hosts and of certificates, held against patterns. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringmail::tunnel {

// Without regard to case; a pattern "*.example.org" stands for one label in front (RFC 6125
// §6.4.3).
bool NameFits(std::string_view name, std::string_view pattern);
bool AnyNameFits(std::span<const std::string> names, std::span<const std::string> patterns);

// The value of CN in a subject as RFC 2253 writes it, its escapes taken away; "" where it has none.
std::string CommonName(std::string_view subject);

}  // namespace ringmail::tunnel
