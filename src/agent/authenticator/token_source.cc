#include "agent/authenticator/token_source.h"

#include <utility>

namespace ringmail::agent {

TokenAnswer NotTold(std::string why) {
  TokenAnswer answer;
  answer.result.why = std::move(why);
  return answer;
}

std::shared_ptr<TokenSource> TokenSource::Make(
    std::shared_ptr<const credential::TokenPolicy> policy,
    std::shared_ptr<const TokenServerOptions> server, TokenMetrics& metrics) {
  if (policy == nullptr || server == nullptr) return nullptr;
  return server->introspection_url.empty()
             ? MakeKeySetSource(std::move(policy), std::move(server), metrics)
             : MakeIntrospectionSource(std::move(policy), std::move(server), metrics);
}

}  // namespace ringmail::agent
