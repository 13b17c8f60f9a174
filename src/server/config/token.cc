#include "server/config/token.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ringmail::server {

void LoadTokenKeys(ConfigResult& result, ReadFile read_file) {
  TokenConfig& token = result.config.token;
  if (!result.ok() || token.policy.issuer.empty()) return;
  const FileConfig& file = token.key_set;
  const auto wrong = [&](std::string_view how, std::string_view what) {
    result.diagnostics.push_back({Diagnostic::Severity::kError, file.line, file.column,
                                  absl::StrCat(file.path, " ", Absl(how), Absl(what))});
  };
  if (!file.path.empty()) {
    const StatusOr<std::string> text = read_file(file.path, credential::kTokenKeySetBytesMax);
    if (!text.ok()) return wrong("cannot be read: ", Std(text.status().message()));
    auto keys = credential::TokenKeys::Parse(*text);
    if (!keys.ok()) return wrong("is no key set: ", Std(keys.status().message()));
    token.policy.keys = *std::move(keys);
  }
  result.config.authentication.tokens =
      std::make_shared<const credential::TokenPolicy>(token.policy);
}

}  // namespace ringmail::server
