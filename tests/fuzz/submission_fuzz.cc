// Completion of submitted messages: it does not depend on how the content is cut, what it gives is
// a message that lacks nothing and completes to itself, and every mailbox in it can be judged. The
// first octet chooses the cuts.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/agent/submission.h"
#include "ringmail/message/address.h"
#include "ringmail/message/field.h"
#include "ringmail/message/path.h"

namespace {

using ringmail::agent::CompletedHeader;
using ringmail::agent::HeaderCompletion;
using ringmail::agent::HeaderProblem;
using ringmail::message::FieldName;

void Require(bool condition) {
  if (!condition) std::abort();
}

struct Done {
  CompletedHeader header;
  std::string body;
};

Done Complete(std::string_view content, size_t step) {
  HeaderCompletion completion;
  Done done;
  for (size_t at = 0; at < content.size(); at += step) {
    const std::string_view piece = content.substr(at, step);
    const size_t used = completion.ended() ? 0 : completion.Take(piece);
    Require(used <= piece.size());
    done.body += piece.substr(used);
  }
  done.header = completion.Complete(
      {.now = {}, .message_id = "made@mx.example.org", .sender = "bob@example.org"});
  return done;
}

void CheckMailboxes(const std::vector<std::string>& mailboxes) {
  for (const std::string& one : mailboxes)
    Require(ringmail::message::ParseMailbox(one, ringmail::message::Utf8::kAllowed).has_value());
}

// What our own lenient reader, which is like those of other programs, sees in From.
void CheckReading(std::string_view value, const std::vector<std::string>& mailboxes) {
  std::vector<std::string> seen;
  for (const auto& one : ringmail::message::ParseAddressList(value)) {
    if (one.kind == ringmail::message::AddressKind::kMailbox)
      seen.push_back(ringmail::message::AddrSpec(one));
  }
  Require(seen.size() == mailboxes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const size_t step = 1 + data[0] % 37;
  const std::string_view content(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Done whole = Complete(content, content.size() + 1), pieces = Complete(content, step);
  Require(whole.header.problem == pieces.header.problem);
  Require(whole.header.text == pieces.header.text && whole.body == pieces.body);
  if (whole.header.problem != HeaderProblem::kNone) {
    Require(whole.header.text.empty());
    (void)ringmail::agent::ReplyForHeader(whole.header).ToLine();
    return 0;
  }
  CheckMailboxes(whole.header.from);
  CheckMailboxes(whole.header.sender);
  Require(!whole.header.from.empty());
  std::vector<ringmail::message::Field> fields;
  const size_t end = ringmail::message::IndexFields(whole.header.text, 0, fields);
  Require(end == whole.header.text.size());
  uint32_t dates = 0, ids = 0, froms = 0;
  for (const auto& field : fields) {
    dates += field.name == FieldName::kDate;
    ids += field.name == FieldName::kMessageId;
    froms += field.name == FieldName::kFrom;
    Require(field.name != FieldName::kBcc && field.name != FieldName::kReturnPath);
    if (field.name == FieldName::kFrom)
      CheckReading(ringmail::message::ViewField(field, whole.header.text, 0).value,
                   whole.header.from);
  }
  Require(dates == 1 && ids == 1 && froms == 1);
  Require(whole.header.from.size() == 1 || !whole.header.sender.empty() ||
          whole.header.text.find("Sender: <bob@example.org>\r\n") != std::string::npos);
  const Done again = Complete(whole.header.text, step);
  Require(again.header.problem == HeaderProblem::kNone);
  Require(again.header.text == whole.header.text);
  return 0;
}
