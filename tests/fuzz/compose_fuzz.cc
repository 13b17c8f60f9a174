// Messages that are written: whatever the parts are, the tree that is read of the message has the
// same parts, names and octets and departs in nothing; made 7-bit they are the same again; split
// and joined too. The input is a small program that makes the parts.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/codec/dots.h"
#include "ringmail/message/charset.h"
#include "ringmail/message/compose.h"
#include "ringmail/message/part_view.h"

namespace {

using namespace ringmail::message;  // NOLINT: the whole room is under test

void Require(bool condition) {
  if (!condition) std::abort();
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}
  uint8_t Octet() {
    if (rest_.empty()) return 0;
    const auto octet = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return octet;
  }
  std::string_view Octets(size_t bytes) {
    const std::string_view some = rest_.substr(0, bytes);
    rest_.remove_prefix(some.size());
    return some;
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// UTF-8 without controls, without blanks at its ends and byte order marks: those the builder does
// not promise.
std::string Value(Input& input) {
  std::string text = RepairUtf8(input.Octets(input.Octet() % 100));
  std::erase_if(text, [](char c) { return static_cast<uint8_t>(c) < ' ' || c == 0x7F; });
  for (size_t at; (at = text.find(kByteOrderMark)) != std::string::npos;) {
    text.erase(at, kByteOrderMark.size());
  }
  const size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

struct Type {
  const char* type;
  const char* subtype;
};
constexpr Type kLeaves[] = {{"text", "plain"},      {"text", "html"},
                            {"image", "png"},       {"application", "octet-stream"},
                            {"message", "rfc822"},  {"message", "delivery-status"},
                            {"x-own", "x-subtype"}, {"audio", "basic"}};
constexpr Type kMultiparts[] = {{"multipart", "mixed"},
                                {"multipart", "alternative"},
                                {"multipart", "digest"},
                                {"multipart", "signed"}};

constexpr int kDepthMax = 5;

ComposePart MakePart(Input& input, int depth) {
  ComposePart part;
  const unsigned choice = input.Octet();
  const bool multipart = depth < kDepthMax && choice % 3 == 0 && !input.empty();
  const Type type = multipart ? kMultiparts[choice / 3 % std::size(kMultiparts)]
                              : kLeaves[choice / 3 % std::size(kLeaves)];
  part.type = type.type;
  part.subtype = type.subtype;
  if ((choice & 0x80) != 0) part.parameters.push_back({.name = "x-own", .value = Value(input)});
  if ((choice & 0x40) != 0) {
    part.disposition = "attachment";
    part.disposition_parameters.push_back({.name = "filename", .value = Value(input)});
  }
  if (!multipart) {
    part.body = input.Octets(input.Octet() * (choice % 5 == 0 ? 20u : 1u));
    return part;
  }
  for (unsigned n = 1 + input.Octet() % 4; n > 0; --n) {
    part.parts.push_back(MakePart(input, depth + 1));
  }
  return part;
}

struct Read {
  explicit Read(std::string_view text) : content(text) {
    TreeBuilder builder({});
    builder.Start(tree);
    builder.Feed(text);
    builder.Finish();
  }
  MessageView view() const { return {tree, content}; }
  Tree tree;
  ContentView content;
};

bool SameParameters(const std::vector<Parameter>& given, const std::vector<Parameter>& read) {
  return std::all_of(given.begin(), given.end(), [&read](const Parameter& parameter) {
    const Parameter* found = FindParameter(read, parameter.name);
    return found != nullptr && found->value == parameter.value;
  });
}

void RequireSame(const ComposePart& given, const Read& read, PartIndex index) {
  const Part& part = read.tree.parts[index];
  const ContentType type = PartContentType(read.view(), index);
  Require(type.type == given.type && type.subtype == given.subtype);
  Require(SameParameters(given.parameters, type.parameters));
  const ContentDisposition disposition = PartDisposition(read.view(), index);
  Require(disposition.type == given.disposition);
  Require(SameParameters(given.disposition_parameters, disposition.parameters));
  if (!given.parts.empty()) {
    Require(part.departures == 0 && part.child_count == given.parts.size());
    PartIndex child = part.first_child;
    for (const ComposePart& below : given.parts) {
      RequireSame(below, read, child);
      child = read.tree.parts[child].next_sibling;
    }
    return;
  }
  if (part.media != MediaType::kMessage) Require(part.departures == 0 && part.leaf());
  std::string body;
  Require(AppendDecodedBody(read.view(), index, body));
  // The message's last line ends even where the part's does not. Of an enclosed message without an
  // empty line, the line end before the delimiter is read as that.
  if ((index == 0 || part.encapsulates()) && body.size() == given.body.size() + 2) {
    Require(body.ends_with("\r\n"));
    body.resize(body.size() - 2);
  }
  Require(body == given.body);
}

void RequireSameLeaves(const Read& a, const Read& b) {
  Require(a.tree.parts.size() == b.tree.parts.size());
  for (PartIndex i = 0; i < a.tree.parts.size(); ++i) {
    if (!a.tree.parts[i].leaf()) continue;
    std::string before, after;
    AppendDecodedBody(a.view(), i, before);
    AppendDecodedBody(b.view(), i, after);
    Require(before == after);
  }
}

bool Is7Bit(std::string_view text) {
  ringmail::codec::LineScanner scanner;
  scanner.Feed(text);
  return scanner.kind() == ringmail::codec::ContentKind::k7Bit;
}

void FuzzSplit(const Read& read, std::string_view text, size_t piece_bytes) {
  const auto pieces = SplitMessage(read.view(), piece_bytes, "id@example.org");
  Require(pieces.has_value());
  std::vector<std::string_view> views(pieces->begin(), pieces->end());
  std::reverse(views.begin(), views.end());
  const auto joined = JoinPartial(views);
  Require(joined.has_value());
  const Read again(*joined);
  Require(joined->substr(again.tree.parts[0].body.offset) ==
          text.substr(read.tree.parts[0].body.offset));
  RequireSameLeaves(read, again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const unsigned choice = input.Octet();
  const std::string seed = Value(input);
  const ComposePart root = MakePart(input, 0);
  const ComposeRequest request = {
      .header = "From: a@example.org\r\nMessage-ID: <m@example.org>\r\nSubject: s\r\n",
      .root = &root,
      .peer = static_cast<ComposePeer>(choice % 3),
      .charset = (choice & 0x10) != 0 ? HeaderCharset::kUtf8 : HeaderCharset::kAscii,
      .boundary_seed = seed};
  const auto text = WriteMessage(request);
  if (!text) return 0;
  const Read read(*text);
  Require(read.tree.verdict == TreeVerdict::kWhole);
  Require(text->ends_with("\r\n"));
  // What is within a message/rfc822 has other departures than its own; UTF-8 fields are one.
  if ((choice & 0x10) == 0) RequireSame(root, read, 0);
  if (const auto downgraded = DowngradeTo7Bit(read.view())) {
    Require(Is7Bit(*downgraded));
    RequireSameLeaves(read, Read(*downgraded));
  }
  if (Is7Bit(*text)) FuzzSplit(read, *text, 1 + size_t{choice} * 3);
  return 0;
}
