#include "ringmail/credential/token.h"

#include <simdjson.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "ringmail/codec/base64_text.h"
#include "ringmail/codec/digest.h"
#include "ringmail/codec/signature.h"

namespace ringmail::credential {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::string_view kAlgorithms[] = {"RS256", "ES256", "EdDSA"};

std::string_view NameOf(TokenAlgorithm algorithm) {
  return kAlgorithms[static_cast<size_t>(algorithm)];
}

std::optional<std::string> Octets(std::string_view text) {
  return codec::FromBase64(text, codec::Base64Form::kUrl, codec::Base64Padding::kNone);
}

// RFC 7519 §4: names are unique, and where they are not, readers differ about which one counts.
bool Unique(const object& from) {
  std::vector<std::string_view> names;
  for (const auto field : from) names.push_back(field.key);
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

bool Parse(simdjson::dom::parser& parser, std::string_view json, object& out) {
  if (parser.allocate(std::max<size_t>(json.size(), 64), kTokenJsonDepthMax) != simdjson::SUCCESS)
    return false;
  const simdjson::padded_string padded(json);
  return parser.parse(padded).get(out) == simdjson::SUCCESS && Unique(out);
}

enum class Has : uint8_t { kNone, kText, kOther };
Has TakeText(const object& from, std::string_view name, std::string_view& out) {
  element found;
  if (from.at_key(name).get(found) != simdjson::SUCCESS) return Has::kNone;
  return found.get(out) == simdjson::SUCCESS ? Has::kText : Has::kOther;
}

// --- keys (RFC 7517, RFC 7518 §6, RFC 8037 §2) ---

Status Wrong(std::string_view id, std::string_view what) {
  std::string text = "key \"" + std::string(id) + "\": " + std::string(what);
  return absl::InvalidArgumentError(Absl(text));
}

// Nothing: a key of another kind, which RFC 7517 §5 asks to ignore.
StatusOr<std::optional<TokenKey>> ReadKey(const object& from) {
  TokenKey key;
  std::string_view kty, crv, use, alg, id, text;
  if (TakeText(from, "kid", id) == Has::kOther) return Wrong("", "kid is no string");
  key.id = id;
  if (!Unique(from)) return Wrong(id, "a name comes twice");
  if (TakeText(from, "kty", kty) != Has::kText) return Wrong(id, "kty is missing");
  (void)TakeText(from, "crv", crv);
  if (kty == "RSA") {
    key.algorithm = TokenAlgorithm::kRs256;
  } else if (kty == "EC" && crv == "P-256") {
    key.algorithm = TokenAlgorithm::kEs256;
  } else if (kty == "OKP" && crv == "Ed25519") {
    key.algorithm = TokenAlgorithm::kEdDsa;
  } else {
    return std::optional<TokenKey>();
  }
  if (TakeText(from, "use", use) != Has::kNone && use != "sig") return std::optional<TokenKey>();
  if (TakeText(from, "alg", alg) != Has::kNone && alg != NameOf(key.algorithm)) {
    return std::optional<TokenKey>();
  }
  if (TakeText(from, "d", text) != Has::kNone) return Wrong(id, "it is a private key");
  const bool rsa = key.algorithm == TokenAlgorithm::kRs256;
  const auto take = [&](std::string_view name, std::string& out) {
    if (TakeText(from, name, text) != Has::kText) return false;
    auto octets = Octets(text);
    if (!octets || octets->empty()) return false;
    out = *std::move(octets);
    return rsa || out.size() == 32;
  };
  const bool whole =
      rsa ? take("n", key.a) && take("e", key.b)
          : take("x", key.a) && (key.algorithm == TokenAlgorithm::kEdDsa || take("y", key.b));
  if (!whole) return Wrong(id, "a number of it is missing, or no base64url of its length");
  if (rsa) {
    const size_t bits = codec::RsaBits({.modulus = key.a, .exponent = key.b});
    if (bits < kTokenRsaBitsMin || bits > codec::kRsaBitsMax) {
      return Wrong(id, "an RSA key has 2048 to 4096 bits (RFC 7518 §3.3)");
    }
  }
  return std::optional<TokenKey>(std::move(key));
}

// --- tokens ---

struct Parts {
  std::string_view header, payload, signature, signed_text;
};
std::optional<Parts> Split(std::string_view token) {
  const size_t first = token.find('.');
  const size_t second = first == token.npos ? first : token.find('.', first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos) return std::nullopt;
  return Parts{.header = token.substr(0, first),
               .payload = token.substr(first + 1, second - first - 1),
               .signature = token.substr(second + 1),
               .signed_text = token.substr(0, second)};
}

bool Signed(const TokenKey& key, std::string_view text, std::string_view signature) {
  if (key.algorithm == TokenAlgorithm::kEdDsa) {
    return codec::VerifyEd25519(key.a, text, signature);
  }
  const codec::DigestValue digest = codec::Digest(codec::DigestKind::kSha256, {text});
  if (key.algorithm == TokenAlgorithm::kEs256) {
    return codec::VerifyP256({.x = key.a, .y = key.b}, digest.view(), signature);
  }
  return codec::VerifyRsa({.modulus = key.a, .exponent = key.b}, codec::DigestKind::kSha256,
                          digest.view(), signature);
}

// "" or what is wrong with header and signature. `unknown_key`: another set of keys may have the
// one that it is of.
std::string JudgeSignature(const TokenKeys& keys, const Parts& parts, bool& unknown_key) {
  const auto header_octets = Octets(parts.header), signature = Octets(parts.signature);
  if (!header_octets || !signature) return "no base64url";
  simdjson::dom::parser parser;
  object header;
  if (!Parse(parser, *header_octets, header)) return "the header is no JSON object";
  std::string_view alg, id;
  if (TakeText(header, "alg", alg) != Has::kText) return "no alg";
  // RFC 7515 §4.1.11: we know no extension; RFC 7797 is one.
  element ignored;
  if (header.at_key("crit").get(ignored) == simdjson::SUCCESS) return "an unknown extension (crit)";
  const auto algorithm = std::find(std::begin(kAlgorithms), std::end(kAlgorithms), alg);
  if (algorithm == std::end(kAlgorithms)) return "alg is none of RS256, ES256, EdDSA";
  const Has named = TakeText(header, "kid", id);
  if (named == Has::kOther) return "kid is no string";
  bool tried = false;
  unknown_key = true;
  for (const TokenKey& key : keys.keys) {
    if (NameOf(key.algorithm) != alg) continue;
    if (named == Has::kText && !key.id.empty() && key.id != id) continue;
    tried = true;
    if (Signed(key, parts.signed_text, *signature)) {
      unknown_key = false;
      return "";
    }
    // A key that it names by its kid is the one that it means.
    if (named == Has::kText && !key.id.empty()) unknown_key = false;
  }
  return tried ? "the signature does not hold" : "no key of its kid and alg";
}

// A JWT, or what introspection tells of a token.
enum class TokenForm : uint8_t { kJwt, kIntrospected };

bool HoldsAudience(const object& claims, const std::vector<std::string>& wanted) {
  const auto is = [&](std::string_view one) {
    return std::find(wanted.begin(), wanted.end(), one) != wanted.end();
  };
  element aud;
  if (claims.at_key("aud").get(aud) != simdjson::SUCCESS) return false;
  std::string_view text;
  if (aud.get(text) == simdjson::SUCCESS) return is(text);
  array several;
  if (aud.get(several) != simdjson::SUCCESS) return false;
  bool found = false;
  for (const element one : several) {
    if (one.get(text) != simdjson::SUCCESS) return false;
    found |= is(text);
  }
  return found;
}

// RFC 6749 §3.3: words between single spaces.
bool HoldsScope(std::string_view scopes, std::string_view wanted) {
  while (!scopes.empty()) {
    const size_t space = std::min(scopes.find(' '), scopes.size());
    if (scopes.substr(0, space) == wanted) return true;
    scopes.remove_prefix(std::min(space + 1, scopes.size()));
  }
  return false;
}

// "" or what is wrong with the times. RFC 7519 §4.1.4, §4.1.5, §4.1.6.
std::string JudgeTimes(const object& claims, std::chrono::seconds skew, WallTime now,
                       TokenForm form) {
  const auto present = static_cast<double>(UnixSeconds(now));
  const auto slack = static_cast<double>(skew.count());
  element claim;
  double at = 0;
  // RFC 9068 §2.2 has it required: a token for ever is none. RFC 7662 §2.2: "active" stands for it.
  if (claims.at_key("exp").get(claim) == simdjson::SUCCESS) {
    if (claim.get(at) != simdjson::SUCCESS) return "exp is no number";
    if (!(present < at + slack)) return "it has expired";
  } else if (form == TokenForm::kJwt) {
    return "no exp";
  }
  for (const std::string_view name : {"nbf", "iat"}) {
    if (claims.at_key(name).get(claim) != simdjson::SUCCESS) continue;
    if (claim.get(at) != simdjson::SUCCESS) return std::string(name) + " is no number";
    if (!(present + slack >= at)) return "it is not valid yet";
  }
  return "";
}

std::string JudgeClaims(const TokenPolicy& policy, const object& claims, WallTime now,
                        TokenForm form, std::string& account) {
  std::string_view text;
  const bool jwt = form == TokenForm::kJwt;
  if (jwt || !policy.issuer.empty()) {
    if (TakeText(claims, "iss", text) != Has::kText || text != policy.issuer)
      return "another issuer";
  }
  if ((jwt || !policy.audiences.empty()) && !HoldsAudience(claims, policy.audiences))
    return "for another audience";
  if (std::string why = JudgeTimes(claims, policy.skew, now, form); !why.empty()) return why;
  if (!policy.scope.empty() &&
      (TakeText(claims, "scope", text) != Has::kText || !HoldsScope(text, policy.scope))) {
    return "without the scope";
  }
  if (TakeText(claims, policy.account_claim, text) != Has::kText || text.empty()) {
    return "no " + policy.account_claim;
  }
  account = text;
  // OpenID Connect Core §5.1: an address that nobody has checked proves nothing.
  element verified;
  bool yes = false;
  if (policy.account_claim == "email" &&
      claims.at_key("email_verified").get(verified) == simdjson::SUCCESS &&
      (verified.get(yes) != simdjson::SUCCESS || !yes)) {
    return "an address that is not verified";
  }
  return "";
}

}  // namespace

StatusOr<TokenKeys> TokenKeys::Parse(std::string_view json) {
  if (json.size() > kTokenKeySetBytesMax) {
    return absl::InvalidArgumentError("the key set is longer than 256 KiB");
  }
  simdjson::dom::parser parser;
  object root;
  array keys;
  if (!credential::Parse(parser, json, root) ||
      root.at_key("keys").get(keys) != simdjson::SUCCESS) {
    return absl::InvalidArgumentError("no JWK set (RFC 7517 §5)");
  }
  if (keys.size() > kTokenKeysMax) return absl::InvalidArgumentError("more than 64 keys");
  TokenKeys set;
  for (const element one : keys) {
    object key;
    if (one.get(key) != simdjson::SUCCESS) {
      return absl::InvalidArgumentError("a key is no JSON object");
    }
    ASSIGN_OR_RETURN(std::optional<TokenKey> read, ReadKey(key));
    if (read) {
      set.keys.push_back(*std::move(read));
    } else {
      ++set.ignored;
    }
  }
  if (set.keys.empty()) {
    return absl::InvalidArgumentError("no key for RS256, ES256 or EdDSA with Ed25519 is in it");
  }
  return set;
}

TokenResult VerifyToken(const TokenPolicy& policy, std::string_view token, WallTime now) {
  TokenResult result;
  const auto parts = token.size() <= kTokenBytesMax ? Split(token) : std::nullopt;
  if (!parts) {
    result.why = token.size() <= kTokenBytesMax ? "no JWT" : "longer than 8192 octets";
    return result;
  }
  // RFC 8725 §3.1: nothing of what it says counts before its signature holds.
  result.why = JudgeSignature(policy.keys, *parts, result.unknown_key);
  if (!result.why.empty()) return result;
  const auto payload = Octets(parts->payload);
  simdjson::dom::parser parser;
  object claims;
  if (!payload || !Parse(parser, *payload, claims)) {
    result.why = "the claims are no JSON object";
    return result;
  }
  result.why = JudgeClaims(policy, claims, now, TokenForm::kJwt, result.account);
  result.accepted = result.why.empty();
  if (!result.accepted) result.account.clear();
  return result;
}

Introspection ReadIntrospection(const TokenPolicy& policy, std::string_view json, WallTime now) {
  Introspection read;
  TokenResult& result = read.result;
  simdjson::dom::parser parser;
  object claims;
  element active;
  bool is_active = false;
  if (json.size() > kTokenIntrospectionBytesMax || !Parse(parser, json, claims) ||
      claims.at_key("active").get(active) != simdjson::SUCCESS ||
      active.get(is_active) != simdjson::SUCCESS) {
    result.why = "no answer as RFC 7662 §2.2 has it";
    return read;
  }
  read.understood = true;
  if (!is_active) {
    // It may be of somebody else, or never have been: the authority does not say.
    result.why = "the authority says that it is not active";
    return read;
  }
  element exp;
  double at = 0;
  if (claims.at_key("exp").get(exp) == simdjson::SUCCESS && exp.get(at) == simdjson::SUCCESS &&
      at >= 0 && at < static_cast<double>(UnixSeconds(WallTime::max()))) {
    read.ends = FromUnixSeconds(static_cast<int64_t>(at));
  }
  result.why = JudgeClaims(policy, claims, now, TokenForm::kIntrospected, result.account);
  result.accepted = result.why.empty();
  if (!result.accepted) result.account.clear();
  return read;
}

}  // namespace ringmail::credential
