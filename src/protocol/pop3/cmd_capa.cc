// CAPA (RFC 2449 §5): what of the table is offered to this session.

#include "protocol/pop3/session.h"

namespace ringmail::pop3 {

io::Task<void> RunCapa(Session& session, std::string_view) {
  session.shared().metrics.replies_positive.Add();
  session.Write(CapaReply(session.MakeOffer()));
  co_return;
}

}  // namespace ringmail::pop3
