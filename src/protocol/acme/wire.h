// The octets of ACME: JSON to typed objects and back, and the envelope that signs a request
// (RFC 8555 §6.2, RFC 7515). Pure; reads what an authority says without fear.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/time.h"
#include "ringmail/io/certificate.h"
#include "ringmail/protocol/acme.h"

namespace ringmail::acme {

// --- from the authority; nullopt: not what RFC 8555 says it is ---

struct DirectoryObject {  // §7.1.1
  std::string new_nonce, new_account, new_order;
  std::string terms_of_service;
  bool external_account_required = false;
};
std::optional<DirectoryObject> ParseDirectoryObject(std::string_view json);

struct Problem {       // §6.7, RFC 7807
  std::string type;    // without "urn:ietf:params:acme:error:"; "" where it is of another kind
  std::string detail;  // for the log: without controls, and cut
};
// Never fails: what cannot be read says nothing.
Problem ParseProblem(std::string_view json);

enum class OrderStatus : uint8_t { kPending, kReady, kProcessing, kValid, kInvalid };
struct OrderObject {  // §7.1.3
  OrderStatus status = OrderStatus::kPending;
  std::vector<std::string> authorizations;
  std::string finalize, certificate;
  Problem error;
};
std::optional<OrderObject> ParseOrderObject(std::string_view json);

enum class AuthorizationStatus : uint8_t {
  kPending,
  kValid,
  kInvalid  // or deactivated, expired, revoked
};
struct ChallengeObject {  // §8
  std::string type, url, token;
  bool begun = false;  // no longer "pending"
  Problem error;
};
struct AuthorizationObject {  // §7.1.4
  AuthorizationStatus status = AuthorizationStatus::kPending;
  std::string name;
  std::vector<ChallengeObject> challenges;
};
std::optional<AuthorizationObject> ParseAuthorizationObject(std::string_view json);

// An https URL that we would call.
bool GoodUrl(std::string_view url);
// §6.5.1: base64url, and not empty.
bool GoodNonce(std::string_view nonce);
// RFC 9110 §10.2.3, seconds or a date; nullopt: neither.
std::optional<std::chrono::seconds> ParseRetryAfter(std::string_view value, WallTime now);

// --- to the authority ---

std::string NewAccountPayload(const std::vector<std::string>& contacts);
std::string NewOrderPayload(const std::vector<std::string>& names);
std::string FinalizePayload(std::string_view request_der);

// RFC 7517, members in the order of RFC 7638 §3.
std::string KeyObject(const io::PublicPoint& point);
// base64url(SHA-256(KeyObject)) (RFC 7638).
std::string Thumbprint(const io::PublicPoint& point);
// §8.1.
std::string KeyAuthorization(std::string_view token, std::string_view thumbprint);

// What is signed, before it is. `account_url` "" puts the key itself in (§6.2).
struct Envelope {
  std::string protected_header, payload;  // base64url
  std::string SigningInput() const { return protected_header + "." + payload; }
  std::string Sealed(std::string_view signature) const;
};
Envelope MakeEnvelope(std::string_view url, std::string_view nonce, std::string_view account_url,
                      const io::PublicPoint& point, std::string_view payload);

}  // namespace ringmail::acme
