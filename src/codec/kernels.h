// The table of kernels and the functions that fill it. Private to codec and its tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmail::codec {

// RFC 5321 §4.5.3.1.6: 1000 octets with their CRLF, and without the dot of transparency.
inline constexpr uint32_t kTextLineBytesMax = 998;

// What is known about the current line of content between two octets.
struct LineState {
  bool line_start = true;    // at the start of the content, or CRLF came before
  bool after_cr = false;     // CR came before, not yet judged and not in line_octets
  uint32_t line_octets = 0;  // no more than kTextLineBytesMax + 1
  uint8_t flags = 0;         // kData… of data_scan.h
};

// Reads content from the start of `input`, updates `state` as for each octet of it, and returns how
// many octets it read. Never reads a dot that starts a line: that is the caller's. A SIMD kernel
// reads whole blocks of 64 octets only and stops before a block that has such a dot; the portable
// one stops at the dot itself, or at the end.
using ReadLinesKernel = size_t (*)(std::string_view input, LineState& state);
size_t ReadLinesPortable(std::string_view input, LineState& state);
size_t ReadLinesSse42(std::string_view input, LineState& state);
size_t ReadLinesAvx2(std::string_view input, LineState& state);
size_t ReadLinesAvx512(std::string_view input, LineState& state);
size_t ReadLinesNeon(std::string_view input, LineState& state);

uint32_t Crc32cPortable(uint32_t crc, std::string_view bytes);
uint32_t Crc32cSse42(uint32_t crc, std::string_view bytes);
uint32_t Crc32cNeon(uint32_t crc, std::string_view bytes);

// What a kernel did: all that it read is in what it wrote.
struct KernelSpan {
  size_t read = 0, written = 0;
};
// A kernel reads from the start of `in` as far as its whole vectors go; the portable one, which
// follows it, reads the rest. Encoding reads whole quanta of three octets, in lines whole lines of
// 57, each written with its CRLF. Decoding reads whole quanta of four octets of the alphabet and
// stops before anything else, in lines whole lines of 76 with their CRLF. Where `in` is decoded,
// `out` has room for Base64DecodedBytesMax, or is the input's own start.
using CodeKernel = KernelSpan (*)(std::string_view in, char* out);
KernelSpan Base64EncodePortable(std::string_view in, char* out);
KernelSpan Base64UrlEncodePortable(std::string_view in, char* out);
KernelSpan Base64EncodeLinesPortable(std::string_view in, char* out);
KernelSpan Base64DecodePortable(std::string_view in, char* out);
KernelSpan Base64UrlDecodePortable(std::string_view in, char* out);
KernelSpan Base64DecodeLinesPortable(std::string_view in, char* out);
KernelSpan Base64EncodeSse42(std::string_view in, char* out);
KernelSpan Base64UrlEncodeSse42(std::string_view in, char* out);
KernelSpan Base64EncodeNeon(std::string_view in, char* out);
KernelSpan Base64UrlEncodeNeon(std::string_view in, char* out);
KernelSpan Base64EncodeAvx2(std::string_view in, char* out);
KernelSpan Base64UrlEncodeAvx2(std::string_view in, char* out);
KernelSpan Base64EncodeLinesSse42(std::string_view in, char* out);
KernelSpan Base64EncodeLinesNeon(std::string_view in, char* out);
KernelSpan Base64EncodeLinesAvx2(std::string_view in, char* out);
KernelSpan Base64DecodeSse42(std::string_view in, char* out);
KernelSpan Base64UrlDecodeSse42(std::string_view in, char* out);
KernelSpan Base64DecodeNeon(std::string_view in, char* out);
KernelSpan Base64UrlDecodeNeon(std::string_view in, char* out);
KernelSpan Base64DecodeAvx2(std::string_view in, char* out);
KernelSpan Base64UrlDecodeAvx2(std::string_view in, char* out);
KernelSpan Base64DecodeLinesSse42(std::string_view in, char* out);
KernelSpan Base64DecodeLinesNeon(std::string_view in, char* out);
KernelSpan Base64DecodeLinesAvx2(std::string_view in, char* out);
KernelSpan Base64EncodeAvx512(std::string_view in, char* out);
KernelSpan Base64UrlEncodeAvx512(std::string_view in, char* out);
KernelSpan Base64EncodeLinesAvx512(std::string_view in, char* out);
KernelSpan Base64DecodeAvx512(std::string_view in, char* out);
KernelSpan Base64UrlDecodeAvx512(std::string_view in, char* out);
KernelSpan Base64DecodeLinesAvx512(std::string_view in, char* out);

