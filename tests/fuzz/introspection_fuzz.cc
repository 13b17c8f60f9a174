// What an authority says of a token, from hostile octets: nothing is accepted without an account,
// and nothing that is no answer is understood.
#include <cstdint>
#include <string_view>

#include "ringmail/base/check.h"
#include "ringmail/credential/token.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringmail::credential;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  TokenPolicy policy;
  for (const bool strict : {false, true}) {
    if (strict) {
      policy.issuer = "https://id.example.org";
      policy.audiences = {"ringmail"};
      policy.scope = "mail";
    }
    const auto read = ReadIntrospection(policy, text, ringmail::FromUnixSeconds(1767225600));
    CHECK(read.result.accepted == read.result.why.empty());
    CHECK(read.result.accepted == !read.result.account.empty());
    CHECK(read.understood || !read.result.accepted);
  }
  return 0;
}
