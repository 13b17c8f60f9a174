#include "ringmail/message/imap_body.h"

#include <algorithm>
#include <vector>

#include "message/lexer.h"
#include "message/parameter_reader.h"
#include "ringmail/codec/utf8.h"
#include "ringmail/message/address.h"
#include "ringmail/message/header_text.h"

namespace ringmail::message {
namespace {

class Writer {
 public:
  Writer(const MessageView& message, ImapText text, std::string& out)
      : message_(message), text_(text), out_(out) {}

  void Envelope(PartIndex part);
  void Body(PartIndex part, bool extended);

 private:
  void String(std::string_view octets) { AppendImapString(octets, text_, out_); }
  void StringOrNil(std::string_view octets) {
    if (octets.empty()) {
      out_ += "NIL";
    } else {
      String(octets);
    }
  }
  void Field(PartIndex part, FieldName name);
  void Addresses(const std::vector<Address>& addresses);
  std::vector<Address> ReadAddresses(PartIndex part, FieldName name, bool all) const;
  void Parameters(std::string_view text);
  void Disposition(PartIndex part);
  void Language(PartIndex part);
  void Extension(PartIndex part, bool md5);
  void ContentFields(PartIndex part, bool opaque);
  void Begin(PartIndex part, bool extended);
  void End(PartIndex part, bool extended);

