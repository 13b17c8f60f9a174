// Prints libFuzzer's dictionary of SMTP, or of POP3 where the argument is pop3_command, from the
// tables of the commands, the extensions and their parameters: run by the build, so that a row that
// is added is known to the fuzzers that day.
//
// The tables do not list the values that a parameter takes. The words below do, and the program
// fails where one is not taken any more, or a parameter with a value has none.
#include <cstdio>
#include <string>
#include <string_view>

#include "protocol/pop3/commands.h"
#include "protocol/smtp/commands.h"
#include "protocol/smtp/extensions.h"

namespace ringmail::smtp {
namespace {

struct Word {
  std::string_view keyword, value;
};
constexpr Word kWords[] = {
    {"SIZE", "0"},          {"SIZE", "18446744073709551615"},
    {"BODY", "7BIT"},       {"BODY", "8BITMIME"},
    {"BODY", "BINARYMIME"}, {"RET", "FULL"},
    {"RET", "HDRS"},        {"ENVID", "a+2B"},
    {"NOTIFY", "NEVER"},    {"NOTIFY", "SUCCESS,FAILURE,DELAY"},
    {"AUTH", "<>"},         {"AUTH", "a+2Bb@c.example"},
    {"ORCPT", "rfc822;a"},  {"ORCPT", "utf-8;\xC3\xBC"},
};

void Print(std::string_view token) {
  std::fputc('"', stdout);
  for (const char c : token) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet >= 0x7F || c == '"' || c == '\\') {
      std::printf("\\x%02x", octet);
    } else {
      std::fputc(c, stdout);
    }
  }
  std::fputs("\"\n", stdout);
}

// False: the words above and the table do not agree.
template <typename Parameters>
bool PrintParameters() {
  for (const auto& row : ParameterRows(Parameters())) {
    Print(" " + std::string(row.keyword) + (row.has_value ? "=" : ""));
    bool found = !row.has_value;
    for (const Word& word : kWords) {
      if (word.keyword != row.keyword) continue;
      Parameters parameters;
      if (!row.parse(word.value, parameters)) return false;
      Print(" " + std::string(row.keyword) + "=" + std::string(word.value));
      found = true;
    }
    if (!found) return false;
  }
  return true;
}

bool PrintAll() {
  for (const CommandRow& row : CommandRows()) {
    Print(row.verb);
    Print(std::string(row.verb) + "\r\n");
    Print(std::string(row.verb) + " ");
  }
  if (!PrintParameters<MailArguments>() || !PrintParameters<RcptParameters>()) return false;
  // What a peer offers, for the client.
  for (const ExtensionRow& row : ExtensionRows()) {
    std::string line(row.keyword);
    if (row.append_parameters != nullptr)
      row.append_parameters({.message_bytes_max = 5000,
                             .recipients_max = 2,
                             .transactions_max = 1,
                             .mechanisms = "PLAIN"},
                            line);
    Print("250-" + line + "\r\n");
    Print("250 " + line + "\r\n");
  }
  for (const std::string_view token : {"EHLO c.example\r\n",
                                       "AUTH PLAIN AGJvYkBleGFtcGxlLm9yZwBzZWNyZXQ=\r\n",
                                       "AUTH LOGIN\r\n",
                                       "MAIL FROM:<",
                                       "RCPT TO:<",
                                       "MAIL FROM:<>\r\n",
                                       "RCPT TO:<a@b>\r\n",
                                       "@refused.example>",
                                       "@later.example>",
                                       "BDAT 5 LAST\r\n",
                                       "\r\n",
                                       "\r\n.\r\n",
                                       "\n.\r\n",
                                       "\r.\r\n",
                                       "\n.\n",
                                       "\r\n.\n",
                                       "\r\n..\r\n",
                                       "220 a\r\n",
                                       "250 2.1.0 ok\r\n",
                                       "250-a\r\n",
                                       "354 \r\n",
                                       "421 4.3.2 \r\n",
                                       "450 4.2.1 \r\n",
                                       "452 4.5.3 \r\n",
                                       "500 \r\n",
                                       "503 5.5.1 \r\n",
                                       "550 5.1.1 \r\n",
                                       "552 5.3.4 \r\n",
                                       "555 5.5.4 \r\n"})
    Print(token);
  return true;
}

}  // namespace
}  // namespace ringmail::smtp

namespace ringmail::pop3 {
namespace {

// The words behind a verb are those of tests/support/pop3/house.h.
void PrintAll() {
  for (const CommandRow& row : CommandRows()) {
    smtp::Print(row.verb);
    smtp::Print(std::string(row.verb) + "\r\n");
    smtp::Print(std::string(row.verb) + " ");
  }
  for (const std::string_view token :
       {"USER ann\r\nPASS secret word\r\n", " 1\r\n", " 2 1\r\n", " 3\r\n", "PLAIN", "LOGIN",
        "CRAM-MD5", "AGFubgBzZWNyZXQgd29yZA==\r\n", "*\r\n", "\r\n", "\r\n\r\n", "\n.\r\n"})
    smtp::Print(token);
}

}  // namespace
}  // namespace ringmail::pop3

int main(int count, char** arguments) {
  if (count == 2 && std::string_view(arguments[1]) == "pop3_command") {
    ringmail::pop3::PrintAll();
    return 0;
  }
  if (ringmail::smtp::PrintAll()) return 0;
  std::fputs("print_dictionary: its words and the parameters of extensions.cc differ\n", stderr);
  return 1;
}
