#include "ringmail/credential/scram_keys.h"

#include <charconv>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/codec/base64_text.h"

namespace ringmail::credential {
namespace {

using codec::DigestKind;
using codec::Secret;

Secret Key(const codec::DigestValue& value) { return Secret(value.view()); }

std::optional<std::string> Base64(std::string_view text) {
  return codec::FromBase64(text, codec::Base64Form::kFlat, codec::Base64Padding::kRequired);
}

// `text` up to `end`, which it loses with it; nothing where it is not there.
std::optional<std::string_view> Cut(std::string_view& text, char end) {
  const size_t at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view piece = text.substr(0, at);
  text.remove_prefix(at + 1);
  return piece;
}

}  // namespace

ScramClientKeys DeriveScramClientKeys(DigestKind kind, std::string_view password,
                                      std::string_view salt, uint32_t iterations) {
  CHECK(iterations > 0);
  // RFC 5802 §3, in its order.
  const Secret salted = codec::Pbkdf2(kind, password, salt, iterations, codec::DigestBytes(kind));
  ScramClientKeys keys;
  keys.client_key = Key(codec::Hmac(kind, salted.view(), {"Client Key"}));
  keys.stored_key = Key(codec::Digest(kind, {keys.client_key.view()}));
  keys.server_key = Key(codec::Hmac(kind, salted.view(), {"Server Key"}));
  return keys;
}

ScramKeys DeriveScramKeys(DigestKind kind, std::string_view password, std::string_view salt,
                          uint32_t iterations) {
  ScramClientKeys client = DeriveScramClientKeys(kind, password, salt, iterations);
  ScramKeys keys;
  keys.kind = kind;
  keys.iterations = iterations;
  keys.salt = std::string(salt);
  keys.stored_key = std::move(client.stored_key);
  keys.server_key = std::move(client.server_key);
  return keys;
}

ScramKeys FakeScramKeys(DigestKind kind, std::string_view server_secret, std::string_view name,
                        uint32_t iterations) {
  const auto made = [&](std::string_view purpose) {
    const std::string_view digest = kind == DigestKind::kSha1 ? "1" : "256";
    return codec::Hmac(DigestKind::kSha256, server_secret, {purpose, digest, name});
  };
  ScramKeys keys;
  keys.kind = kind;
  keys.iterations = iterations;
  keys.salt = std::string(made("salt").view().substr(0, 16));
  keys.stored_key = Secret(made("stored").view().substr(0, codec::DigestBytes(kind)));
  keys.server_key = Secret(made("server").view().substr(0, codec::DigestBytes(kind)));
  return keys;
}

std::string ScramClientProof(DigestKind kind, const ScramClientKeys& keys,
                             std::string_view auth_message) {
  const codec::DigestValue signature = codec::Hmac(kind, keys.stored_key.view(), {auth_message});
  std::string proof(keys.client_key.view());
  CHECK(proof.size() == signature.size);
  for (size_t i = 0; i < proof.size(); ++i) {
    proof[i] = static_cast<char>(proof[i] ^ signature.octets[i]);
  }
  return proof;
}

bool ScramProofHolds(const ScramKeys& keys, std::string_view auth_message, std::string_view proof) {
  const codec::DigestValue signature =
      codec::Hmac(keys.kind, keys.stored_key.view(), {auth_message});
  if (proof.size() != signature.size) return false;
  codec::DigestValue client_key;
  client_key.size = signature.size;
  for (size_t i = 0; i < proof.size(); ++i) {
    client_key.octets[i] = static_cast<char>(proof[i] ^ signature.octets[i]);
  }
  return codec::ConstantTimeEqual(codec::Digest(keys.kind, {client_key.view()}).view(),
                                  keys.stored_key.view());
}

std::string ScramServerSignature(DigestKind kind, std::string_view server_key,
                                 std::string_view auth_message) {
  return std::string(codec::Hmac(kind, server_key, {auth_message}).view());
}

std::string FormatScramKeys(const ScramKeys& keys) {
  std::string text = std::to_string(keys.iterations);
  for (const std::string_view octets :
       {std::string_view(keys.salt), keys.stored_key.view(), keys.server_key.view()}) {
    text += ',';
    text += codec::ToBase64(octets, codec::Base64Form::kFlat, codec::Base64Padding::kRequired);
  }
  return text;
}

std::optional<ScramKeys> ParseScramKeys(DigestKind kind, std::string_view text) {
  const bool dovecot = text.find(',') != std::string_view::npos;
  const auto iterations = Cut(text, dovecot ? ',' : ':');
  const auto salt = Cut(text, dovecot ? ',' : '$');
  const auto stored_key = Cut(text, dovecot ? ',' : ':');
  if (!iterations || !salt || !stored_key) return std::nullopt;
  ScramKeys keys;
  keys.kind = kind;
  const char* const end = iterations->data() + iterations->size();
  const auto [stop, error] = std::from_chars(iterations->data(), end, keys.iterations);
  if (error != std::errc() || stop != end || keys.iterations == 0) return std::nullopt;
  if (keys.iterations > kScramIterationsMax) return std::nullopt;
  auto salt_octets = Base64(*salt), stored_octets = Base64(*stored_key),
       server_octets = Base64(text);
  if (!salt_octets || !stored_octets || !server_octets) return std::nullopt;
  if (salt_octets->empty() || salt_octets->size() > kScramSaltBytesMax) return std::nullopt;
  if (stored_octets->size() != codec::DigestBytes(kind)) return std::nullopt;
  if (server_octets->size() != codec::DigestBytes(kind)) return std::nullopt;
  keys.salt = *std::move(salt_octets);
  keys.stored_key = Secret(*std::move(stored_octets));
  keys.server_key = Secret(*std::move(server_octets));
  return keys;
}

}  // namespace ringmail::credential
