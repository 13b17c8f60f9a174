// PAM: the system says who is there (getpwnam), and the service's modules whether the password is
// right and the account may be used.
#include "backend_process/backend.h"

#ifdef RINGMAIL_HAS_PAM
#include <pwd.h>
#include <security/pam_appl.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace ringmail::backend_process {
namespace {

// Answers every question that hides what is typed with the password, and no other.
int Converse(int count, const pam_message** messages, pam_response** responses, void* context) {
  if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  const auto& password = *static_cast<const std::string*>(context);
  auto* const made =
      static_cast<pam_response*>(std::calloc(static_cast<size_t>(count), sizeof(pam_response)));
  if (made == nullptr) return PAM_BUF_ERR;
  for (int i = 0; i < count; ++i) {
    const int style = messages[i]->msg_style;
    if (style == PAM_PROMPT_ECHO_OFF) made[i].resp = strdup(password.c_str());
    if (style == PAM_PROMPT_ECHO_ON || (style == PAM_PROMPT_ECHO_OFF && made[i].resp == nullptr)) {
      for (int j = 0; j <= i; ++j) std::free(made[j].resp);
      std::free(made);
      return PAM_CONV_ERR;
    }
  }
  *responses = made;
  return PAM_SUCCESS;
}

class Pam final : public Connection {
 public:
  explicit Pam(const WireMessage& configuration) : configuration_(configuration) {}

  WireMessage Answer(const WireMessage& question) override {
    const std::string user(
        question.Get(configuration_.Get("with_domain").empty() ? "local_part" : "address"));
    return question.kind == WireKind::kFind ? Find(user)
                                            : Verify(user, std::string(question.Get("password")));
  }

 private:
  static WireMessage Find(const std::string& user) {
    std::vector<char> room(4096);
    passwd entry{};
    passwd* found = nullptr;
    int error = 0;
    while ((error = getpwnam_r(user.c_str(), &entry, room.data(), room.size(), &found)) == ERANGE &&
           room.size() < (1u << 20)) {
      room.resize(room.size() * 2);
    }
    // Some sources of names report one that is not there as an error (getpwnam(3)).
    if (found == nullptr && error != 0 && error != ENOENT && error != ESRCH)
      return Unavailable(std::strerror(error));
    WireMessage answer;
    answer.kind = found == nullptr ? WireKind::kUnknown : WireKind::kFound;
    if (found != nullptr) answer.fields.push_back({"verify", "1"});
    return answer;
  }

  WireMessage Verify(const std::string& user, const std::string& password) const {
    WireMessage answer;
    answer.kind = WireKind::kMismatch;
    if (password.empty() || password.find('\0') != password.npos) return answer;
    const std::string service(configuration_.Get("service"));
    std::string lent = password;
    const pam_conv conversation = {.conv = &Converse, .appdata_ptr = &lent};
    pam_handle_t* pam = nullptr;
    int code = pam_start(service.c_str(), user.c_str(), &conversation, &pam);
    if (code != PAM_SUCCESS) return Unavailable("pam_start: " + std::to_string(code));
    // Failures wait in the server, once for all who ask.
    pam_fail_delay(pam, 0);
    code = pam_authenticate(pam, PAM_SILENT);
    if (code == PAM_SUCCESS) code = pam_acct_mgmt(pam, PAM_SILENT);
    const std::string why = pam_strerror(pam, code);
    pam_end(pam, code);
    switch (code) {
      case PAM_SUCCESS:
        answer.kind = WireKind::kMatch;
        return answer;
      case PAM_AUTH_ERR:
      case PAM_USER_UNKNOWN:
      case PAM_MAXTRIES:
      case PAM_PERM_DENIED:
      case PAM_ACCT_EXPIRED:
      case PAM_NEW_AUTHTOK_REQD:
      case PAM_CRED_INSUFFICIENT:
        return answer;
      default:
        return Unavailable("PAM: " + why);
    }
  }

  const WireMessage& configuration_;
};

}  // namespace

std::unique_ptr<Connection> MakePam(const WireMessage& configuration) {
  return std::make_unique<Pam>(configuration);
}

}  // namespace ringmail::backend_process
#else
namespace ringmail::backend_process {
std::unique_ptr<Connection> MakePam(const WireMessage&) { return nullptr; }
}  // namespace ringmail::backend_process
#endif
