#include "ringmail/message/section.h"

#include <algorithm>

#include "message/lexer.h"

namespace ringmail::message {
namespace {

constexpr std::string_view kEmptyLine = "\r\n";

struct TextRow {
  std::string_view name;
  SectionText text;
};
constexpr TextRow kTexts[] = {{"HEADER", SectionText::kHeader},
                              {"HEADER.FIELDS", SectionText::kHeaderFields},
                              {"HEADER.FIELDS.NOT", SectionText::kHeaderFieldsNot},
                              {"TEXT", SectionText::kText},
                              {"MIME", SectionText::kMime}};

// "(name name)" with one blank between, at least one (RFC 9051 §9: header-list).
bool ReadNames(std::string_view text, std::vector<std::string>& names) {
  if (!text.starts_with("(") || !text.ends_with(")")) return false;
  text = text.substr(1, text.size() - 2);
  while (true) {
    std::string name;
    if (text.starts_with('"')) {
      const size_t end = SkipQuoted(text, 0);
      if (end < 2 || text[end - 1] != '"') return false;
      AppendUnescaped(text.substr(1, end - 2), name);
      text.remove_prefix(end);
    } else {
      const size_t end = std::min(text.find_first_of(" \"()"), text.size());
      name = text.substr(0, end);
      text.remove_prefix(end);
    }
    if (name.empty() || names.size() >= kSectionFieldsMax) return false;
    names.push_back(std::move(name));
    if (text.empty()) return true;
    if (text.front() != ' ') return false;
    text.remove_prefix(1);
  }
}

// Where numbers lead from a message. Until a number is taken, it is the message itself that is
// meant and not its one part (RFC 9051 §6.4.5: "every message has at least one part number").
struct Place {
  PartIndex part = kNoPart;
  bool as_message = true;
};

PartIndex Child(const Tree& tree, PartIndex parent, uint32_t number) {
  PartIndex child = tree.parts[parent].first_child;
  for (uint32_t i = 1; i < number && child != kNoPart; ++i) {
    child = tree.parts[child].next_sibling;
  }
  return number == 0 ? kNoPart : child;
}

Place Follow(const Tree& tree, const std::vector<uint32_t>& path) {
  Place place{.part = 0};
  for (const uint32_t number : path) {
    if (!place.as_message && tree.parts[place.part].encapsulates()) {
      place = {.part = tree.parts[place.part].first_child};
    }
    const Part& part = tree.parts[place.part];
    if (part.multipart()) {
      place.part = Child(tree, place.part, number);
    } else if (!place.as_message || number != 1) {
      place.part = kNoPart;
    }
    place.as_message = false;
    if (place.part == kNoPart) break;
  }
  return place;
}

void SelectFields(const MessageView& message, const Part& part, const Section& section,
                  SectionContent& content) {
  std::string scratch;
  const bool wanted = section.text == SectionText::kHeaderFields;
  for (const Field& field : message.tree.FieldsOf(part)) {
    const std::string_view name = message.content.Read({field.offset, field.name_bytes}, scratch);
    const bool named =
        std::any_of(section.fields.begin(), section.fields.end(),
                    [name](const std::string& other) { return SameFieldName(other, name); });
    if (named == wanted) content.extents.push_back({field.offset, field.bytes});
  }
  // RFC 9051 §6.4.5: "subsetting does not exclude the delimiting blank line".
  content.tail = kEmptyLine;
}

}  // namespace

uint64_t SectionContent::bytes() const {
  uint64_t bytes = tail.size();
  for (const Extent& extent : extents) bytes += extent.bytes;
  return bytes;
}

std::optional<Section> ParseSection(std::string_view text) {
  Section section;
  while (!text.empty() && IsDigit(text.front())) {
    uint64_t number = 0;
    size_t digits = 0;
    while (digits < text.size() && digits < 10 && IsDigit(text[digits])) {
      number = number * 10 + static_cast<uint64_t>(text[digits++] - '0');
    }
    if (number == 0 || number > UINT32_MAX || section.path.size() >= kSectionDepthMax) {
      return std::nullopt;
    }
    section.path.push_back(static_cast<uint32_t>(number));
    text.remove_prefix(digits);
    if (text.empty()) return section;
    if (text.front() != '.' || text.size() == 1) return std::nullopt;
    text.remove_prefix(1);
  }
  if (text.empty()) return section;
  const size_t blank = std::min(text.find(' '), text.size());
  for (const TextRow& row : kTexts) {
    if (!SameAscii(row.name, text.substr(0, blank))) continue;
    section.text = row.text;
    if (row.text == SectionText::kMime && section.path.empty()) return std::nullopt;
    if (row.text == SectionText::kHeaderFields || row.text == SectionText::kHeaderFieldsNot) {
      if (blank == text.size() || !ReadNames(text.substr(blank + 1), section.fields)) {
        return std::nullopt;
      }
    } else if (blank != text.size()) {
      return std::nullopt;
    }
    return section;
  }
  return std::nullopt;
}

std::optional<SectionContent> FindSection(const MessageView& message, const Section& section) {
  const Place place = Follow(message.tree, section.path);
  if (place.part == kNoPart) return std::nullopt;
  const Part* part = &message.part(place.part);
  SectionContent content;
  if (section.text == SectionText::kAll) {
    const uint32_t from = place.as_message ? part->header.offset : part->body.offset;
    content.extents.push_back({from, part->body.end() - from});
    return content;
  }
  if (section.text == SectionText::kMime) {
    content.extents.push_back(part->header);
    return content;
  }
  if (!place.as_message) {
    // RFC 9051 §6.4.5: these need a message within.
    if (!part->encapsulates()) return std::nullopt;
    part = &message.part(part->first_child);
  }
  if (section.text == SectionText::kHeader) {
    content.extents.push_back(part->header);
  } else if (section.text == SectionText::kText) {
    content.extents.push_back(part->body);
  } else {
    SelectFields(message, *part, section, content);
  }
  return content;
}

PartIndex FindPart(const Tree& tree, const std::vector<uint32_t>& path) {
  return Follow(tree, path).part;
}

std::string SectionNumber(const Tree& tree, PartIndex index) {
  std::vector<uint32_t> numbers;
  // A message that is no multipart is its own part 1.
  bool own = true;
  while (index != kNoPart) {
    const Part& part = tree.parts[index];
    if (part.message) {
      if (own && !part.multipart()) numbers.push_back(1);
      own = false;
    } else {
      uint32_t number = 1;
      PartIndex sibling = tree.parts[part.parent].first_child;
      for (; sibling != index; sibling = tree.parts[sibling].next_sibling) ++number;
      numbers.push_back(number);
      own = false;
    }
    index = part.parent;
    // What holds a message is counted by its own place, unless it is a message itself.
    if (index != kNoPart && part.message && tree.parts[index].message) own = true;
  }
  std::string out;
  for (size_t i = numbers.size(); i-- > 0;) {
    if (!out.empty()) out += '.';
    out += std::to_string(numbers[i]);
  }
  return out;
}

}  // namespace ringmail::message
