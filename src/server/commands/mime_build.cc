#include "server/commands/mime_build.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ringmail/codec/utf8.h"
#include "ringmail/message/address.h"
#include "ringmail/message/header_builder.h"

namespace ringmail::server {
namespace {

using message::ComposePart;
using message::HeaderBuilder;
using message::HeaderCharset;

constexpr std::pair<std::string_view, std::string_view> kMediaTypes[] = {
    {"csv", "text/csv"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"eml", "message/rfc822"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ics", "text/calendar"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"json", "application/json"},
    {"md", "text/markdown"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"txt", "text/plain"},
    {"vcf", "text/vcard"},
    {"webp", "image/webp"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", "application/xml"},
    {"zip", "application/zip"},
};

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// RFC 2046 §4.1.1: in text a line ends in CRLF, whatever the file has.
std::string WithCrlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
    out += text[i];
  }
  return out;
}

class Builder {
 public:
  Builder(const MimeBuild& build, std::string& problem) : build_(build), problem_(problem) {}

  std::optional<std::string> Run() {
    std::string header;
    ComposePart root;
    if (!Header(header) || !Root(root)) return std::nullopt;
    auto written = message::WriteMessage({.header = header,
                                          .root = &root,
                                          .peer = build_.peer,
                                          .charset = HeaderCharset::kAscii,
                                          .boundary_seed = build_.unique});
    if (!written)
      problem_ = "an attached message has octets that the peer does not take: see --peer";
    return written;
  }

 private:
  bool Header(std::string& header) {
    HeaderBuilder builder(HeaderCharset::kAscii, header);
    builder.Date("Date", {.when = build_.when});
    if (!Addresses(builder, "From", {build_.from}) || !Addresses(builder, "To", build_.to) ||
        !Addresses(builder, "Cc", build_.cc))
      return false;
    if (!codec::Utf8Valid(build_.subject)) {
      problem_ = "--subject is no UTF-8";
      return false;
    }
    builder.Text("Subject", build_.subject);
    builder.MessageIds("Message-ID",
                       std::vector<std::string>{fmt::format("{}@{}", build_.unique, build_.host)});
    return true;
  }

  bool Addresses(HeaderBuilder& builder, std::string_view name,
                 const std::vector<std::string_view>& given) {
    std::vector<message::Address> all;
    for (const std::string_view text : given) {
      const std::vector<message::Address> some = message::ParseAddressList(text);
      const bool good = !some.empty() && std::none_of(some.begin(), some.end(), [](const auto& a) {
        return a.kind == message::AddressKind::kMailbox &&
               (a.local_part.empty() || a.domain.empty());
      });
      if (!good || !codec::Utf8Valid(text)) {
        problem_ = fmt::format("'{}' is no address for {}", text, name);
        return false;
      }
      all.insert(all.end(), some.begin(), some.end());
    }
    if (all.empty()) return true;
    if (builder.Addresses(name, all)) return true;
    problem_ = fmt::format("an address of {} needs SMTPUTF8", name);
    return false;
  }

  bool Text(const MimeFile& file, std::string_view subtype, ComposePart& part) {
    if (!codec::Utf8Valid(file.content)) {
      problem_ = fmt::format("{} is no UTF-8", file.path);
      return false;
    }
    part.subtype = subtype;
    part.parameters = {
        {.name = "charset", .value = codec::IsAscii(file.content) ? "us-ascii" : "utf-8"}};
    part.body = texts_.emplace_back(WithCrlf(file.content));
    return true;
  }

  void Attachment(const MimeFile& file, ComposePart& part) {
    const std::string_view type = MediaTypeOfFile(file.path);
    const size_t slash = type.find('/');
    part.type = type.substr(0, slash);
    part.subtype = type.substr(slash + 1);
    part.body = file.content;
    part.disposition = "attachment";
    if (file.path != "-")
      part.disposition_parameters = {
          {.name = "filename", .value = std::string(BaseName(file.path))}};
    // What the file is encoded in is known where it is UTF-8, and not guessed where it is not.
    if (part.type != "text") return;
    part.body = texts_.emplace_back(WithCrlf(file.content));
    if (codec::Utf8Valid(file.content))
      part.parameters = {
          {.name = "charset", .value = codec::IsAscii(file.content) ? "us-ascii" : "utf-8"}};
  }

  // The text, both forms of it (RFC 2046 §5.1.4: the plainest first), and then what is attached.
  bool Root(ComposePart& root) {
    texts_.reserve(2 + build_.attachments.size());
    ComposePart text, html;
    if (build_.text && !Text(*build_.text, "plain", text)) return false;
    if (build_.html && !Text(*build_.html, "html", html)) return false;
    if (build_.text && build_.html) {
      root.type = "multipart";
      root.subtype = "alternative";
      root.parts = {text, html};
    } else {
      root = build_.html ? html : text;
    }
    if (build_.attachments.empty()) return true;
    ComposePart mixed{.type = "multipart", .subtype = "mixed"};
    if (build_.text || build_.html) mixed.parts.push_back(std::move(root));
    for (const MimeFile& file : build_.attachments) Attachment(file, mixed.parts.emplace_back());
    root = std::move(mixed);
    return true;
  }

  const MimeBuild& build_;
  std::string& problem_;
  std::vector<std::string> texts_;  // with CRLF; parts look into them
};

}  // namespace

std::string_view MediaTypeOfFile(std::string_view path) {
  const std::string_view name = BaseName(path);
  const size_t dot = name.rfind('.');
  std::string extension(dot == name.npos ? std::string_view() : name.substr(dot + 1));
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  for (const auto& [known, type] : kMediaTypes) {
    if (known == extension) return type;
  }
  return "application/octet-stream";
}

std::optional<std::string> BuildMessage(const MimeBuild& build, std::string& problem) {
  return Builder(build, problem).Run();
}

}  // namespace ringmail::server
