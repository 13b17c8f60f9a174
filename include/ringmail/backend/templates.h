// Queries and filters with the question's parts in them. Pure.
//
//   SQL    :address, :local_part, :domain become $1, $2, $3 of PostgreSQL, never text of the query;
//          not within quotes and comments, and "::" stays a cast
//   LDAP   {address}, {local_part}, {domain}, escaped as RFC 4515 §3 (filters) and RFC 4514 §2.4
//          (names) ask
#pragma once

#include <string>
#include <string_view>

namespace ringmail::backend {

struct SqlTemplate {
  std::string text;   // with $1 the address, $2 the local part, $3 the domain
  std::string wrong;  // "" or what is wrong with it
};
SqlTemplate NumberSqlParameters(std::string_view query);

enum class LdapEscape : uint8_t { kFilter, kName };
struct TemplateParts {
  std::string_view address, local_part, domain;
};
// Empty `wrong`, or what is wrong with the template.
std::string FillLdapTemplate(std::string_view text, const TemplateParts& parts, LdapEscape escape,
                             std::string& wrong);

}  // namespace ringmail::backend
