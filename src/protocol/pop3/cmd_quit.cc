// QUIT (RFC 1939 §4, §6). In TRANSACTION it is the UPDATE state: what was marked is deleted here,
// and nowhere else.

#include "fmt/format.h"
#include "protocol/pop3/session.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/log.h"
#include "ringmail/base/status.h"
#include "ringmail/io/shard.h"

namespace ringmail::pop3 {

io::Task<void> RunQuit(Session& session, std::string_view) {
  const uint32_t count = session.deleted_count();
  // A client that pipelines has its messages before they are deleted, or keeps them.
  if (count > 0 && !co_await session.Pace()) co_return;
  Status status;
  if (Planted(Canary::kDeletedBeforeDurable)) session.Ok("Goodbye");
  if (count > 0) status = co_await session.maildrop().Update(session.DeletedUids());
  // RFC 1939 §6: removed or not, the lock goes; and before the client hears of it.
  session.CloseMaildrop();
  Pop3Metrics& metrics = session.shared().metrics;
  if (status.ok()) {
    metrics.messages_deleted.Add(count);
    session.Ok(count == 0 ? "Goodbye" : fmt::format("{} messages deleted, goodbye", count));
  } else {
    metrics.updates_failed.Add();
    LogLine(io::ShardLog(), LogLevel::kError, "update_failed")
        .Field("account", session.baggage().name)
        .Field("messages", count)
        .Field("why", Std(status.message()));
    session.Err("[SYS/TEMP] Some deleted messages were not removed");
  }
  session.End(Ending::kQuit);
}

}  // namespace ringmail::pop3
