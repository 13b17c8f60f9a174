#include "protocol/acme/wire.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "absl/time/time.h"
#include "protocol/acme/limits.h"
#include "ringmail/codec/base64_text.h"
#include "ringmail/codec/digest.h"
#include "ringmail/session/http_client.h"

namespace ringmail::acme {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

std::string Base64Url(std::string_view octets) {
  return codec::ToBase64(octets, codec::Base64Form::kUrl, codec::Base64Padding::kNone);
}

bool Base64UrlText(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// A document of JSON whose root is an object.
class Document {
 public:
  explicit Document(std::string_view json) {
    good_ = json.size() <= kAnswerBytesMax &&
            parser_.parse(json.data(), json.size()).get(root_) == simdjson::SUCCESS &&
            root_.get(object_) == simdjson::SUCCESS;
  }
  bool good() const { return good_; }
  const object& root() const { return object_; }

 private:
  simdjson::dom::parser parser_;
  element root_;
  object object_;
  bool good_ = false;
};

// A member's text; "" where it is not there or no text.
std::string_view Text(const object& in, std::string_view name) {
  std::string_view text;
  return in.at_key(name).get(text) == simdjson::SUCCESS ? text : std::string_view();
}

bool TakeUrl(const object& in, std::string_view name, std::string& out) {
  const std::string_view url = Text(in, name);
  if (!GoodUrl(url)) return false;
  out = url;
  return true;
}

// For the log: one line of what an authority says.
std::string Shown(std::string_view text) {
  std::string out(text.substr(0, kProblemBytesMax));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') c = ' ';
  }
  return out;
}

Problem ProblemOf(const object& in) {
  constexpr std::string_view kPrefix = "urn:ietf:params:acme:error:";
  Problem problem;
  const std::string_view type = Text(in, "type");
  if (type.starts_with(kPrefix)) problem.type = Shown(type.substr(kPrefix.size()));
  problem.detail = Shown(Text(in, "detail"));
  // §6.7.1: what is wrong with which name stands below.
  simdjson::dom::array parts;
  if (in.at_key("subproblems").get(parts) != simdjson::SUCCESS) return problem;
  for (const element one : parts) {
    object part;
    if (one.get(part) != simdjson::SUCCESS || problem.detail.size() >= kProblemBytesMax) continue;
    problem.detail += "; " + Shown(Text(part, "detail"));
  }
  problem.detail.resize(std::min(problem.detail.size(), kProblemBytesMax));
  return problem;
}

Problem ErrorOf(const object& in) {
  object error;
  return in.at_key("error").get(error) == simdjson::SUCCESS ? ProblemOf(error) : Problem{};
}

template <typename Enum>
struct Named {
  std::string_view name;
  Enum value;
};
template <typename Enum>
bool TakeNamed(std::string_view text, std::initializer_list<Named<Enum>> names, Enum& out) {
  for (const Named<Enum>& one : names) {
    if (one.name != text) continue;
    out = one.value;
    return true;
  }
  return false;
}

void AppendText(std::string& out, std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  for (char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (octet < ' ' || octet == 0x7F) {
      out += "\\u00";
      out += kDigits[octet >> 4];
      out += kDigits[octet & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

struct Member {
  std::string_view name, value;
};
std::string TextObject(std::initializer_list<Member> members) {
  std::string out = "{";
  for (const Member& one : members) {
    if (out.size() > 1) out += ',';
    AppendText(out, one.name);
    out += ':';
    AppendText(out, one.value);
  }
  return out + "}";
}

// Challenges of kinds that we do not know may lack what ours need.
std::optional<ChallengeObject> ReadChallenge(const object& in) {
  ChallengeObject challenge;
  challenge.type = Text(in, "type");
  const std::string_view token = Text(in, "token");
  if (challenge.type.empty() || !TakeUrl(in, "url", challenge.url)) return std::nullopt;
  // §8.1: the token goes into file names and headers of who is not careful.
  if (token.size() > kTokenBytesMax || !Base64UrlText(token)) return std::nullopt;
  challenge.token = token;
  challenge.begun = Text(in, "status") != "pending";
  challenge.error = ErrorOf(in);
  return challenge;
}

}  // namespace

bool GoodUrl(std::string_view url) {
  if (url.size() > kUrlBytesMax) return false;
  const auto parsed = session::HttpUrl::Parse(url);
  return parsed && parsed->tls;  // §6.1
}

bool GoodNonce(std::string_view nonce) {
  return nonce.size() <= kNonceBytesMax && Base64UrlText(nonce);
}

std::optional<std::chrono::seconds> ParseRetryAfter(std::string_view value, WallTime now) {
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  const bool number = !value.empty() && value.front() != '-' && end == value.data() + value.size();
  if (number && error == std::errc::result_out_of_range) return kRetryAfterMax;
  if (!number || error != std::errc()) {
    absl::Time time;
    std::string problem;
    // abseil takes "infinite-past" for a date whatever the format says.
    if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", Absl(value), &time, &problem) ||
        time == absl::InfinitePast() || time == absl::InfiniteFuture())
      return std::nullopt;
    // Of any year: a duration of abseil saturates.
    seconds = absl::ToInt64Seconds(time - absl::FromUnixSeconds(UnixSeconds(now)));
  }
  return std::clamp(std::chrono::seconds(seconds), std::chrono::seconds(0), kRetryAfterMax);
}

std::optional<DirectoryObject> ParseDirectoryObject(std::string_view json) {
  const Document document(json);
  DirectoryObject out;
  if (!document.good() || !TakeUrl(document.root(), "newNonce", out.new_nonce) ||
      !TakeUrl(document.root(), "newAccount", out.new_account) ||
      !TakeUrl(document.root(), "newOrder", out.new_order))
    return std::nullopt;
  object meta;
  if (document.root().at_key("meta").get(meta) != simdjson::SUCCESS) return out;
  out.terms_of_service = Shown(Text(meta, "termsOfService"));
  bool required = false;
  if (meta.at_key("externalAccountRequired").get(required) == simdjson::SUCCESS)
    out.external_account_required = required;
  return out;
}

Problem ParseProblem(std::string_view json) {
  const Document document(json);
  return document.good() ? ProblemOf(document.root()) : Problem{};
}

std::optional<OrderObject> ParseOrderObject(std::string_view json) {
  const Document document(json);
  OrderObject out;
  if (!document.good()) return std::nullopt;
  const object& root = document.root();
  if (!TakeNamed(Text(root, "status"),
                 {{"pending", OrderStatus::kPending},
                  {"ready", OrderStatus::kReady},
                  {"processing", OrderStatus::kProcessing},
                  {"valid", OrderStatus::kValid},
                  {"invalid", OrderStatus::kInvalid}},
                 out.status) ||
      !TakeUrl(root, "finalize", out.finalize))
    return std::nullopt;
  out.error = ErrorOf(root);
  simdjson::dom::array authorizations;
  if (root.at_key("authorizations").get(authorizations) != simdjson::SUCCESS) return std::nullopt;
  for (const element one : authorizations) {
    std::string_view url;
    if (one.get(url) != simdjson::SUCCESS || !GoodUrl(url) ||
        out.authorizations.size() >= kNamesMax)
      return std::nullopt;
    out.authorizations.emplace_back(url);
  }
  const bool certificate = TakeUrl(root, "certificate", out.certificate);
  if (out.status == OrderStatus::kValid && !certificate) return std::nullopt;
  return out;
}

std::optional<AuthorizationObject> ParseAuthorizationObject(std::string_view json) {
  const Document document(json);
  AuthorizationObject out;
  if (!document.good()) return std::nullopt;
  const object& root = document.root();
  if (!TakeNamed(Text(root, "status"),
                 {{"pending", AuthorizationStatus::kPending},
                  {"valid", AuthorizationStatus::kValid},
                  {"invalid", AuthorizationStatus::kInvalid},
                  {"deactivated", AuthorizationStatus::kInvalid},
                  {"expired", AuthorizationStatus::kInvalid},
                  {"revoked", AuthorizationStatus::kInvalid}},
                 out.status))
    return std::nullopt;
  object identifier;
  if (root.at_key("identifier").get(identifier) != simdjson::SUCCESS ||
      Text(identifier, "type") != "dns" || Text(identifier, "value").empty() ||
      Text(identifier, "value").size() > io::kCertificateNameBytesMax)
    return std::nullopt;
  out.name = Text(identifier, "value");
  simdjson::dom::array challenges;
  if (root.at_key("challenges").get(challenges) != simdjson::SUCCESS) return std::nullopt;
  for (const element one : challenges) {
    object challenge;
    if (one.get(challenge) != simdjson::SUCCESS) return std::nullopt;
    if (auto read = ReadChallenge(challenge)) out.challenges.push_back(*std::move(read));
  }
  return out;
}

std::string NewAccountPayload(const std::vector<std::string>& contacts) {
  // §7.3: the operator has agreed, or nobody would call us.
  std::string out = "{\"termsOfServiceAgreed\":true";
  if (!contacts.empty()) {
    out += ",\"contact\":[";
    for (const std::string& one : contacts) {
      if (out.back() != '[') out += ',';
      AppendText(out, one);
    }
    out += ']';
  }
  return out + "}";
}

std::string NewOrderPayload(const std::vector<std::string>& names) {
  std::string out = "{\"identifiers\":[";
  for (const std::string& name : names) {
    if (out.back() != '[') out += ',';
    out += TextObject({{"type", "dns"}, {"value", name}});
  }
  return out + "]}";
}

std::string FinalizePayload(std::string_view request_der) {
  return TextObject({{"csr", Base64Url(request_der)}});
}

std::string KeyObject(const io::PublicPoint& point) {
  return TextObject(
      {{"crv", "P-256"}, {"kty", "EC"}, {"x", Base64Url(point.x)}, {"y", Base64Url(point.y)}});
}

std::string Thumbprint(const io::PublicPoint& point) {
  return Base64Url(codec::Digest(codec::DigestKind::kSha256, {KeyObject(point)}).view());
}

std::string KeyAuthorization(std::string_view token, std::string_view thumbprint) {
  return std::string(token) + "." + std::string(thumbprint);
}

std::string Envelope::Sealed(std::string_view signature) const {
  return TextObject(
      {{"protected", protected_header}, {"payload", payload}, {"signature", Base64Url(signature)}});
}

Envelope MakeEnvelope(std::string_view url, std::string_view nonce, std::string_view account_url,
                      const io::PublicPoint& point, std::string_view payload) {
  std::string header = TextObject({{"alg", "ES256"}, {"nonce", nonce}, {"url", url}});
  header.pop_back();
  if (account_url.empty()) {
    header += ",\"jwk\":" + KeyObject(point) + "}";
  } else {
    header += ",\"kid\":";
    AppendText(header, account_url);
    header += '}';
  }
  // §6.3: what only reads has an empty payload.
  return {.protected_header = Base64Url(header),
          .payload = payload.empty() ? std::string() : Base64Url(payload)};
}

// --- what is kept ---

std::string EncodeState(const AcmeState& state) {
  return TextObject({{"directory", state.directory_url},
                     {"account_key", state.account_key},
                     {"account", state.account_url},
                     {"order", state.order_url},
                     {"certificate_key", state.certificate_key},
                     {"names", state.order_names}});
}

std::optional<AcmeState> DecodeState(std::string_view text) {
  const Document document(text);
  if (!document.good()) return std::nullopt;
  const object& root = document.root();
  AcmeState state;
  state.directory_url = Text(root, "directory");
  state.account_key = Text(root, "account_key");
  state.account_url = Text(root, "account");
  state.order_url = Text(root, "order");
  state.certificate_key = Text(root, "certificate_key");
  state.order_names = Text(root, "names");
  for (const std::string* url : {&state.account_url, &state.order_url}) {
    if (!url->empty() && !GoodUrl(*url)) return std::nullopt;
  }
  return state;
}

std::string EncodeCertificate(const AcmeCertificate& certificate) {
  return TextObject({{"directory", certificate.directory_url},
                     {"certificate", certificate.certificate_pem},
                     {"key", certificate.private_key_pem}});
}

std::optional<AcmeCertificate> DecodeCertificate(std::string_view text) {
  const Document document(text);
  if (!document.good()) return std::nullopt;
  AcmeCertificate out;
  out.directory_url = Text(document.root(), "directory");
  out.certificate_pem = Text(document.root(), "certificate");
  out.private_key_pem = Text(document.root(), "key");
  return out;
}

}  // namespace ringmail::acme
