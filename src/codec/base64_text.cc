#include "ringmail/codec/base64_text.h"

#include "ringmail/base/check.h"

namespace ringmail::codec {

std::string ToBase64(std::string_view octets, Base64Form form, Base64Padding padding) {
  CHECK(form != Base64Form::kMime);
  CHECK(padding != Base64Padding::kOptional);
  Base64Encoder encoder(form);
  std::string text(Base64EncodedBytesMax(octets.size(), form), '\0');
  size_t written = encoder.Feed(octets, text.data());
  written += encoder.Finish(text.data() + written);
  text.resize(written);
  while (padding == Base64Padding::kNone && text.ends_with('=')) text.pop_back();
  while (padding == Base64Padding::kRequired && text.size() % 4 != 0) text += '=';
  return text;
}

std::optional<std::string> FromBase64(std::string_view text, Base64Form form,
                                      Base64Padding padding) {
  CHECK(form != Base64Form::kMime);
  // The decoder of kUrl does not judge padding; its length does.
  const bool padded = text.ends_with('=');
  if (padding == Base64Padding::kNone && padded) return std::nullopt;
  if ((padding == Base64Padding::kRequired || padded) && text.size() % 4 != 0) return std::nullopt;
  Base64Decoder decoder(form);
  std::string octets(Base64DecodedBytesMax(text.size()), '\0');
  octets.resize(decoder.Feed(text, octets.data()));
  decoder.Finish();
  const uint8_t allowed = padding == Base64Padding::kRequired ? 0 : kBase64Unpadded;
  if ((decoder.departures() & ~allowed) != 0) return std::nullopt;
  return octets;
}

}  // namespace ringmail::codec
