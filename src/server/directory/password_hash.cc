#include "server/directory/password_hash.h"

#include <crypt.h>

#include <cstring>
#include <memory>

#include "fmt/format.h"

namespace ringmail::server {

StatusOr<std::string> HashPassword(std::string_view password, const PasswordSalt& salt) {
  if (password.empty()) return absl::InvalidArgumentError("the password is empty");
  if (password.size() > kPasswordBytesMax) {
    return absl::InvalidArgumentError(
        Absl(fmt::format("the password is longer than {} octets", kPasswordBytesMax)));
  }
  if (password.find('\0') != password.npos)
    return absl::InvalidArgumentError("the password holds a NUL");
  constexpr std::string_view kLetters =
      "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string setting = "$6$";
  for (int i = 0; i < 16; ++i)
    setting += kLetters[salt[static_cast<size_t>(i / 8)] >> (i % 8 * 6) & 63];
  auto data = std::make_unique<crypt_data>();
  std::string text(password);
  const char* hash = crypt_r(text.c_str(), setting.c_str(), data.get());
  std::string out = hash != nullptr && hash[0] == '$' ? "{SHA512-CRYPT}" + std::string(hash) : "";
  explicit_bzero(text.data(), text.size());
  explicit_bzero(data.get(), sizeof(crypt_data));
  if (out.empty()) return absl::InternalError("crypt(3) does not know SHA-512");
  return out;
}

}  // namespace ringmail::server
