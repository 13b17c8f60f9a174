#include "ringmail/message/jmap_body.h"

#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include <algorithm>
#include <cstdio>

#include "message/lexer.h"
#include "ringmail/codec/utf8.h"
#include "ringmail/message/address.h"
#include "ringmail/message/charset.h"
#include "ringmail/message/header_text.h"
#include "ringmail/message/identifier.h"
#include "ringmail/message/trace_field.h"

namespace ringmail::message {
namespace {

// One call of parseStructure (RFC 8621 §4.1.4), whose recursion is a stack here.
struct Frame {
  PartIndex next;
  bool first;
  MediaSubtype multipart;
  bool in_alternative;
  bool text, html;  // whether the lists are still given
  size_t text_length, html_length;
};

bool IsMedia(const Part& part) {
  return part.media == MediaType::kImage || part.media == MediaType::kAudio ||
         part.media == MediaType::kVideo;
}

class BodyLister {
 public:
  explicit BodyLister(const MessageView& message) : message_(message) {}
  JmapBodyLists List();

 private:
  bool Plain(const Part& part) const {
    return part.media == MediaType::kText && part.media_subtype == MediaSubtype::kPlain;
  }
  bool Html(const Part& part) const {
    return part.media == MediaType::kText && part.media_subtype == MediaSubtype::kHtml;
  }
  bool Inline(PartIndex index, const Frame& frame) const;
  void Take(PartIndex index, Frame& frame);
  void End(const Frame& frame);

