// What one kind of backend does in this process: a connection of its own, which may block.
#pragma once

#include <memory>
#include <string>

#include "ringmail/backend/wire.h"

namespace ringmail::backend_process {

using backend::WireKind;
using backend::WireMessage;

class Connection {
 public:
  virtual ~Connection() = default;
  // Answers kFind or kVerify; makes its connection first where it has none. One thread at a time.
  virtual WireMessage Answer(const WireMessage& question) = 0;
};

WireMessage Unavailable(std::string why);
// The password for the service, from its file: the first line. False: it cannot be read.
bool ReadSecret(const std::string& path, std::string& secret);

// Null: this build was made without the library. `configuration` outlives it.
std::unique_ptr<Connection> MakePostgresql(const WireMessage& configuration);
std::unique_ptr<Connection> MakeLdap(const WireMessage& configuration);
std::unique_ptr<Connection> MakePam(const WireMessage& configuration);

}  // namespace ringmail::backend_process
