// One certificate, from the directory to the chain of PEM (RFC 8555 §7): which request is next, and
// what its answer means. Pure: no connection, no clock, no key.
//
//   directory → nonce → account → order → authorizations → challenges → finalize → certificate
//
// Order: Next says what to do; for kSend Took is called with the answer, for the others Done. Until
//   Next says kCertificate or kFailed.
// Limits: limits.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/acme/wire.h"
#include "ringmail/base/time.h"
#include "ringmail/protocol/acme.h"

namespace ringmail::acme {

enum class Method : uint8_t { kGet, kHead, kPost };

// A request, before it is signed.
struct Request {
  Method method = Method::kGet;
  std::string url;
  std::string nonce;        // of kPost
  std::string account_url;  // of kPost; "": signed with the key itself in it
  std::string payload;      // "": POST-as-GET (§6.3)
};

// What came back.
struct Reply {
  uint16_t code = 0;
  std::string body;
  std::string nonce;        // Replay-Nonce
  std::string location;     // Location
  std::string retry_after;  // Retry-After
};

struct Step {
  enum class Kind : uint8_t {
    kSend,         // `request`
    kSave,         // account_url() and order_url() have changed
    kAnswer,       // `answers` are to be found from now on
    kWait,         // so long
    kCertificate,  // `certificate_pem`: the end
    kFailed,       // `failure`: the end
  };
  Kind kind = Kind::kSend;
  Request request;
  std::vector<ChallengeAnswer> answers;
  std::chrono::seconds wait{0};
  std::string certificate_pem;
  AcmeResult failure;
};

struct OrderOptions {
  std::string directory_url;
  std::vector<std::string> contacts, names;
  ChallengeKind challenge = ChallengeKind::kHttp01;
  std::string thumbprint;   // of the account's key
  std::string request_der;  // for the certificate
  // Of an account that is there, and an order that was begun; "": none.
  std::string account_url, order_url;
};

class Order {
 public:
  explicit Order(OrderOptions options);

  Step Next() const;
  // The answer to what Next said to send.
  void Took(const Reply& reply, WallTime now);
  // Saved, answered or waited, as Next said.
  void Done();

  const std::string& account_url() const { return account_url_; }
  // "": none, or one that leads nowhere any more.
  const std::string& order_url() const { return order_url_; }

 private:
  enum class State : uint8_t {
    kDirectory,
    kNonce,
    kAccount,
    kSaveAccount,
    kNewOrder,
    kSaveOrder,
    kReadOrder,
    kReadAuthorization,
    kAnswer,
    kBegin,  // tell the authority to look
    kPollAuthorization,
    kFinalize,
    kDownload,
    kWait,  // then after_wait_
    kCertificate,
    kFailed,
  };
  struct Pending {
    std::string authorization_url, challenge_url;
    bool begun = false;
    ChallengeAnswer answer;
  };

  Request Post(std::string url, std::string payload) const;
  void TakeProblem(const Reply& reply, WallTime now);
  bool StartAgain(const Reply& reply, const Problem& problem);
  void TakeDirectory(const Reply& reply);
  void TakeAccount(const Reply& reply);
  void TakeNewOrder(const Reply& reply, WallTime now);
  void TakeOrder(const Reply& reply, WallTime now);
  void TakeAuthorization(const Reply& reply);
  void TakePolled(const Reply& reply, WallTime now);
  void NextAuthorization();
  void BeginNext();
  void Forget();
  void Pause(const Reply& reply, WallTime now, State then);
  void Fail(AcmeResult::Outcome outcome, std::string problem);

  const OrderOptions options_;
  State state_ = State::kDirectory;
  State after_wait_ = State::kReadOrder;
  DirectoryObject directory_;
  std::string nonce_;
  std::string account_url_, order_url_;
  bool resumed_ = false;        // the order was begun before
  bool account_known_ = false;  // the account was made before
  OrderObject order_;
  size_t at_ = 0;  // in order_.authorizations, or in pending_
  std::vector<Pending> pending_;
  std::chrono::seconds wait_{0};
  uint32_t polls_ = 0, bad_nonces_ = 0;
  std::string certificate_pem_;
  AcmeResult failure_;
};

}  // namespace ringmail::acme
