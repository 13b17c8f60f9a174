#include "ringmail/io/certificate.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/nid.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "io/tls/boring.h"
#include "io/tls/identity.h"
#include "ringmail/base/check.h"

namespace ringmail::io {
namespace {

using tls::Octets;
using tls::TakeErrors;

constexpr int kPointBytes = 32;                              // of P-256
constexpr char kAcmeIdentifierOid[] = "1.3.6.1.5.5.7.1.31";  // id-pe-acmeIdentifier, RFC 8737 §6.1

Status Wrong(std::string_view what) { return absl::InvalidArgumentError(Absl(what)); }
Status Failed(std::string_view what) {
  return absl::InternalError(Absl(std::string(what) + ": " + TakeErrors()));
}

StatusOr<bssl::UniquePtr<EVP_PKEY>> ReadP256(std::string_view pem) {
  ASSIGN_OR_RETURN(bssl::UniquePtr<EVP_PKEY> key, tls::ReadPrivateKey(pem));
  const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(key.get());
  ERR_clear_error();
  if (ec == nullptr || EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) != NID_X9_62_prime256v1)
    return Wrong("holds a key that is not on P-256");
  return key;
}

std::string TakePem(BIO& bio) {
  const uint8_t* text = nullptr;
  size_t bytes = 0;
  CHECK(BIO_mem_contents(&bio, &text, &bytes) == 1);
  return std::string(reinterpret_cast<const char*>(text), bytes);
}

// RFC 5280 §4.2.1.6: IA5String, so that ASCII is all there may be.
StatusOr<bssl::UniquePtr<GENERAL_NAMES>> AlternativeNames(const std::vector<std::string>& names) {
  if (names.empty() || names.size() > kCertificateNamesMax)
    return Wrong("needs 1 to " + std::to_string(kCertificateNamesMax) + " names");
  bssl::UniquePtr<GENERAL_NAMES> all(sk_GENERAL_NAME_new_null());
  CHECK(all != nullptr);
  for (const std::string& name : names) {
    const bool good = !name.empty() && name.size() <= kCertificateNameBytesMax &&
                      std::all_of(name.begin(), name.end(), [](char c) {
                        return c > ' ' && static_cast<unsigned char>(c) < 0x7F;
                      });
    if (!good) return Wrong("holds a name that no certificate can have");
    bssl::UniquePtr<GENERAL_NAME> one(GENERAL_NAME_new());
    bssl::UniquePtr<ASN1_IA5STRING> text(ASN1_IA5STRING_new());
    CHECK(one != nullptr && text != nullptr);
    CHECK(ASN1_STRING_set(text.get(), name.data(), static_cast<int>(name.size())) == 1);
    one->type = GEN_DNS;
    one->d.dNSName = text.release();
    CHECK(bssl::PushToStack(all.get(), std::move(one)));
  }
  return all;
}

Status AddExtension(X509& certificate, bssl::UniquePtr<X509_EXTENSION> extension) {
  if (extension == nullptr || X509_add_ext(&certificate, extension.get(), -1) != 1)
    return Failed("an extension cannot be made");
  return absl::OkStatus();
}

Status AddAcmeIdentifier(X509& certificate, std::string_view digest) {
  if (digest.size() != SHA256_DIGEST_LENGTH) return Wrong("needs 32 octets of a digest");
  // Authorization ::= OCTET STRING (SIZE (32)), in DER, in the octets of the extension.
  std::string der = {'\x04', '\x20'};
  der += digest;
  const bssl::UniquePtr<ASN1_OBJECT> oid(OBJ_txt2obj(kAcmeIdentifierOid, 1));
  const bssl::UniquePtr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new());
  CHECK(oid != nullptr && value != nullptr);
  CHECK(ASN1_OCTET_STRING_set(value.get(), Octets(der), static_cast<int>(der.size())) == 1);
  return AddExtension(certificate, bssl::UniquePtr<X509_EXTENSION>(X509_EXTENSION_create_by_OBJ(
                                       nullptr, oid.get(), /*crit=*/1, value.get())));
}

