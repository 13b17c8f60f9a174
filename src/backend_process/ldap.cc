// LDAP (RFC 4511): a search finds the account; a bind as what it found checks the password, unless
// the configuration names an attribute that has its hash.
#include "backend_process/backend.h"

#ifdef RINGMAIL_HAS_LDAP
#include <ldap.h>

#include <charconv>
#include <vector>

#include "ringmail/backend/templates.h"

namespace ringmail::backend_process {
namespace {

using backend::BackendField;
using backend::FillLdapTemplate;
using backend::LdapEscape;

struct FreeMessage {
  void operator()(LDAPMessage* message) const { ldap_msgfree(message); }
};
using Message = std::unique_ptr<LDAPMessage, FreeMessage>;

class Ldap final : public Connection {
 public:
  explicit Ldap(const WireMessage& configuration) : configuration_(configuration) {}
  ~Ldap() override { Close(); }

  WireMessage Answer(const WireMessage& question) override {
    const bool kept = ldap_ != nullptr;
    WireMessage answer = Find(question);
    // The server may have been started again since.
    if (ldap_ == nullptr && kept) answer = Find(question);
    if (question.kind == WireKind::kFind || answer.kind != WireKind::kFound) return answer;
    return Verify(std::string(answer.Get("dn")), std::string(question.Get("password")));
  }

 private:
  void Close() {
    if (ldap_ != nullptr) ldap_unbind_ext_s(ldap_, nullptr, nullptr);
    ldap_ = nullptr;
  }
  std::string Get(std::string_view name) const { return std::string(configuration_.Get(name)); }
  std::string Connect(LDAP*& ldap) const;
  static int Bind(LDAP* ldap, const std::string& dn, const std::string& password);
  std::string Open();
  WireMessage Find(const WireMessage& question);
  WireMessage Read(LDAPMessage* found);
  void Take(LDAPMessage* entry, const std::string& attribute, std::string_view name,
            WireMessage& answer);
  WireMessage Verify(const std::string& dn, const std::string& password) const;

