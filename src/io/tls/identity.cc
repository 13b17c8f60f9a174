#include "io/tls/identity.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "ringmail/base/check.h"

namespace ringmail::io::tls {
namespace {

Status Wrong(std::string_view what) { return absl::InvalidArgumentError(Absl(what)); }

// ringmail is started by machines: nobody is there to be asked.
int NoPassword(char*, int, int, void*) { return -1; }

WallTime TimeOf(const ASN1_TIME* time) {
  bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0, seconds = 0;
  if (epoch == nullptr || ASN1_TIME_diff(&days, &seconds, epoch.get(), time) != 1) return {};
  // RFC 5280 §4.1.2.5 has times until the year 9999; ours end before.
  constexpr int64_t kSecondsMax = std::numeric_limits<int64_t>::max() / 1'000'000'000 - 1;
  const int64_t at = int64_t{days} * 86'400 + seconds;
  return FromUnixSeconds(std::clamp(at, -kSecondsMax, kSecondsMax));
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string TextOf(const ASN1_STRING* text) {
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<size_t>(ASN1_STRING_length(text)));
}

// What we are willing to prove ourselves with.
Status JudgeKey(EVP_PKEY& key, Identity& identity) {
  switch (EVP_PKEY_id(&key)) {
    case EVP_PKEY_RSA: {
      const int bits = EVP_PKEY_bits(&key);
      identity.kind = KeyKind::kRsa;
      identity.facts.key = "RSA " + std::to_string(bits);
      // RFC 9325 §4.5.
      if (bits < 2048) return Wrong("holds an RSA key of less than 2048 bits");
      return absl::OkStatus();
    }
    case EVP_PKEY_EC: {
      const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(&key);
      const char* curve = EC_curve_nid2nist(EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)));
      identity.kind = KeyKind::kEcdsa;
      identity.facts.key = std::string("ECDSA ") + (curve == nullptr ? "of some curve" : curve);
      return absl::OkStatus();
    }
    case EVP_PKEY_ED25519:
      identity.kind = KeyKind::kEd25519;
      identity.facts.key = "Ed25519";
      return absl::OkStatus();
    default:
      return Wrong("holds a key that is neither RSA, ECDSA nor Ed25519");
  }
}

}  // namespace

std::string TakeErrors() {
  const uint32_t first = ERR_get_error();
  ERR_clear_error();
  if (first == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(first);
  return reason == nullptr ? "error " + std::to_string(ERR_GET_REASON(first)) : reason;
}

StatusOr<bssl::UniquePtr<EVP_PKEY>> ReadPrivateKey(std::string_view pem) {
  if (pem.size() > kTlsPemBytesMax) return Wrong("holds too large a key");
  bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  CHECK(bio != nullptr);
  ERR_clear_error();
  bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  if (key != nullptr) return key;
  const std::string why = TakeErrors();
  if (pem.find("PRIVATE KEY") == std::string_view::npos)
    return Wrong("holds no private key in PEM");
  if (pem.find("ENCRYPTED") != std::string_view::npos)
    return Wrong("holds a private key that is encrypted: a server cannot be asked for a password");
  return Wrong("holds a private key that cannot be read (" + why + ")");
}

StatusOr<std::vector<bssl::UniquePtr<CRYPTO_BUFFER>>> ReadCertificates(std::string_view pem) {
  if (pem.size() > kTlsPemBytesMax) return Wrong("is too large");
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> certificates;
  bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  CHECK(bio != nullptr);
  char *name = nullptr, *header = nullptr;
  uint8_t* data = nullptr;
  long bytes = 0;
  ERR_clear_error();
  while (PEM_read_bio(bio.get(), &name, &header, &data, &bytes) == 1) {
    const bssl::UniquePtr<char> free_name(name), free_header(header);
    const bssl::UniquePtr<uint8_t> free_data(data);
    if (std::string_view(name) != "CERTIFICATE") continue;
    bssl::UniquePtr<CRYPTO_BUFFER> one(
        CRYPTO_BUFFER_new(data, static_cast<size_t>(bytes), nullptr));
    const bssl::UniquePtr<X509> parsed(one ? X509_parse_from_buffer(one.get()) : nullptr);
    if (parsed == nullptr) {
      return Wrong("holds a certificate (number " + std::to_string(certificates.size() + 1) +
                   ") that cannot be read (" + TakeErrors() + ")");
    }
    certificates.push_back(std::move(one));
  }
  const uint32_t error = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  const std::string why = TakeErrors();
  if (!at_end) return Wrong("holds PEM that cannot be read (" + why + ")");
  if (certificates.empty()) return Wrong("holds no certificate in PEM");
  return certificates;
}

std::vector<std::string> NamesOf(X509& certificate, NameKinds kinds) {
  std::vector<std::string> names;
  const bssl::UniquePtr<GENERAL_NAMES> all(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (all != nullptr) {
    for (const GENERAL_NAME* one : all.get()) {
      if (one->type == GEN_DNS) names.push_back(LowerCase(TextOf(one->d.dNSName)));
      if (one->type == GEN_EMAIL && kinds == NameKinds::kDnsAndMail)
        names.push_back(TextOf(one->d.rfc822Name));
    }
  } else {
    // Before RFC 6125 the common name was the host's, and private authorities still make such.
    X509_NAME* subject = X509_get_subject_name(&certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0) {
      names.push_back(
          LowerCase(TextOf(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)))));
    }
  }
  return names;
}

