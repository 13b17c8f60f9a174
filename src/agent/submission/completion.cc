#include <algorithm>

#include "fmt/format.h"
#include "ringmail/agent/submission.h"
#include "ringmail/base/check.h"
#include "ringmail/message/date.h"
#include "ringmail/message/field.h"
#include "ringmail/message/identifier.h"
#include "ringmail/message/trace.h"

namespace ringmail::agent {
namespace {

using message::Field;
using message::FieldName;
using message::FieldView;

constexpr std::string_view kSectionEnd = "\r\n\r\n";

// A CR, LF or NUL that is no line end; the content as a whole may have them as BINARYMIME, a header
// section may not (RFC 5322 §2.2).
bool HasBareOctet(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') return true;
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) return true;
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return true;
  }
  return false;
}

// RFC 5322 §3.6.3: nobody is to see Bcc. RFC 5321 §4.4: Return-Path is the last server's to write.
bool IsRemoved(FieldName name) {
  return name == FieldName::kBcc || name == FieldName::kResentBcc || name == FieldName::kReturnPath;
}

// RFC 5322 §3.6.4: one id, with something on both sides of its "@".
bool IsMessageId(std::string_view value) {
  const std::vector<std::string> ids = message::ParseMessageIds(value);
  if (ids.size() != 1 || value.find('<') == std::string_view::npos) return false;
  const size_t at = ids[0].find('@');
  return at != std::string::npos && at != 0 && at + 1 != ids[0].size();
}

class Completer {
 public:
  Completer(std::string_view held, const CompletionFacts& facts, CompletedHeader& out)
      : held_(held), facts_(facts), out_(out) {}
  void Run();

 private:
  bool Refuse(HeaderProblem problem, std::string_view culprit) {
    out_.problem = problem;
    out_.culprit = culprit;
    return false;
  }
  // False: refused.
  bool Section();
  bool Take(const Field& field);
  void Keep(const Field& field) { out_.text += held_.substr(field.offset, field.bytes); }
  void Add();

  const std::string_view held_;
  const CompletionFacts& facts_;
  CompletedHeader& out_;
  size_t section_bytes_ = 0;
  std::vector<Field> fields_;
  uint32_t seen_ = 0;  // by FieldName
  bool has_date_ = false, has_message_id_ = false;
};
static_assert(static_cast<size_t>(FieldName::kLastSingle) < 32);

bool Completer::Section() {
  if (HasBareOctet(held_)) return Refuse(HeaderProblem::kBareOctet, "");
  // A continuation of nothing.
  if (held_.starts_with(' ') || held_.starts_with('\t'))
    return Refuse(HeaderProblem::kNoMessage, "");
  section_bytes_ = message::IndexFields(held_, 0, fields_);
  if (section_bytes_ != held_.size() || fields_.empty())
    return Refuse(HeaderProblem::kNoMessage, "");
  return true;
}

bool Completer::Take(const Field& field) {
  const FieldView view = message::ViewField(field, held_, 0);
  if (IsRemoved(field.name)) return true;
  if (field.name <= FieldName::kLastSingle) {
    const uint32_t bit = 1u << static_cast<uint32_t>(field.name);
    if ((seen_ & bit) != 0) return Refuse(HeaderProblem::kRepeated, view.name);
    seen_ |= bit;
  }
  switch (field.name) {
    case FieldName::kFrom:
    case FieldName::kSender: {
      std::optional<std::vector<std::string>> mailboxes = ReadOriginators(view.value);
      // RFC 5322 §3.6.2: Sender is one mailbox.
      if (!mailboxes || (field.name == FieldName::kSender && mailboxes->size() != 1))
        return Refuse(HeaderProblem::kOriginator, view.name);
      (field.name == FieldName::kFrom ? out_.from : out_.sender) = *std::move(mailboxes);
      break;
    }
    case FieldName::kDate:
      // RFC 6409 §8.2: one that is none is put right.
      if (!message::ParseDate(view.value)) return true;
      has_date_ = true;
      break;
    case FieldName::kMessageId:
      // RFC 6409 §8.3: likewise.
      if (!IsMessageId(view.value)) return true;
      has_message_id_ = true;
      break;
    default:
      break;
  }
  Keep(field);
  return true;
}

void Completer::Add() {
  if (out_.from.size() > 1 && out_.sender.empty())
    out_.text += fmt::format("Sender: <{}>\r\n", facts_.sender);
  if (!has_date_) {
    out_.text += "Date: ";
    message::AppendDate(facts_.now, out_.text);
    out_.text += "\r\n";
  }
  if (!has_message_id_) out_.text += fmt::format("Message-ID: <{}>\r\n", facts_.message_id);
}

void Completer::Run() {
  if (!Section()) return;
  out_.text.reserve(held_.size() + 256);
  for (const Field& field : fields_) {
    if (!Take(field)) return;
  }
  if (out_.from.empty()) {
    Refuse(HeaderProblem::kNoFrom, "");
    return;
  }
  // Content that ends within its header section may lack the last line end.
  if (!out_.text.ends_with("\r\n")) out_.text += "\r\n";
  Add();
  const size_t end = fields_.back().end();
  out_.text += held_.substr(end, section_bytes_ - end);
}

}  // namespace

size_t HeaderCompletion::Take(std::string_view bytes) {
  CHECK(!ended_);
  const size_t before = held_.size();
  held_ += bytes.substr(0, std::min(bytes.size(), kSubmissionHeaderBytesMax + 1 - before));
  size_t end = std::string::npos;
  if (held_.starts_with("\r\n")) {
    end = 2;
  } else if (const size_t at = held_.find(kSectionEnd, before < 3 ? 0 : before - 3);
             at != std::string::npos) {
    end = at + kSectionEnd.size();
  }
  if (end == std::string::npos || end > kSubmissionHeaderBytesMax) {
    if (held_.size() <= kSubmissionHeaderBytesMax) return bytes.size();
    ended_ = too_large_ = true;
    held_ = {};
    return bytes.size();
  }
  ended_ = true;
  held_.resize(end);
  return end - before;
}

CompletedHeader HeaderCompletion::Complete(const CompletionFacts& facts) {
  CompletedHeader out;
  if (too_large_) {
    out.problem = HeaderProblem::kTooLarge;
    return out;
  }
  Completer(held_, facts, out).Run();
  if (out.problem != HeaderProblem::kNone) {
    out.text.clear();
    out.from.clear();
    out.sender.clear();
  }
  held_ = {};
  ended_ = true;
  return out;
}

message::Reply ReplyForHeader(const CompletedHeader& header) {
  const auto say = [](std::string text) { return message::Reply{554, {5, 6, 0}, std::move(text)}; };
  switch (header.problem) {
    case HeaderProblem::kNone:
      break;
    case HeaderProblem::kTooLarge:
      return {552,
              {5, 3, 4},
              fmt::format("The header section exceeds {} octets", kSubmissionHeaderBytesMax)};
    case HeaderProblem::kNoMessage:
      return say("This is no message: header fields come first, then an empty line");
    case HeaderProblem::kBareOctet:
      return say("The header section has a CR, LF or NUL that stands alone");
    case HeaderProblem::kRepeated:
      return say("The field " + header.culprit.substr(0, 64) + " is there twice");
    case HeaderProblem::kNoFrom:
      return say("The message has no field From");
    case HeaderProblem::kOriginator:
      return say("The field " + header.culprit.substr(0, 64) +
                 " cannot be read: write name <local@domain>");
  }
  CHECK(header.problem != HeaderProblem::kNone);
  return {};
}

}  // namespace ringmail::agent