Status SetTimes(X509& certificate, const CertificateOptions& options) {
  const bssl::UniquePtr<ASN1_TIME> from(
      ASN1_TIME_set(nullptr, static_cast<time_t>(UnixSeconds(options.not_before))));
  const bssl::UniquePtr<ASN1_TIME> until(
      ASN1_TIME_set(nullptr, static_cast<time_t>(UnixSeconds(options.not_after))));
  if (from == nullptr || until == nullptr || X509_set1_notBefore(&certificate, from.get()) != 1 ||
      X509_set1_notAfter(&certificate, until.get()) != 1)
    return Failed("the time cannot be written");
  return absl::OkStatus();
}

Status SetNames(X509& certificate, const std::string& common_name) {
  // RFC 5280 §A.1: ub-common-name. A longer one stands in subjectAltName alone.
  constexpr size_t kCommonNameBytesMax = 64;
  const std::string& shown = common_name;
  const bssl::UniquePtr<X509_NAME> name(X509_NAME_new());
  CHECK(name != nullptr);
  const std::string text = shown.size() <= kCommonNameBytesMax ? shown : "ringmail";
  if (X509_NAME_add_entry_by_NID(name.get(), NID_commonName, MBSTRING_UTF8, Octets(text),
                                 static_cast<int>(text.size()), -1, 0) != 1 ||
      X509_set_subject_name(&certificate, name.get()) != 1 ||
      X509_set_issuer_name(&certificate, name.get()) != 1)
    return Failed("the name cannot be written");
  return absl::OkStatus();
}

// RFC 5280 §4.1.2.2: positive, and here nobody's before.
void SetSerial(X509& certificate) {
  uint8_t octets[16];
  RAND_bytes(octets, sizeof octets);
  octets[0] = static_cast<uint8_t>((octets[0] & 0x7F) | 0x40);
  const bssl::UniquePtr<BIGNUM> number(BN_bin2bn(octets, sizeof octets, nullptr));
  CHECK(number != nullptr);
  CHECK(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&certificate)) != nullptr);
}

}  // namespace

std::string MakePrivateKey() {
  const bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  const bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  const bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  CHECK(ec != nullptr && key != nullptr && bio != nullptr);
  CHECK(EC_KEY_generate_key(ec.get()) == 1 && EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) == 1);
  CHECK(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                      nullptr) == 1);
  return TakePem(*bio);
}

StatusOr<std::string> MakeSelfSignedCertificate(std::string_view private_key_pem,
                                                const CertificateOptions& options) {
  ASSIGN_OR_RETURN(const bssl::UniquePtr<EVP_PKEY> key, ReadP256(private_key_pem));
  ASSIGN_OR_RETURN(const bssl::UniquePtr<GENERAL_NAMES> names, AlternativeNames(options.names));
  const bssl::UniquePtr<X509> certificate(X509_new());
  CHECK(certificate != nullptr);
  CHECK(X509_set_version(certificate.get(), 2) == 1);  // RFC 5280 §4.1.2.1: 2 says v3
  SetSerial(*certificate);
  RETURN_IF_ERROR(SetNames(*certificate, options.names.front()));
  RETURN_IF_ERROR(SetTimes(*certificate, options));
  if (X509_set_pubkey(certificate.get(), key.get()) != 1)
    return Failed("the key cannot be written");
  RETURN_IF_ERROR(AddExtension(*certificate,
                               bssl::UniquePtr<X509_EXTENSION>(X509V3_EXT_nconf_nid(
                                   nullptr, nullptr, NID_basic_constraints, "critical,CA:FALSE"))));
  RETURN_IF_ERROR(AddExtension(*certificate,
                               bssl::UniquePtr<X509_EXTENSION>(X509V3_EXT_nconf_nid(
                                   nullptr, nullptr, NID_key_usage, "critical,digitalSignature"))));
  RETURN_IF_ERROR(AddExtension(*certificate, bssl::UniquePtr<X509_EXTENSION>(X509V3_EXT_i2d(
                                                 NID_subject_alt_name, /*crit=*/0, names.get()))));
  if (!options.acme_identifier.empty())
    RETURN_IF_ERROR(AddAcmeIdentifier(*certificate, options.acme_identifier));
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0)
    return Failed("the certificate cannot be signed");
  const bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  CHECK(bio != nullptr);
  if (PEM_write_bio_X509(bio.get(), certificate.get()) != 1)
    return Failed("the certificate cannot be written");
  return TakePem(*bio);
}

