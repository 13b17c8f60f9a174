// usage: show_message FILE…: each message as JSON, one after the other.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "show.h"

int main(int count, char** arguments) {
  for (int i = 1; i < count; ++i) {
    std::ifstream stream(arguments[i], std::ios::binary);
    if (!stream) {
      std::fprintf(stderr, "show_message: cannot read %s\n", arguments[i]);
      return 1;
    }
    const std::string text{std::istreambuf_iterator<char>(stream),
                           std::istreambuf_iterator<char>()};
    std::fputs(ringmail::message::ShowMessage(text).c_str(), stdout);
  }
  return 0;
}
