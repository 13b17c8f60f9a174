// The examples of the RFCs: golden/*.eml, and beside each what is read of it. After a change that
// is meant, `show_message FILE.eml > FILE.json` writes one anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "show.h"

namespace ringmail::message {
namespace {

std::string Load(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

TEST(GoldenTest, ExamplesOfTheRfcsAreReadAsTheyWereReviewed) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(RINGMAIL_GOLDEN_DIR)) {
    if (entry.path().extension() == ".eml") files.push_back(entry.path());
  }
  ASSERT_GE(files.size(), 45u);
  std::sort(files.begin(), files.end());
  for (std::filesystem::path file : files) {
    const std::string shown = ShowMessage(Load(file));
    EXPECT_EQ(shown, Load(file.replace_extension(".json"))) << file;
  }
}

}  // namespace
}  // namespace ringmail::message