// What is known about the octets before: nothing more is needed to find dots.
struct LineStart {
  bool line_start, after_cr;
};
// Copies whole blocks of 64 octets, with or without their dots of transparency, and stops before
// one that needs the caller, who goes through 64 octets by itself.
using DotKernel = KernelSpan (*)(std::string_view in, char* out, LineStart& start);
KernelSpan DotsPortable(std::string_view in, char* out, LineStart& start);
KernelSpan StuffDotsSse42(std::string_view in, char* out, LineStart& start);
KernelSpan UnstuffDotsSse42(std::string_view in, char* out, LineStart& start);
KernelSpan StuffDotsAvx2(std::string_view in, char* out, LineStart& start);
KernelSpan UnstuffDotsAvx2(std::string_view in, char* out, LineStart& start);
KernelSpan StuffDotsAvx512(std::string_view in, char* out, LineStart& start);
KernelSpan UnstuffDotsAvx512(std::string_view in, char* out, LineStart& start);
KernelSpan StuffDotsNeon(std::string_view in, char* out, LineStart& start);
KernelSpan UnstuffDotsNeon(std::string_view in, char* out, LineStart& start);

// What LineScanner knows between two octets.
struct LineTally {
  uint64_t lines = 0, high_octets = 0;
  uint64_t line_bytes_max = 0;  // of the lines that have ended, or what the current one has already
  uint64_t line_bytes = 0;      // of the current one, without a CR that is not judged yet
  bool after_cr = false;
  uint8_t flags = 0;  // kDataBareCr, kDataBareLf, kDataNul
};
// Reads as far as its blocks go.
using TallyLinesKernel = size_t (*)(std::string_view input, LineTally& tally);
size_t TallyLinesNone(std::string_view input, LineTally& tally);
size_t TallyLinesSse42(std::string_view input, LineTally& tally);
size_t TallyLinesAvx2(std::string_view input, LineTally& tally);
size_t TallyLinesAvx512(std::string_view input, LineTally& tally);
size_t TallyLinesNeon(std::string_view input, LineTally& tally);

// Where `needle` was found, or how much of the text is known not to begin with it.
struct FindStep {
  size_t at = 0;
  bool found = false;
};
using FindNoCaseKernel = FindStep (*)(std::string_view text, std::string_view needle);
FindStep FindNoCaseNone(std::string_view text, std::string_view needle);
FindStep FindNoCaseSse42(std::string_view text, std::string_view needle);
FindStep FindNoCaseAvx2(std::string_view text, std::string_view needle);
FindStep FindNoCaseAvx512(std::string_view text, std::string_view needle);
FindStep FindNoCaseNeon(std::string_view text, std::string_view needle);

// Hexadecimal: whole octets, as far as vectors go; decoding stops before what is no digit.
using HexEncodeKernel = KernelSpan (*)(std::string_view octets, bool upper, char* out);
KernelSpan HexEncodeNone(std::string_view octets, bool upper, char* out);
KernelSpan HexEncodeSse42(std::string_view octets, bool upper, char* out);
KernelSpan HexEncodeAvx2(std::string_view octets, bool upper, char* out);
KernelSpan HexEncodeAvx512(std::string_view octets, bool upper, char* out);
KernelSpan HexEncodeNeon(std::string_view octets, bool upper, char* out);
using HexDecodeKernel = KernelSpan (*)(std::string_view text, char* out);
KernelSpan HexDecodeNone(std::string_view text, char* out);
KernelSpan HexDecodeSse42(std::string_view text, char* out);
KernelSpan HexDecodeAvx2(std::string_view text, char* out);
KernelSpan HexDecodeAvx512(std::string_view text, char* out);
KernelSpan HexDecodeNeon(std::string_view text, char* out);

