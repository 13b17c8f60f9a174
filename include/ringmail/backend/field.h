// A field that a backend says of an account: its name and its value.
#pragma once

#include <string>

namespace ringmail::backend {

struct BackendField {
  std::string name, value;
  friend bool operator==(const BackendField&, const BackendField&) = default;
};

}  // namespace ringmail::backend
