// Reads a whole store offline and says what is in it.
#include "fmt/format.h"
#include "storage/replay.h"

namespace ringmail::storage {

io::Task<StatusOr<FsckReport>> Fsck(std::string data_dir) {
  auto logs = co_await ListLogs(data_dir);
  CO_RETURN_IF_ERROR(logs.status());
  FsckReport report;
  StorageMetrics metrics;
  SegmentList segments;  // outlives the index, whose entries point into it
  Index index(0, metrics);
  DirectoryLedger directory;
  AccountLedger accounts;
  Replay replay(data_dir, Bodies::kVerifyAll, index, directory, accounts, segments,
                report.recovery);
  CO_RETURN_IF_ERROR(co_await replay.Run(GroupSegments(*logs)));
  for (const auto& [id, message] : index.messages()) {
    report.pending_recipients += message->pending_count();
    const Content& content = message->content();
    bool whole = content.complete;
    for (uint32_t i = 0; i < content.piece_count && whole; ++i)
      whole = content.piece(i).segment != nullptr;
    if (whole || report.missing_references.size() >= kDamagesMax) continue;
    const Segment* segment = Index::SegmentOf(*message);
    report.missing_references.push_back(
        {SegmentPath(data_dir, segment->log, segment->sequence), 0, 0,
         fmt::format("message {} refers to content {}, which is not there",
                     message->id().ToString(), QueueId(content.id.value).ToString())});
  }
  report.orphan_contents = index.EndReplay();
  report.contents = index.content_count();
  report.content_bytes = index.settled().content_bytes();
  for (const auto& [id, content] : index.contents()) report.content_bytes += content->bytes;
  co_return report;
}

}  // namespace ringmail::storage
