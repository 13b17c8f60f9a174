// One check of a password against what an account keeps, as the blocking pool runs it; and the new
// hash of one that matched.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/codec/digest.h"
#include "ringmail/credential/new_password.h"
#include "ringmail/credential/password.h"
#include "ringmail/storage/directory_entry.h"

namespace ringmail::agent {

struct PasswordCheck {
  // What is asked. Nothing stored: nobody has the name, and it takes as long.
  std::vector<storage::Credential> stored;
  codec::Secret password, password_as_sent;
  std::string user;
  credential::PasswordCost cost;
  credential::PasswordLimits limits;

  // What came of it.
  bool match = false, no_memory = false;
  size_t which = 0;      // of `stored`, where it matched
  std::string unusable;  // what is wrong with something stored

  static void Call(void* context);

 private:
  bool CheckApps();
  bool CheckOne(const storage::Credential& one);
};

struct UpgradeWork {
  codec::Secret password;
  std::string random;
  credential::PasswordCost cost;
  uint32_t scram_iterations = 0;
  std::optional<credential::ScramSalt> shared;
  StatusOr<credential::NewPassword> made = absl::UnknownError("not made");

  static void Call(void* context);
};

}  // namespace ringmail::agent
