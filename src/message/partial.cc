// message/partial: RFC 2046 §5.2.2.
#include <algorithm>
#include <map>

#include "message/lexer.h"
#include "ringmail/codec/dots.h"
#include "ringmail/message/compose.h"

namespace ringmail::message {
namespace {

// RFC 2046 §5.2.2.1 (1), (2): these are of the enclosed message, all others of the enclosing one.
bool BelongsWithin(std::string_view name) {
  return SameAscii(name.substr(0, 8), "Content-") || SameAscii(name, "Subject") ||
         SameAscii(name, "Message-ID") || SameAscii(name, "Encrypted") ||
         SameAscii(name, "MIME-Version");
}

// The fields of `text`, a header section, that belong within or not, as they stand.
std::string SelectFields(std::string_view text, bool within) {
  std::vector<Field> fields;
  IndexFields(text, 0, fields);
  std::string out;
  for (const Field& field : fields) {
    const std::string_view name = text.substr(field.offset, field.name_bytes);
    if (BelongsWithin(name) != within) continue;
    out += text.substr(field.offset, field.bytes);
    if (!out.ends_with('\n')) out += "\r\n";
  }
  return out;
}

struct Piece {
  Tree tree;
  std::string_view text;
  uint32_t number = 0, total = 0;
  std::string id;
  std::string_view header() const { return text.substr(0, tree.parts[0].header.end()); }
  std::string_view body() const { return text.substr(tree.parts[0].body.offset); }
};

uint32_t Number(const ContentType& type, std::string_view name) {
  const Parameter* parameter = FindParameter(type.parameters, name);
  if (parameter == nullptr || parameter->value.empty() || parameter->value.size() > 6) return 0;
  uint32_t number = 0;
  for (const char c : parameter->value) {
    if (!IsDigit(c)) return 0;
    number = number * 10 + static_cast<uint32_t>(c - '0');
  }
  return number;
}

std::optional<Piece> ReadPiece(std::string_view text) {
  Piece piece;
  piece.text = text;
  TreeBuilder builder({});
  builder.Start(piece.tree);
  builder.Feed(text);
  builder.Finish();
  const Part& root = piece.tree.parts[0];
  if (root.media_subtype != MediaSubtype::kPartial) return std::nullopt;
  const ContentView content(text);
  const ContentType type = PartContentType({piece.tree, content}, 0);
  const Parameter* id = FindParameter(type.parameters, "id");
  piece.number = Number(type, "number");
  piece.total = Number(type, "total");
  if (id == nullptr || piece.number == 0) return std::nullopt;
  piece.id = id->value;
  return piece;
}

}  // namespace

std::optional<std::vector<std::string>> SplitMessage(const MessageView& message, size_t piece_bytes,
                                                     std::string_view id) {
  std::string scratch;
  const std::string_view text = message.content.Read({0, message.tree.bytes}, scratch);
  codec::LineScanner scanner;
  scanner.Feed(text);
  // RFC 2046 §5.2.2: "the content-transfer-encoding must always be 7bit".
  if (scanner.kind() != codec::ContentKind::k7Bit || !text.ends_with("\r\n")) return std::nullopt;
  const uint32_t body = message.part(0).body.offset;
  const std::string enclosing = SelectFields(text.substr(0, body), false);
  // RFC 2046 §5.2.2.1 (3), (4): the fields of the enclosed message stand in the first piece, all.
  std::string enclosed = SelectFields(text.substr(0, body), true) + "\r\n";
  const size_t header_bytes = enclosed.size();
  enclosed += text.substr(body);

  std::vector<std::string_view> cuts;
  std::string_view rest = enclosed;
  piece_bytes = std::max<size_t>(piece_bytes, 1);
  while (!rest.empty()) {
    // At a line's end: the last one within the size, or the first beyond.
    size_t end = rest.size();
    const size_t most = cuts.empty() ? std::max(piece_bytes, header_bytes) : piece_bytes;
    if (end > most) {
      const size_t back = rest.rfind('\n', most - 1);
      end = (back == std::string_view::npos ? rest.find('\n') : back) + 1;
    }
    cuts.push_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  std::vector<std::string> pieces;
  for (size_t i = 0; i < cuts.size(); ++i) {
    std::string piece = enclosing;
    HeaderBuilder builder(HeaderCharset::kAscii, piece);
    const std::string number = std::to_string(i + 1), total = std::to_string(cuts.size());
    builder.MessageIds("Message-ID", std::vector<std::string>{number + "." + std::string(id)});
    const std::optional<std::string> subject = RawValue(message, 0, FieldName::kSubject);
    if (subject) piece += "Subject:" + *subject + "\r\n";
    piece += "MIME-Version: 1.0\r\n";
    builder.Parameters("Content-Type", "message/partial",
                       std::vector<Parameter>{{.name = "id", .value = std::string(id)},
                                              {.name = "number", .value = number},
                                              {.name = "total", .value = total}});
    builder.Empty();
    piece += cuts[i];
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

std::optional<std::string> JoinPartial(std::span<const std::string_view> texts) {
  std::map<uint32_t, Piece> pieces;
  uint32_t total = 0;
  for (const std::string_view text : texts) {
    std::optional<Piece> piece = ReadPiece(text);
    if (!piece) return std::nullopt;
    if (!pieces.empty() && pieces.begin()->second.id != piece->id) return std::nullopt;
    // §5.2.2: the last one must say the total, the others may; it must be the same.
    if (piece->total != 0) {
      if (total != 0 && total != piece->total) return std::nullopt;
      total = piece->total;
    }
    pieces.try_emplace(piece->number, std::move(*piece));
  }
  if (total == 0 || pieces.size() != total || pieces.begin()->first != 1 ||
      pieces.rbegin()->first != total) {
    return std::nullopt;
  }
  const Piece& first = pieces.begin()->second;
  std::vector<Field> fields;
  const size_t enclosed = IndexFields(first.body(), 0, fields);
  std::string out = SelectFields(first.header(), false);
  out += SelectFields(first.body().substr(0, enclosed), true);
  out += "\r\n";
  out += first.body().substr(enclosed);
  for (auto piece = std::next(pieces.begin()); piece != pieces.end(); ++piece) {
    out += piece->second.body();
  }
  return out;
}

}  // namespace ringmail::message