StatusOr<std::string> MakeCertificateRequest(std::string_view private_key_pem,
                                             const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(const bssl::UniquePtr<EVP_PKEY> key, ReadP256(private_key_pem));
  ASSIGN_OR_RETURN(const bssl::UniquePtr<GENERAL_NAMES> alternative, AlternativeNames(names));
  const bssl::UniquePtr<X509_REQ> request(X509_REQ_new());
  bssl::UniquePtr<STACK_OF(X509_EXTENSION)> extensions(sk_X509_EXTENSION_new_null());
  CHECK(request != nullptr && extensions != nullptr);
  bssl::UniquePtr<X509_EXTENSION> one(
      X509V3_EXT_i2d(NID_subject_alt_name, /*crit=*/0, alternative.get()));
  if (one == nullptr) return Failed("the names cannot be written");
  CHECK(bssl::PushToStack(extensions.get(), std::move(one)));
  uint8_t* der = nullptr;
  if (X509_REQ_set_version(request.get(), 0) != 1 ||  // RFC 2986 §4.1: 0 says v1
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_add_extensions(request.get(), extensions.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0)
    return Failed("the request cannot be made");
  const int bytes = i2d_X509_REQ(request.get(), &der);
  if (bytes <= 0) return Failed("the request cannot be written");
  const bssl::UniquePtr<uint8_t> free_der(der);
  return std::string(reinterpret_cast<const char*>(der), static_cast<size_t>(bytes));
}

StatusOr<std::string> SignEs256(std::string_view private_key_pem, std::string_view message) {
  ASSIGN_OR_RETURN(const bssl::UniquePtr<EVP_PKEY> key, ReadP256(private_key_pem));
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(Octets(message), message.size(), digest);
  const bssl::UniquePtr<ECDSA_SIG> signature(
      ECDSA_do_sign(digest, sizeof digest, EVP_PKEY_get0_EC_KEY(key.get())));
  if (signature == nullptr) return Failed("nothing can be signed");
  // RFC 7518 §3.4: both numbers at full length, one behind the other.
  uint8_t out[2 * kPointBytes];
  const BIGNUM *r = nullptr, *s = nullptr;
  ECDSA_SIG_get0(signature.get(), &r, &s);
  CHECK(BN_bn2bin_padded(out, kPointBytes, r) == 1);
  CHECK(BN_bn2bin_padded(out + kPointBytes, kPointBytes, s) == 1);
  return std::string(reinterpret_cast<const char*>(out), sizeof out);
}

StatusOr<PublicPoint> PublicPointOf(std::string_view private_key_pem) {
  ASSIGN_OR_RETURN(const bssl::UniquePtr<EVP_PKEY> key, ReadP256(private_key_pem));
  const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(key.get());
  const bssl::UniquePtr<BIGNUM> x(BN_new()), y(BN_new());
  CHECK(x != nullptr && y != nullptr);
  uint8_t octets[kPointBytes];
  if (EC_POINT_get_affine_coordinates_GFp(EC_KEY_get0_group(ec), EC_KEY_get0_public_key(ec),
                                          x.get(), y.get(), nullptr) != 1)
    return Failed("the key has no point");
  PublicPoint point;
  for (auto& [number, text] : {std::pair(x.get(), &point.x), std::pair(y.get(), &point.y)}) {
    CHECK(BN_bn2bin_padded(octets, kPointBytes, number) == 1);
    text->assign(reinterpret_cast<const char*>(octets), kPointBytes);
  }
  return point;
}

StatusOr<std::string> PublicKeyInfoOf(std::string_view certificate_pem) {
  ASSIGN_OR_RETURN(const auto chain, tls::ReadCertificates(certificate_pem));
  const bssl::UniquePtr<X509> leaf(X509_parse_from_buffer(chain.front().get()));
  CHECK(leaf != nullptr);
  uint8_t* der = nullptr;
  const int bytes = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf.get()), &der);
  if (bytes <= 0) return Failed("the key cannot be written");
  const bssl::UniquePtr<uint8_t> free_der(der);
  return std::string(reinterpret_cast<const char*>(der), static_cast<size_t>(bytes));
}

}  // namespace ringmail::io
