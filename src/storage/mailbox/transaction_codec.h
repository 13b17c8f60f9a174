// Transactions as the log keeps them. Pure; reads arbitrary bytes without fear (fuzzed).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ringmail/storage/account_change.h"

namespace ringmail::storage {

void EncodeTransaction(const AccountTransaction& transaction, std::string& out);
std::optional<AccountTransaction> DecodeTransaction(std::string_view in);

}  // namespace ringmail::storage