  const MessageView& message_;
  ImapText text_;
  std::string& out_;
};

void Writer::Field(PartIndex part, FieldName name) {
  const std::optional<std::string> value = RawValue(message_, part, name);
  if (!value) {
    out_ += "NIL";
    return;
  }
  String(Unfold(*value));
}

std::vector<Address> Writer::ReadAddresses(PartIndex index, FieldName name, bool all) const {
  std::vector<Address> addresses;
  const Part& part = message_.part(index);
  for (uint32_t i = part.first_field; i < part.first_field + part.field_count; ++i) {
    if (message_.tree.fields[i].name != name) continue;
    std::vector<Address> more = ParseAddressList(RawValue(message_, i).value_or(""));
    std::move(more.begin(), more.end(), std::back_inserter(addresses));
    if (!all) break;
  }
  return addresses;
}

// RFC 9051 §7.5.2: (name, source route, mailbox, host); a NIL host marks groups.
void Writer::Addresses(const std::vector<Address>& addresses) {
  if (addresses.empty()) {
    out_ += "NIL";
    return;
  }
  out_ += '(';
  for (const Address& address : addresses) {
    out_ += '(';
    if (address.kind == AddressKind::kMailbox) {
      StringOrNil(address.name);
      out_ += ' ';
      StringOrNil(address.route);
      out_ += ' ';
      String(address.local_part);
      out_ += ' ';
      String(address.domain);
    } else {
      out_ += "NIL NIL ";
      if (address.kind == AddressKind::kGroup) {
        String(address.name);
      } else {
        out_ += "NIL";
      }
      out_ += " NIL";
    }
    out_ += ')';
  }
  out_ += ')';
}

void Writer::Envelope(PartIndex part) {
  out_ += '(';
  Field(part, FieldName::kDate);
  out_ += ' ';
  Field(part, FieldName::kSubject);
  const std::vector<Address> from = ReadAddresses(part, FieldName::kFrom, false);
  out_ += ' ';
  Addresses(from);
  // RFC 9051 §7.5.2: without Sender or Reply-To, or where they are empty, From takes their place.
  for (const FieldName name : {FieldName::kSender, FieldName::kReplyTo}) {
    const std::vector<Address> own = ReadAddresses(part, name, false);
    out_ += ' ';
    Addresses(own.empty() ? from : own);
  }
  // RFC 5322 §4.5 allows these more than once.
  for (const FieldName name : {FieldName::kTo, FieldName::kCc, FieldName::kBcc}) {
    out_ += ' ';
    Addresses(ReadAddresses(part, name, true));
  }
  out_ += ' ';
  Field(part, FieldName::kInReplyTo);
  out_ += ' ';
  Field(part, FieldName::kMessageId);
  out_ += ')';
}

// As they were sent: RFC 2231 is the client's to read.
void Writer::Parameters(std::string_view text) {
  ParameterReader reader(text);
  RawParameter parameter;
  bool any = false;
  while (reader.Next(parameter)) {
    out_ += any ? " " : "(";
    any = true;
    std::string name(parameter.name);
    if (parameter.section >= 0) name += "*" + std::to_string(parameter.section);
    if (parameter.encoded) name += '*';
    String(name);
    out_ += ' ';
    std::string value;
    AppendParameterValue(parameter, value);
    String(value);
  }
  out_ += any ? ")" : "NIL";
}

void Writer::Disposition(PartIndex part) {
  const std::optional<std::string> value = RawValue(message_, message_.part(part).disposition);
  std::string_view rest;
  const std::string_view token = value ? ReadMimeToken(*value, rest) : std::string_view();
  if (token.empty()) {
    out_ += "NIL";
    return;
  }
  out_ += '(';
  String(token);
  out_ += ' ';
  Parameters(rest);
  out_ += ')';
}

void Writer::Language(PartIndex part) {
  const std::string text =
      RawValue(message_, part, FieldName::kContentLanguage).value_or(std::string());
  std::vector<std::string_view> tags;
  for (size_t at = SkipCfws(text, 0); at < text.size(); at = SkipCfws(text, at)) {
    const size_t end = std::min(text.find_first_of(", \t\r\n(", at), text.size());
    if (end > at) tags.push_back(std::string_view(text).substr(at, end - at));
    at = end < text.size() && text[end] == ',' ? end + 1 : end;
  }
  if (tags.empty()) {
    out_ += "NIL";
    return;
  }
  for (size_t i = 0; i < tags.size(); ++i) {
    out_ += i == 0 ? '(' : ' ';
    String(tags[i]);
  }
  out_ += ')';
}

void Writer::Extension(PartIndex part, bool md5) {
  if (md5) {
    out_ += ' ';
    Field(part, FieldName::kContentMd5);
  }
  out_ += ' ';
  Disposition(part);
  out_ += ' ';
  Language(part);
  out_ += ' ';
  Field(part, FieldName::kContentLocation);
}

// media, parameters, id, description, encoding, octets.
void Writer::ContentFields(PartIndex index, bool opaque) {
  const Part& part = message_.part(index);
  const std::optional<std::string> value = RawValue(message_, part.content_type);
  const RawMediaType media = ReadMediaType(value ? *value : std::string_view());
  if (opaque || part.media == MediaType::kMultipart) {
    // Not divided, so that "message" or "multipart" would promise what is not there.
    out_ += part.multipart() ? "\"text\" \"plain\" (\"charset\" \"us-ascii\")"
                             : "\"application\" \"octet-stream\" NIL";
  } else if (!media.type.empty()) {
    String(media.type);
    out_ += ' ';
    String(media.subtype);
    out_ += ' ';
    Parameters(media.rest);
  } else if (part.media == MediaType::kMessage) {
    out_ += "\"message\" \"rfc822\" NIL";
  } else {
    out_ += "\"text\" \"plain\" (\"charset\" \"us-ascii\")";
  }
  out_ += ' ';
  Field(index, FieldName::kContentId);
  out_ += ' ';
  Field(index, FieldName::kContentDescription);
  out_ += ' ';
  const std::optional<std::string> encoding = RawValue(message_, part.transfer_encoding);
  std::string_view rest;
  const std::string_view token =
      encoding ? ReadMimeToken(*encoding, rest) : std::string_view("7bit");
  String(token.empty() ? "7bit" : token);
  out_ += ' ' + std::to_string(part.body.bytes);
}

// A part up to where its own parts are written.
void Writer::Begin(PartIndex index, bool extended) {
  const Part& part = message_.part(index);
  out_ += '(';
  if (part.multipart() && !part.leaf()) return;
  const bool message_type =
      part.media == MediaType::kMessage &&
      (part.media_subtype == MediaSubtype::kRfc822 || part.media_subtype == MediaSubtype::kGlobal);
  const bool opaque = message_type && !part.encapsulates();
  if (part.multipart()) {
    // RFC 9051 §9: a multipart has one part at least; this one is what there is.
    out_ += '(';
    ContentFields(index, false);
    out_ += ' ' + std::to_string(part.lines);
    if (extended) out_ += " NIL NIL NIL NIL";
    out_ += ')';
    return;
  }
  ContentFields(index, opaque);
  if (part.encapsulates()) {
    out_ += ' ';
    Envelope(part.first_child);
    out_ += ' ';
    return;
  }
  if (part.media == MediaType::kText) out_ += ' ' + std::to_string(part.lines);
}

void Writer::End(PartIndex index, bool extended) {
  const Part& part = message_.part(index);
  if (part.multipart()) {
    const std::optional<std::string> value = RawValue(message_, part.content_type);
    const RawMediaType media = ReadMediaType(value ? *value : std::string_view());
    out_ += ' ';
    String(media.subtype.empty() ? "mixed" : media.subtype);
    if (extended) {
      out_ += ' ';
      Parameters(media.rest);
      Extension(index, false);
    }
  } else {
    if (part.encapsulates()) out_ += ' ' + std::to_string(part.lines);
    if (extended) Extension(index, true);
  }
  out_ += ')';
}

void Writer::Body(PartIndex root, bool extended) {
  const Tree& tree = message_.tree;
  PartIndex index = root;
  Begin(index, extended);
  while (true) {
    if (!tree.parts[index].leaf()) {
      index = tree.parts[index].first_child;
      Begin(index, extended);
      continue;
    }
    End(index, extended);
    while (index != root && tree.parts[index].next_sibling == kNoPart) {
      index = tree.parts[index].parent;
      End(index, extended);
    }
    if (index == root) return;
    index = tree.parts[index].next_sibling;
    Begin(index, extended);
  }
}

}  // namespace

void AppendImapString(std::string_view octets, ImapText text, std::string& out) {
  bool quotable = octets.size() <= 1000, ascii = true, nul = false;
  for (const char c : octets) {
    const auto octet = static_cast<uint8_t>(c);
    if (octet >= 0x80) ascii = false;
    if (octet == 0) nul = true;
    if (octet < ' ' || octet == 0x7F) quotable = false;
  }
  if (!ascii) quotable = quotable && text == ImapText::kUtf8 && codec::Utf8Valid(octets);
  if (quotable) {
    out += '"';
    for (const char c : octets) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
    return;
  }
  std::string kept;
  if (nul) {
    std::copy_if(octets.begin(), octets.end(), std::back_inserter(kept),
                 [](char c) { return c != '\0'; });
    octets = kept;
  }
  out += '{' + std::to_string(octets.size()) + "}\r\n";
  out += octets;
}

void AppendEnvelope(const MessageView& message, PartIndex part, ImapText text, std::string& out) {
  Writer(message, text, out).Envelope(part);
}

void AppendBody(const MessageView& message, PartIndex part, ImapBody form, ImapText text,
                std::string& out) {
  Writer(message, text, out).Body(part, form == ImapBody::kBodyStructure);
}

}  // namespace ringmail::message
