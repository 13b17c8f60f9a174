// The target of a request to the control interface: path segments and query, decoded. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmail::server {

struct RequestTarget {
  std::vector<std::string> segments;                       // "/v1/queue" is {"v1", "queue"}
  std::vector<std::pair<std::string, std::string>> query;  // in order
  const std::string* Find(std::string_view name) const;    // null where it is not there
};

// Origin form (RFC 9112 §3.2.1) with percent-encoding (RFC 3986 §2.1). nullopt: malformed.
std::optional<RequestTarget> ParseTarget(std::string_view target);

// For use as a path segment or a query value.
std::string PercentEncode(std::string_view text);

}  // namespace ringmail::server
