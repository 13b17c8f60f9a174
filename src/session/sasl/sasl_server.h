// One mechanism a class; sasl_server.cc chooses among them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ringmail/session/sasl.h"

namespace ringmail::session {

std::unique_ptr<SaslServer> MakePlainServer(const SaslServerOptions& options);
std::unique_ptr<SaslServer> MakeLoginServer(const SaslServerOptions& options);
std::unique_ptr<SaslServer> MakeCramMd5Server(const SaslServerOptions& options);
std::unique_ptr<SaslServer> MakeScramServer(SaslMechanism mechanism,
                                            const SaslServerOptions& options);
std::unique_ptr<SaslServer> MakeOauthServer(SaslMechanism mechanism,
                                            const SaslServerOptions& options);
std::unique_ptr<SaslServer> MakeExternalServer(const SaslServerOptions& options);

SaslStep SaslChallenge(std::string challenge);
SaslStep SaslFailed(SaslFailure failure);
// What an answer that is not kAccepted means.
SaslStep SaslFailed(credential::CredentialVerdict verdict);

}  // namespace ringmail::session
