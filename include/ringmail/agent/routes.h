// Which next hop a domain's mail goes to: static routes, then the relay next hop. DNS comes behind
// the same question.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ringmail/agent/transport.h"

namespace ringmail::agent {

struct Route {
  std::string domain;  // normalized; ".example.net" is every subdomain; the longest match wins
  NextHop next_hop;
};

// A value; rebuilt at reload.
class RouteTable {
 public:
  RouteTable() = default;
  RouteTable(const std::vector<Route>& routes, std::optional<NextHop> relay_next_hop);

  // nullptr: nobody has said where this domain's mail goes. `domain` as in the path, any case, or
  // an address literal, which without a route or relay next hop has none either. Valid as long as
  // the table.
  const NextHop* Find(std::string_view domain) const;

 private:
  absl::flat_hash_map<std::string, NextHop>
      routes_;  // by normalized domain, or suffix with its dot
  std::optional<NextHop> relay_;
};

// The domain of a forward-path, "" for <postmaster>.
std::string_view DomainOf(std::string_view path);

}  // namespace ringmail::agent