  const WireMessage& configuration_;
  LDAP* ldap_ = nullptr;
};

// What went wrong, or "". Nothing is sent before the first operation but by StartTLS.
std::string Ldap::Connect(LDAP*& ldap) const {
  ldap = nullptr;
  int code = ldap_initialize(&ldap, Get("uri").c_str());
  if (code != LDAP_SUCCESS) return ldap_err2string(code);
  const int version = LDAP_VERSION3;
  ldap_set_option(ldap, LDAP_OPT_PROTOCOL_VERSION, &version);
  // Whom a server sends us to is not whom the operator has named.
  ldap_set_option(ldap, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
  ldap_set_option(ldap, LDAP_OPT_RESTART, LDAP_OPT_ON);
  const std::string seconds = Get("timeout");
  int timeout = 3;
  std::from_chars(seconds.data(), seconds.data() + seconds.size(), timeout);
  const timeval limit = {.tv_sec = timeout, .tv_usec = 0};
  ldap_set_option(ldap, LDAP_OPT_NETWORK_TIMEOUT, &limit);
  ldap_set_option(ldap, LDAP_OPT_TIMEOUT, &limit);
  if (const std::string file = Get("authority_file"); !file.empty()) {
    ldap_set_option(ldap, LDAP_OPT_X_TLS_CACERTFILE, file.c_str());
    const int fresh = 0;
    ldap_set_option(ldap, LDAP_OPT_X_TLS_NEWCTX, &fresh);
  }
  if (Get("start_tls").empty()) return {};
  code = ldap_start_tls_s(ldap, nullptr, nullptr);
  if (code == LDAP_SUCCESS) return {};
  ldap_unbind_ext_s(ldap, nullptr, nullptr);
  ldap = nullptr;
  return std::string("STARTTLS: ") + ldap_err2string(code);
}

int Ldap::Bind(LDAP* ldap, const std::string& dn, const std::string& password) {
  berval credential = {.bv_len = password.size(), .bv_val = const_cast<char*>(password.data())};
  return ldap_sasl_bind_s(ldap, dn.c_str(), LDAP_SASL_SIMPLE, &credential, nullptr, nullptr,
                          nullptr);
}

std::string Ldap::Open() {
  if (ldap_ != nullptr) return {};
  if (std::string why = Connect(ldap_); !why.empty()) return why;
  std::string secret;
  const std::string dn = Get("bind_dn"), file = Get("secret_file");
  if (!file.empty() && !ReadSecret(file, secret)) {
    Close();
    return file + " cannot be read";
  }
  const int code = Bind(ldap_, dn, secret);
  if (code == LDAP_SUCCESS) return {};
  Close();
  return "bind as '" + dn + "': " + ldap_err2string(code);
}

void Ldap::Take(LDAPMessage* entry, const std::string& attribute, std::string_view name,
                WireMessage& answer) {
  if (attribute.empty()) return;
  berval** values = ldap_get_values_len(ldap_, entry, attribute.c_str());
  if (values == nullptr) return;
  for (int i = 0; values[i] != nullptr && answer.fields.size() < backend::kWireFieldsMax / 2; ++i) {
    answer.fields.push_back({std::string(name), std::string(values[i]->bv_val, values[i]->bv_len)});
  }
  ldap_value_free_len(values);
}

WireMessage Ldap::Read(LDAPMessage* found) {
  LDAPMessage* const entry = ldap_first_entry(ldap_, found);
  WireMessage answer;
  answer.kind = WireKind::kUnknown;
  if (entry == nullptr) return answer;
  if (ldap_next_entry(ldap_, entry) != nullptr)
    return Unavailable("the filter finds more than one entry");
  answer.kind = WireKind::kFound;
  if (char* const dn = ldap_get_dn(ldap_, entry); dn != nullptr) {
    answer.fields.push_back({"dn", dn});
    ldap_memfree(dn);
  }
  Take(entry, Get("password_attribute"), "password", answer);
  Take(entry, Get("quota_attribute"), "quota", answer);
  Take(entry, Get("forward_attribute"), "forward", answer);
  if (Get("password_attribute").empty()) answer.fields.push_back({"verify", "1"});
  return answer;
}

WireMessage Ldap::Find(const WireMessage& question) {
  if (std::string why = Open(); !why.empty()) return Unavailable(std::move(why));
  const backend::TemplateParts parts = {.address = question.Get("address"),
                                        .local_part = question.Get("local_part"),
                                        .domain = question.Get("domain")};
  std::string wrong;
  const std::string base =
      FillLdapTemplate(configuration_.Get("base"), parts, LdapEscape::kName, wrong);
  if (!wrong.empty()) return Unavailable("base " + wrong);
  const std::string filter =
      FillLdapTemplate(configuration_.Get("filter"), parts, LdapEscape::kFilter, wrong);
  if (!wrong.empty()) return Unavailable("filter " + wrong);
  std::vector<std::string> names = {Get("password_attribute"), Get("quota_attribute"),
                                    Get("forward_attribute")};
  std::erase(names, "");
  if (names.empty()) names.emplace_back(LDAP_NO_ATTRS);
  std::vector<char*> attributes;
  for (std::string& one : names) attributes.push_back(one.data());
  attributes.push_back(nullptr);
  LDAPMessage* received = nullptr;
  constexpr int kEntriesMax = 2;
  const int code =
      ldap_search_ext_s(ldap_, base.c_str(), LDAP_SCOPE_SUBTREE, filter.c_str(), attributes.data(),
                        /*attrsonly=*/0, nullptr, nullptr, nullptr, kEntriesMax, &received);
  const Message found(received);
  if (code == LDAP_SUCCESS || code == LDAP_SIZELIMIT_EXCEEDED) return Read(found.get());
  // A base that depends on the question may not be there.
  if (code == LDAP_NO_SUCH_OBJECT && base != configuration_.Get("base")) {
    WireMessage answer;
    answer.kind = WireKind::kUnknown;
    return answer;
  }
  // Whatever it was, another connection may do.
  Close();
  return Unavailable(std::string("search: ") + ldap_err2string(code));
}

WireMessage Ldap::Verify(const std::string& dn, const std::string& password) const {
  WireMessage answer;
  answer.kind = WireKind::kMismatch;
  // RFC 4513 §5.1.2: with an empty password a bind succeeds, and proves nothing.
  if (dn.empty() || password.empty() || password.find('\0') != password.npos) return answer;
  LDAP* ldap = nullptr;
  if (std::string why = Connect(ldap); !why.empty()) return Unavailable(std::move(why));
  const int code = Bind(ldap, dn, password);
  ldap_unbind_ext_s(ldap, nullptr, nullptr);
  switch (code) {
    case LDAP_SUCCESS:
      answer.kind = WireKind::kMatch;
      return answer;
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_NO_SUCH_OBJECT:
    case LDAP_UNWILLING_TO_PERFORM:
    case LDAP_CONSTRAINT_VIOLATION:
    case LDAP_INSUFFICIENT_ACCESS:
      return answer;
    default:
      return Unavailable(std::string("bind: ") + ldap_err2string(code));
  }
}

}  // namespace

std::unique_ptr<Connection> MakeLdap(const WireMessage& configuration) {
  return std::make_unique<Ldap>(configuration);
}

}  // namespace ringmail::backend_process
#else
namespace ringmail::backend_process {
std::unique_ptr<Connection> MakeLdap(const WireMessage&) { return nullptr; }
}  // namespace ringmail::backend_process
#endif
