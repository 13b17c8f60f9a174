#include "ringmail/message/mime_tree.h"

namespace ringmail::message {

uint32_t Tree::FindField(const Part& part, FieldName name) const {
  for (uint32_t i = part.first_field; i < part.first_field + part.field_count; ++i) {
    if (fields[i].name == name) return i;
  }
  return kNoField;
}

PartIndex Tree::After(PartIndex index) const {
  while (index != kNoPart) {
    const Part& part = parts[index];
    if (part.next_sibling != kNoPart) return part.next_sibling;
    index = part.parent;
  }
  return kNoPart;
}

}  // namespace ringmail::message
