#include "server/config/token.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ringmail::server {
namespace {

constexpr size_t kClientSecretBytesMax = 1024;

class TokenLoader {
 public:
  TokenLoader(ConfigResult& result, ReadFile read_file) : result_(result), read_file_(read_file) {}

  void LoadKeys(TokenConfig& token);
  void LoadSecret(TokenConfig& token);
  void LoadAuthorities(TokenConfig& token);

 private:
  void Wrong(const FileConfig& file, std::string_view how, std::string_view what) {
    result_.diagnostics.push_back({Diagnostic::Severity::kError, file.line, file.column,
                                   absl::StrCat(file.path, " ", Absl(how), Absl(what))});
  }

  ConfigResult& result_;
  const ReadFile read_file_;
};

void TokenLoader::LoadKeys(TokenConfig& token) {
  const StatusOr<std::string> text =
      read_file_(token.key_set.path, credential::kTokenKeySetBytesMax);
  if (!text.ok()) return Wrong(token.key_set, "cannot be read: ", Std(text.status().message()));
  auto keys = credential::TokenKeys::Parse(*text);
  if (!keys.ok()) return Wrong(token.key_set, "is no key set: ", Std(keys.status().message()));
  token.policy.keys = *std::move(keys);
}

void TokenLoader::LoadSecret(TokenConfig& token) {
  StatusOr<std::string> text = read_file_(token.client_secret.path, kClientSecretBytesMax);
  if (!text.ok()) {
    return Wrong(token.client_secret, "cannot be read: ", Std(text.status().message()));
  }
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  if (text->empty()) return Wrong(token.client_secret, "is empty", "");
  token.server.client_secret = codec::Secret(*std::move(text));
}

void TokenLoader::LoadAuthorities(TokenConfig& token) {
  FileConfig file = token.authorities;
  if (file.line == 0) {
    // The default, of which the file says nothing.
    file.line = token.line;
    file.column = token.column;
  }
  const StatusOr<std::string> text = read_file_(file.path, io::kTlsPemBytesMax);
  if (!text.ok()) return Wrong(file, "cannot be read: ", Std(text.status().message()));
  const StatusOr<size_t> count = io::ExamineTlsAuthorities(*text);
  if (!count.ok()) return Wrong(file, "", Std(count.status().message()));
  auto made =
      io::TlsContext::MakeClient({.authorities_pem = *text, .alpn = {"http/1.1"}, .identity = {}});
  if (!made.ok()) return Wrong(file, "", Std(made.status().message()));
  token.server.tls = *std::move(made);
}

}  // namespace

void LoadTokenKeys(ConfigResult& result, ReadFile read_file) {
  TokenConfig& token = result.config.token;
  if (!result.ok() || !token.on) return;
  TokenLoader loader(result, read_file);
  const bool asks = !token.server.key_set_url.empty() || !token.server.introspection_url.empty();
  if (!token.key_set.path.empty()) loader.LoadKeys(token);
  if (!token.client_secret.path.empty()) loader.LoadSecret(token);
  if (asks) loader.LoadAuthorities(token);
  if (!result.ok()) return;
  result.config.authentication.tokens =
      std::make_shared<const credential::TokenPolicy>(token.policy);
  if (!asks) return;
  token.server.user_agent = "ringmail/" RINGMAIL_VERSION;
  result.config.authentication.token_server =
      std::make_shared<const agent::TokenServerOptions>(token.server);
}

}  // namespace ringmail::server
