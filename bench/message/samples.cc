#include "samples.h"

namespace ringmail::message {
namespace {

constexpr const char* kHeader =
    "Return-Path: <alice@example.com>\r\n"
    "Received: from mx1.example.net (mx1.example.net [192.0.2.25])\r\n"
    "\tby mail.example.org (ringmail) with ESMTPS id 0000018f2a3b4c5d\r\n"
    "\tfor <bob@example.org>; Mon, 23 Nov 2026 05:42:08 +0000\r\n"
    "Received: from client.example.com ([198.51.100.7])\r\n"
    "\tby mx1.example.net with ESMTPSA id 4T1xYz0abcd;\r\n"
    "\tMon, 23 Nov 2026 05:42:07 +0000\r\n"
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s1;\r\n"
    "\th=from:to:subject:date:message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
    "\tb=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR\r\n"
    "From: Alice Example <alice@example.com>\r\n"
    "To: Bob Example <bob@example.org>\r\n"
    "Subject: Figures of the third quarter\r\n"
    "Date: Mon, 23 Nov 2026 05:42:06 +0000\r\n"
    "Message-ID: <20261123054206.1234@client.example.com>\r\n"
    "MIME-Version: 1.0\r\n";

void AppendText(size_t bytes, std::string& out) {
  const size_t end = out.size() + bytes;
  while (out.size() < end) {
    out += "The quick brown fox jumps over the lazy dog, and comes back for the second one.\r\n";
  }
}

void AppendBase64(size_t bytes, std::string& out) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint32_t state = 1;
  const size_t end = out.size() + bytes;
  while (out.size() < end) {
    for (int i = 0; i < 76; ++i) {
      state = state * 1664525u + 1013904223u;
      out += kAlphabet[state >> 26];
    }
    out += "\r\n";
  }
}

}  // namespace

std::string SmallMessage(size_t bytes) {
  std::string out = kHeader;
  out += "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n";
  AppendText(bytes > out.size() ? bytes - out.size() : 0, out);
  return out;
}

std::string MessageWithAttachments(size_t bytes) {
  std::string out = kHeader;
  out +=
      "Content-Type: multipart/mixed; boundary=\"----=_Part_1_outer\"\r\n\r\n"
      "------=_Part_1_outer\r\n"
      "Content-Type: multipart/alternative; boundary=\"----=_Part_2_inner\"\r\n\r\n"
      "------=_Part_2_inner\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
  AppendText(2000, out);
  out += "------=_Part_2_inner\r\nContent-Type: text/html; charset=utf-8\r\n\r\n";
  AppendText(4000, out);
  out += "------=_Part_2_inner--\r\n";
  for (int i = 0; i < 2; ++i) {
    out +=
        "------=_Part_1_outer\r\nContent-Type: application/pdf; name=\"report.pdf\"\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment; filename=\"report.pdf\"\r\n\r\n";
    AppendBase64(bytes > 8500 ? (bytes - 8500) / 2 : 0, out);
  }
  return out + "------=_Part_1_outer--\r\n";
}

}  // namespace ringmail::message
