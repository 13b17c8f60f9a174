#include <argon2.h>

#include <charconv>
#include <utility>

#include "credential/password_parts.h"
#include "ringmail/codec/base64_text.h"

namespace ringmail::credential {
namespace {

constexpr size_t kArgon2SaltBytesMax = 256, kArgon2HashBytesMax = 256;

uint8_t* Mutable(std::string_view text) {
  return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
}

// Takes `name` and the number behind it from the start of `text`.
bool Take(std::string_view& text, std::string_view name, uint32_t& number) {
  if (!text.starts_with(name)) return false;
  text.remove_prefix(name.size());
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(stop - text.data()));
  return true;
}

bool Take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

}  // namespace

std::optional<Argon2Hash> ParseArgon2(std::string_view text) {
  Argon2Hash parsed;
  if (Take(text, "$argon2id$")) {
    parsed.variant = Argon2Variant::kId;
  } else if (Take(text, "$argon2i$")) {
    parsed.variant = Argon2Variant::kI;
  } else if (Take(text, "$argon2d$")) {
    parsed.variant = Argon2Variant::kD;
  } else {
    return std::nullopt;
  }
  // Hashes of before version 1.3 name none.
  parsed.version = 0x10;
  if (text.starts_with("v=") && (!Take(text, "v=", parsed.version) || !Take(text, "$"))) {
    return std::nullopt;
  }
  if (parsed.version != 0x10 && parsed.version != 0x13) return std::nullopt;
  if (!Take(text, "m=", parsed.memory_kib) || !Take(text, ",t=", parsed.passes) ||
      !Take(text, ",p=", parsed.lanes) || !Take(text, "$")) {
    return std::nullopt;
  }
  const size_t middle = text.find('$');
  if (middle == std::string_view::npos) return std::nullopt;
  auto salt = codec::FromBase64(text.substr(0, middle), codec::Base64Form::kFlat,
                                codec::Base64Padding::kNone);
  auto hash = codec::FromBase64(text.substr(middle + 1), codec::Base64Form::kFlat,
                                codec::Base64Padding::kNone);
  if (!salt || !hash || salt->size() < 8 || hash->size() < 16) return std::nullopt;
  if (salt->size() > kArgon2SaltBytesMax || hash->size() > kArgon2HashBytesMax) return std::nullopt;
  parsed.salt = *std::move(salt);
  parsed.hash = *std::move(hash);
  return parsed;
}

std::string FormatArgon2(const Argon2Hash& hash) {
  const auto base64 = [](std::string_view octets) {
    return codec::ToBase64(octets, codec::Base64Form::kFlat, codec::Base64Padding::kNone);
  };
  const std::string_view name = hash.variant == Argon2Variant::kId  ? "argon2id"
                                : hash.variant == Argon2Variant::kI ? "argon2i"
                                                                    : "argon2d";
  return "$" + std::string(name) + "$v=" + std::to_string(hash.version) +
         "$m=" + std::to_string(hash.memory_kib) + ",t=" + std::to_string(hash.passes) +
         ",p=" + std::to_string(hash.lanes) + "$" + base64(hash.salt) + "$" + base64(hash.hash);
}

std::string JudgeArgon2(const Argon2Hash& hash, const PasswordLimits& limits) {
  if (hash.memory_kib > limits.memory_kib_max) {
    return "argon2 asks for " + std::to_string(hash.memory_kib) + " KiB of memory; " +
           std::to_string(limits.memory_kib_max) + " are allowed";
  }
  if (uint64_t{hash.memory_kib} * hash.passes > limits.work_kib_max) {
    return "argon2 asks for " + std::to_string(hash.passes) + " passes over " +
           std::to_string(hash.memory_kib) + " KiB, more than is allowed";
  }
  // RFC 9106 §3.1: memory is at least 8 KiB a lane.
  if (hash.lanes == 0 || hash.lanes > limits.argon2_lanes_max || hash.passes == 0 ||
      hash.memory_kib < 8 * hash.lanes) {
    return "argon2 has no or too many passes or lanes, or too little memory";
  }
  return "";
}

PasswordResult RunArgon2(std::string_view password, Argon2Hash& out) {
  argon2_context context{};
  context.out = Mutable(out.hash);
  context.outlen = static_cast<uint32_t>(out.hash.size());
  context.pwd = Mutable(password);
  context.pwdlen = static_cast<uint32_t>(password.size());
  context.salt = Mutable(out.salt);
  context.saltlen = static_cast<uint32_t>(out.salt.size());
  context.t_cost = out.passes;
  context.m_cost = out.memory_kib;
  context.lanes = out.lanes;
  context.threads = 1;  // io owns the threads; the lanes are computed one after the other.
  context.version = out.version;
  const argon2_type type = out.variant == Argon2Variant::kId  ? Argon2_id
                           : out.variant == Argon2Variant::kI ? Argon2_i
                                                              : Argon2_d;
  const int error = argon2_ctx(&context, type);
  if (error == ARGON2_OK) return {PasswordVerdict::kMatch, ""};
  if (error == ARGON2_MEMORY_ALLOCATION_ERROR) {
    return {PasswordVerdict::kNoMemory, "no memory for argon2"};
  }
  return {PasswordVerdict::kUnusable, std::string("argon2: ") + argon2_error_message(error)};
}

}  // namespace ringmail::credential
