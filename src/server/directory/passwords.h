// What the control interface does to the passwords of an account.
//
// Shard: any; hashes are made on the blocking pool.
#pragma once

#include <cstdint>
#include <string>

#include "ringmail/base/status.h"
#include "ringmail/credential/new_password.h"
#include "ringmail/io/task.h"
#include "ringmail/storage/directory_entry.h"

namespace ringmail::server {

struct PasswordMaking {
  credential::PasswordCost cost;
  uint32_t scram_iterations = credential::kScramIterationsMade;
};

// The account's own password, as credential/new_password.h has it: what was of the one before goes,
// app passwords live on. Awaited at once.
// Errors: kInvalidArgument: no password.
io::Task<Status> SetOwnPassword(storage::AccountEntry& account, std::string password,
                                PasswordMaking making);
// An app password that somebody chose: hashed as slowly as the account's own. Replaces that of the
// same name.
io::Task<Status> SetChosenAppPassword(storage::AccountEntry& account, std::string name,
                                      std::string password, PasswordMaking making);
// A new app password, drawn here; the answer is all that ever shows it.
// Errors: kAlreadyExists: the name has one.
io::Task<StatusOr<std::string>> DrawAppPassword(storage::AccountEntry& account, std::string name,
                                                PasswordMaking making);

}  // namespace ringmail::server
