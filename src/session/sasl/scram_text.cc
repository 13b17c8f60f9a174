#include "session/sasl/scram_text.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "ringmail/codec/base64_text.h"

namespace ringmail::session {
namespace {

// "k=value" up to the next comma or the end, taken with its comma.
std::optional<std::string_view> TakeAttribute(std::string_view& message, char name) {
  if (message.size() < 2 || message[0] != name || message[1] != '=') return std::nullopt;
  const size_t comma = std::min(message.find(','), message.size());
  const std::string_view value = message.substr(2, comma - 2);
  message.remove_prefix(std::min(comma + 1, message.size()));
  return value;
}

std::optional<std::string> Base64(std::string_view text) {
  return codec::FromBase64(text, codec::Base64Form::kFlat, codec::Base64Padding::kRequired);
}

}  // namespace

std::string EscapeSaslName(std::string_view name) {
  std::string text;
  for (const char octet : name) {
    if (octet == ',') {
      text += "=2C";
    } else if (octet == '=') {
      text += "=3D";
    } else {
      text += octet;
    }
  }
  return text;
}

std::optional<std::string> UnescapeSaslName(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    if (text[0] == '=') {
      // RFC 5802 §5.1: any other "=" fails the authentication.
      if (!text.starts_with("=2C") && !text.starts_with("=3D")) return std::nullopt;
      name += text[2] == 'C' ? ',' : '=';
      text.remove_prefix(3);
    } else {
      if (text[0] == ',' || text[0] == '\0') return std::nullopt;
      name += text[0];
      text.remove_prefix(1);
    }
  }
  return name;
}

bool ScramPrintable(std::string_view text) {
  for (const char octet : text) {
    if (octet < 0x21 || octet > 0x7e || octet == ',') return false;
  }
  return !text.empty();
}

std::string_view ChannelBinding(const SaslChannel& channel, std::string_view name) {
  if (name == "tls-exporter") return channel.tls_exporter;
  if (name == "tls-server-end-point") return channel.tls_server_end_point;
  return {};
}

bool ScramPlus(SaslMechanism mechanism) {
  return mechanism == SaslMechanism::kScramSha1Plus || mechanism == SaslMechanism::kScramSha256Plus;
}

codec::DigestKind ScramDigest(SaslMechanism mechanism) {
  const bool sha1 =
      mechanism == SaslMechanism::kScramSha1 || mechanism == SaslMechanism::kScramSha1Plus;
  return sha1 ? codec::DigestKind::kSha1 : codec::DigestKind::kSha256;
}

std::optional<Gs2Header> TakeGs2Header(std::string_view& message) {
  Gs2Header header;
  const size_t comma = message.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const std::string_view flag = message.substr(0, comma);
  if (flag == "n") {
    header.binding = Gs2Binding::kNone;
  } else if (flag == "y") {
    header.binding = Gs2Binding::kClientOnly;
  } else if (flag.starts_with("p=") && ScramPrintable(flag.substr(2))) {
    header.binding = Gs2Binding::kUsed;
    header.binding_name = flag.substr(2);
  } else {
    return std::nullopt;
  }
  message.remove_prefix(comma + 1);
  const size_t second = message.find(',');
  if (second == std::string_view::npos) return std::nullopt;
  const std::string_view authorization = message.substr(0, second);
  message.remove_prefix(second + 1);
  if (authorization.empty()) return header;
  if (!authorization.starts_with("a=") || authorization.size() == 2) return std::nullopt;
  auto name = UnescapeSaslName(authorization.substr(2));
  if (!name) return std::nullopt;
  header.authorization_id = *std::move(name);
  return header;
}

std::optional<ScramClientFirst> ParseScramClientFirst(std::string_view message) {
  ScramClientFirst first;
  const std::string_view whole = message;
  auto header = TakeGs2Header(message);
  if (!header) return std::nullopt;
  first.binding = header->binding;
  first.binding_name = header->binding_name;
  first.authorization_id = std::move(header->authorization_id);
  first.gs2_header = whole.substr(0, whole.size() - message.size());
  first.bare = message;
  // RFC 5802 §5.1: "m=" is reserved, and whoever does not know it fails: it is no "n=" here.
  const auto name_text = TakeAttribute(message, 'n');
  const auto nonce = TakeAttribute(message, 'r');
  if (!name_text || !nonce || !ScramPrintable(*nonce)) return std::nullopt;
  auto name = UnescapeSaslName(*name_text);
  if (!name) return std::nullopt;
  first.name = *std::move(name);
  first.nonce = *nonce;
  return first;
}

std::optional<ScramClientFinal> ParseScramClientFinal(std::string_view message) {
  ScramClientFinal last;
  const std::string_view whole = message;
  const auto binding = TakeAttribute(message, 'c');
  const auto nonce = TakeAttribute(message, 'r');
  // RFC 5802 §7: the proof is the last; extensions before it are ignored.
  const size_t at = whole.rfind(",p=");
  if (!binding || !nonce || at == std::string_view::npos) return std::nullopt;
  if (at < whole.size() - message.size() - 1) return std::nullopt;
  auto octets = Base64(*binding), proof = Base64(whole.substr(at + 3));
  if (!octets || !proof) return std::nullopt;
  last.binding = *std::move(octets);
  last.proof = *std::move(proof);
  last.nonce = *nonce;
  last.without_proof = whole.substr(0, at);
  return last;
}

std::optional<ScramServerFirst> ParseScramServerFirst(std::string_view message) {
  ScramServerFirst first;
  const auto nonce = TakeAttribute(message, 'r');
  const auto salt_text = TakeAttribute(message, 's');
  const auto count = TakeAttribute(message, 'i');
  if (!nonce || !salt_text || !count || !ScramPrintable(*nonce)) return std::nullopt;
  auto salt = Base64(*salt_text);
  if (!salt || salt->empty() || salt->size() > credential::kScramSaltBytesMax) return std::nullopt;
  const char* const end = count->data() + count->size();
  const auto [stop, error] = std::from_chars(count->data(), end, first.iterations);
  if (error != std::errc() || stop != end || first.iterations == 0) return std::nullopt;
  first.nonce = *nonce;
  first.salt = *std::move(salt);
  return first;
}

}  // namespace ringmail::session