std::string MailboxOf(X509& certificate) {
  const bssl::UniquePtr<GENERAL_NAMES> all(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (all == nullptr) return {};
  for (const GENERAL_NAME* one : all.get()) {
    if (one->type != GEN_EMAIL) continue;
    std::string text = TextOf(one->d.rfc822Name);
    // RFC 5280 §4.2.1.6: an addr-spec of IA5String, and nothing that could be read as another.
    const bool printable = std::all_of(text.begin(), text.end(),
                                       [](char octet) { return octet > 0x20 && octet < 0x7f; });
    return printable && text.find('@') != text.npos ? text : std::string();
  }
  return {};
}

std::string SubjectOf(X509& certificate) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  CHECK(bio != nullptr);
  const uint8_t* text = nullptr;
  size_t bytes = 0;
  if (X509_NAME_print_ex(bio.get(), X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253) < 0 ||
      BIO_mem_contents(bio.get(), &text, &bytes) != 1)
    return {};
  return std::string(reinterpret_cast<const char*>(text), bytes);
}

std::string EndPointHash(X509& leaf) {
  int digest_nid = NID_undef, key_nid = NID_undef;
  if (OBJ_find_sigid_algs(X509_get_signature_nid(&leaf), &digest_nid, &key_nid) != 1 ||
      digest_nid == NID_undef)
    return {};
  // RFC 5929 §4.1: SHA-256 in the place of MD5 and SHA-1.
  if (digest_nid == NID_md5 || digest_nid == NID_sha1) digest_nid = NID_sha256;
  const EVP_MD* digest = EVP_get_digestbynid(digest_nid);
  uint8_t hash[EVP_MAX_MD_SIZE];
  unsigned bytes = 0;
  if (digest == nullptr || X509_digest(&leaf, digest, hash, &bytes) != 1) return {};
  return std::string(reinterpret_cast<const char*>(hash), bytes);
}

StatusOr<std::unique_ptr<const Identity>> ReadIdentity(const TlsIdentity& source) {
  auto identity = std::make_unique<Identity>();
  ASSIGN_OR_RETURN(identity->chain, ReadCertificates(source.certificate_pem));
  ASSIGN_OR_RETURN(identity->key, ReadPrivateKey(source.private_key_pem));
  RETURN_IF_ERROR(JudgeKey(*identity->key, *identity));
  const bssl::UniquePtr<X509> leaf(X509_parse_from_buffer(identity->chain.front().get()));
  CHECK(leaf != nullptr);
  if (X509_check_private_key(leaf.get(), identity->key.get()) != 1) {
    ERR_clear_error();
    return absl::FailedPreconditionError(
        "is not the key of the certificate: the first certificate of a file must be the server's");
  }
  for (const auto& one : identity->chain) identity->chain_pointers.push_back(one.get());
  identity->ocsp_response = source.ocsp_response;
  identity->end_point = EndPointHash(*leaf);
  TlsIdentityFacts& facts = identity->facts;
  facts.names = NamesOf(*leaf, NameKinds::kDns);
  for (const std::string& name : source.shown_for) identity->names.push_back(LowerCase(name));
  if (identity->names.empty()) identity->names = facts.names;
  facts.not_before = TimeOf(X509_get0_notBefore(leaf.get()));
  facts.not_after = TimeOf(X509_get0_notAfter(leaf.get()));
  facts.self_signed =
      X509_NAME_cmp(X509_get_subject_name(leaf.get()), X509_get_issuer_name(leaf.get())) == 0;
  facts.chain_length = identity->chain.size();
  ERR_clear_error();
  return identity;
}

}  // namespace ringmail::io::tls

namespace ringmail::io {

StatusOr<TlsIdentityFacts> ExamineTlsIdentity(const TlsIdentity& identity) {
  ASSIGN_OR_RETURN(const std::unique_ptr<const tls::Identity> read, tls::ReadIdentity(identity));
  return read->facts;
}

StatusOr<size_t> ExamineTlsAuthorities(std::string_view pem) {
  ASSIGN_OR_RETURN(const auto certificates, tls::ReadCertificates(pem));
  return certificates.size();
}

}  // namespace ringmail::io
