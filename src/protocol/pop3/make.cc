// The service over the store. Apart, so that tests of the service link no store.

#include <utility>

#include "protocol/pop3/service.h"

namespace ringmail::pop3 {

std::unique_ptr<Pop3Service> Pop3Service::Make(storage::Accounts& accounts,
                                               storage::ShardStore& store,
                                               agent::Authenticator& authenticator,
                                               Pop3Options options) {
  return std::make_unique<Service>(MakeAccountMaildrops(accounts, store), authenticator,
                                   std::move(options));
}

}  // namespace ringmail::pop3