  const MessageView& message_;
  JmapBodyLists lists_;
};

bool BodyLister::Inline(PartIndex index, const Frame& frame) const {
  const Part& part = message_.part(index);
  if (PartDisposition(message_, index).type == "attachment") return false;
  if (!Plain(part) && !Html(part) && !IsMedia(part)) return false;
  return frame.first || (frame.multipart != MediaSubtype::kRelated &&
                         (IsMedia(part) || PartFileName(message_, index).empty()));
}

void BodyLister::Take(PartIndex index, Frame& frame) {
  const Part& part = message_.part(index);
  if (!Inline(index, frame)) {
    lists_.attachments.push_back(index);
    return;
  }
  if (frame.multipart == MediaSubtype::kAlternative) {
    if (Plain(part)) {
      if (frame.text) lists_.text_body.push_back(index);
    } else if (Html(part)) {
      if (frame.html) lists_.html_body.push_back(index);
    } else {
      lists_.attachments.push_back(index);
    }
    return;
  }
  if (frame.in_alternative) {
    if (Plain(part)) frame.html = false;
    if (Html(part)) frame.text = false;
  }
  if (frame.text) lists_.text_body.push_back(index);
  if (frame.html) lists_.html_body.push_back(index);
  if ((!frame.text || !frame.html) && IsMedia(part)) lists_.attachments.push_back(index);
}

// An alternative of which only one kind was found gives it for both.
void BodyLister::End(const Frame& frame) {
  if (frame.multipart != MediaSubtype::kAlternative || !frame.text || !frame.html) return;
  std::vector<PartIndex>& text = lists_.text_body;
  std::vector<PartIndex>& html = lists_.html_body;
  if (frame.text_length == text.size() && frame.html_length != html.size()) {
    text.insert(text.end(), html.begin() + static_cast<ptrdiff_t>(frame.html_length), html.end());
  } else if (frame.html_length == html.size() && frame.text_length != text.size()) {
    html.insert(html.end(), text.begin() + static_cast<ptrdiff_t>(frame.text_length), text.end());
  }
}

JmapBodyLists BodyLister::List() {
  std::vector<Frame> frames = {{.next = 0,
                                .first = true,
                                .multipart = MediaSubtype::kMixed,
                                .in_alternative = false,
                                .text = true,
                                .html = true,
                                .text_length = 0,
                                .html_length = 0}};
  while (!frames.empty()) {
    Frame& frame = frames.back();
    if (frame.next == kNoPart) {
      End(frame);
      frames.pop_back();
      continue;
    }
    const PartIndex index = frame.next;
    const Part& part = message_.part(index);
    const bool multipart = part.multipart();
    if (!multipart) Take(index, frame);
    frame.next = part.next_sibling;
    frame.first = false;
    if (multipart) {
      frames.push_back({.next = part.first_child,
                        .first = true,
                        .multipart = part.media_subtype,
                        .in_alternative = frame.in_alternative ||
                                          part.media_subtype == MediaSubtype::kAlternative,
                        .text = frame.text,
                        .html = frame.html,
                        .text_length = lists_.text_body.size(),
                        .html_length = lists_.html_body.size()});
    }
  }
  return std::move(lists_);
}

std::string NormalizeC(const std::string& utf8) {
  if (codec::IsAscii(utf8)) return utf8;
  UErrorCode error = U_ZERO_ERROR;
  const UNormalizer2* const form = unorm2_getNFCInstance(&error);
  if (U_FAILURE(error)) return utf8;
  std::vector<UChar> wide(utf8.size() + 1), normal(utf8.size() * 4 + 16);
  int32_t length = 0;
  u_strFromUTF8(wide.data(), static_cast<int32_t>(wide.size()), &length, utf8.data(),
                static_cast<int32_t>(utf8.size()), &error);
  const int32_t normal_length = unorm2_normalize(form, wide.data(), length, normal.data(),
                                                 static_cast<int32_t>(normal.size()), &error);
  if (U_FAILURE(error)) return utf8;
  std::string out(static_cast<size_t>(normal_length) * 3 + 1, '\0');
  u_strToUTF8(out.data(), static_cast<int32_t>(out.size()), &length, normal.data(), normal_length,
              &error);
  if (U_FAILURE(error)) return utf8;
  out.resize(static_cast<size_t>(length));
  return out;
}

std::optional<std::string> NameOf(const std::string& name) {
  if (TrimBlank(name).empty()) return std::nullopt;
  return NormalizeC(DecodeText(name));
}

}  // namespace

JmapBodyLists FindBodyLists(const MessageView& message) { return BodyLister(message).List(); }

bool HasAttachment(const MessageView& message) {
  // RFC 8621 §4.1.4: a server may leave out what is meant to be shown within the text.
  const JmapBodyLists lists = FindBodyLists(message);
  return std::any_of(lists.attachments.begin(), lists.attachments.end(), [&](PartIndex index) {
    return PartDisposition(message, index).type != "inline";
  });
}

std::string JmapRaw(std::string_view value) {
  std::string out;
  for (const char c : RepairUtf8(value)) {
    if (c != '\0') out += c;
  }
  return out;
}

std::string JmapText(std::string_view value) { return NormalizeC(DecodeText(value)); }

std::vector<JmapGroup> JmapGroupedAddresses(std::string_view value) {
  std::vector<JmapGroup> groups;
  bool open = false;
  for (const Address& address : ParseAddressList(value)) {
    if (address.kind == AddressKind::kGroup) {
      groups.push_back({.name = NameOf(address.name)});
      open = true;
    } else if (address.kind == AddressKind::kGroupEnd) {
      open = false;
    } else {
      // "Consecutive mailbox values that are not part of a group" make one without a name.
      if (!open && (groups.empty() || groups.back().name)) groups.push_back({});
      if (!open && !groups.empty() && groups.back().name) groups.push_back({});
      groups.back().addresses.push_back(
          {.name = NameOf(address.name), .email = RepairUtf8(AddrSpec(address))});
    }
  }
  return groups;
}

std::vector<JmapAddress> JmapAddresses(std::string_view value) {
  std::vector<JmapAddress> all;
  for (JmapGroup& group : JmapGroupedAddresses(value)) {
    std::move(group.addresses.begin(), group.addresses.end(), std::back_inserter(all));
  }
  return all;
}

std::optional<std::vector<std::string>> JmapMessageIds(std::string_view value) {
  std::vector<std::string> ids = ParseMessageIds(value);
  if (ids.empty()) return std::nullopt;
  for (std::string& id : ids) id = RepairUtf8(id);
  return ids;
}

std::optional<std::string> JmapDate(std::string_view value) {
  const std::optional<DateTime> date = ParseDate(value);
  if (!date) return std::nullopt;
  const int64_t local = UnixSeconds(date->when) + int64_t{date->zone_minutes} * 60;
  const auto day =
      std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds(std::chrono::seconds(local)));
  const std::chrono::year_month_day civil(day);
  const int64_t of_day = local - day.time_since_epoch().count() * 86400;
  char text[64];
  // RFC 8620 §1.4: RFC 3339, upper case, without a zero fraction; "Z" for a time in UTC.
  const int written =
      std::snprintf(text, sizeof(text), "%04d-%02u-%02uT%02d:%02d:%02d", int{civil.year()},
                    unsigned{civil.month()}, unsigned{civil.day()}, static_cast<int>(of_day / 3600),
                    static_cast<int>(of_day / 60 % 60), static_cast<int>(of_day % 60));
  std::string out(text, static_cast<size_t>(written));
  if (date->zone_minutes == 0) return out + "Z";
  const int zone = date->zone_minutes < 0 ? -date->zone_minutes : date->zone_minutes;
  const int more = std::snprintf(text, sizeof(text), "%c%02d:%02d",
                                 date->zone_minutes < 0 ? '-' : '+', zone / 60, zone % 60);
  return out.append(text, static_cast<size_t>(more));
}

std::optional<std::vector<std::string>> JmapUrls(std::string_view value) {
  std::vector<std::string> urls = ParseListUrls(value).urls;
  if (urls.empty()) return std::nullopt;
  for (std::string& url : urls) url = RepairUtf8(url);
  return urls;
}

}  // namespace ringmail::message
