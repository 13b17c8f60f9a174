// What other programs keep of a message beside its octets, and what is wrong with their files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmail::foreign {

// RFC 9051 §2.3.2.
inline constexpr uint8_t kSeen = 1;
inline constexpr uint8_t kAnswered = 2;
inline constexpr uint8_t kFlagged = 4;
inline constexpr uint8_t kDeleted = 8;
inline constexpr uint8_t kDraft = 16;

struct Marks {
  uint8_t flags = 0;
  std::vector<std::string> keywords;
  std::optional<int64_t> date_seconds;  // internal date (RFC 9051 §2.3.3), in Unix time
  uint32_t uid = 0;                     // 0: the file says none
  friend bool operator==(const Marks&, const Marks&) = default;
};

// What cannot be read, and where in the file: `at` is the offset of the octet.
struct Fault {
  uint64_t at = 0;
  std::string_view what;  // static
};

// RFC 9051 §9 flag-keyword: an atom. Others cannot be shown to a client.
bool ValidKeyword(std::string_view keyword);

}  // namespace ringmail::foreign