// What is known about quoted-printable text before: nothing waits but a CR.
struct QuotedPrintableScan {
  bool after_cr;
  uint8_t departures;  // kQuotedPrintable…
};
// Reads as far as nothing has to wait for what follows and no escape is invalid. `out` has room for
// in.size().
using QuotedPrintableDecodeKernel = KernelSpan (*)(std::string_view in, char* out,
                                                   QuotedPrintableScan& scan);
KernelSpan QuotedPrintableDecodePortable(std::string_view in, char* out, QuotedPrintableScan& scan);
KernelSpan QuotedPrintableDecodeSse42(std::string_view in, char* out, QuotedPrintableScan& scan);
KernelSpan QuotedPrintableDecodeAvx2(std::string_view in, char* out, QuotedPrintableScan& scan);
KernelSpan QuotedPrintableDecodeAvx512(std::string_view in, char* out, QuotedPrintableScan& scan);
KernelSpan QuotedPrintableDecodeNeon(std::string_view in, char* out, QuotedPrintableScan& scan);
// Reads as far as its blocks go. With `text` CRLF ends lines; `column` counts the octets of the
// current line. `out` has room for QuotedPrintableEncodedBytesMax.
using QuotedPrintableEncodeKernel = KernelSpan (*)(std::string_view in, bool text, uint8_t& column,
                                                   char* out);
KernelSpan QuotedPrintableEncodeNone(std::string_view in, bool text, uint8_t& column, char* out);
KernelSpan QuotedPrintableEncodeSse42(std::string_view in, bool text, uint8_t& column, char* out);
KernelSpan QuotedPrintableEncodeAvx2(std::string_view in, bool text, uint8_t& column, char* out);
KernelSpan QuotedPrintableEncodeAvx512(std::string_view in, bool text, uint8_t& column, char* out);
KernelSpan QuotedPrintableEncodeNeon(std::string_view in, bool text, uint8_t& column, char* out);

// How many octets at the start of `text`, whole characters, are surely valid UTF-8: up to the first
// fault or to the end, but for 127 octets at most before it.
using Utf8Kernel = size_t (*)(std::string_view text);
size_t Utf8PrefixPortable(std::string_view text);
size_t Utf8PrefixSse42(std::string_view text);
size_t Utf8PrefixAvx2(std::string_view text);
size_t Utf8PrefixAvx512(std::string_view text);
size_t Utf8PrefixNeon(std::string_view text);
// How many octets at the start of `text` are surely ASCII.
size_t AsciiPrefixNone(std::string_view text);
size_t AsciiPrefixSse42(std::string_view text);
size_t AsciiPrefixAvx2(std::string_view text);
size_t AsciiPrefixAvx512(std::string_view text);
size_t AsciiPrefixNeon(std::string_view text);

struct Kernels {
  uint32_t (*crc32c)(uint32_t crc, std::string_view bytes);
  ReadLinesKernel read_lines;
  CodeKernel base64_encode, base64_encode_lines, base64_decode, base64_decode_lines;
  CodeKernel base64_url_encode, base64_url_decode;
  DotKernel stuff_dots, unstuff_dots;
  TallyLinesKernel tally_lines;
  QuotedPrintableDecodeKernel quoted_printable_decode;
  QuotedPrintableEncodeKernel quoted_printable_encode;
  Utf8Kernel utf8_prefix;
  FindNoCaseKernel find_no_case;
  HexEncodeKernel hex_encode;
  HexDecodeKernel hex_decode;
  Utf8Kernel ascii_prefix;
};

const Kernels& ActiveKernels();

}  // namespace ringmail::codec
