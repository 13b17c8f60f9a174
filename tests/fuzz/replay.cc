// Drives a fuzzer's function without libFuzzer: every file of its corpus, so that what once broke
// stays mended, and then a bounded number of seeded mutations of them, so that every test run looks
// a little further.
//
// The octets of a mutation depend on the corpus, the seed and its number only; its number is the
// last one printed when the program breaks, and --show writes its octets, ready to become a file of
// the corpus.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr uint64_t kMutations = 3000;
// What runs a whole store each time stops short of them.
constexpr std::clock_t kProcessorSecondsMax = 5;
constexpr size_t kInputBytesMax = 4096;
constexpr uint64_t kSeed = 20261123;

struct Input {
  std::string name;
  std::string bytes;
};

std::vector<Input> ReadCorpus(const char* folder) {
  std::vector<Input> corpus;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    std::ifstream file(entry.path(), std::ios::binary);
    corpus.push_back({entry.path().string(),
                      {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()}});
  }
  // A folder has no order of its own.
  std::sort(corpus.begin(), corpus.end(),
            [](const Input& a, const Input& b) { return a.name < b.name; });
  return corpus;
}

// What parsers of mail stumble over.
constexpr std::string_view kPieces[] = {
    "\r\n", "\n",       "\r",   "\r\n.\r\n", ".", " ",   "\t",
    ":",    ";",        "<",    ">",         "@", "\"",  "\\",
    "(",    ")",        "[",    "]",         ",", "=",   "+",
    "-",    "\xC3\xBC", "\xFF", "\x80",      "0", "255", "999999999999",
    "\x7F"};

std::string Mutate(const std::vector<Input>& corpus, uint64_t seed, uint64_t number) {
  std::mt19937_64 random(seed + number);
  const auto below = [&random](size_t bound) { return static_cast<size_t>(random() % bound); };
  std::string bytes = corpus[below(corpus.size())].bytes;
  for (size_t steps = 1 + below(6); steps > 0; --steps) {
    const size_t at = below(bytes.size() + 1);
    switch (below(6)) {
      case 0:
        bytes.insert(at, 1, static_cast<char>(random()));
        break;
      case 1:
        bytes.insert(at, kPieces[below(std::size(kPieces))]);
        break;
      case 2:
        bytes.erase(at, 1 + below(8));
        break;
      case 3:
        if (at < bytes.size()) bytes[at] = static_cast<char>(random());
        break;
      case 4:
        if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      default: {
        const std::string& other = corpus[below(corpus.size())].bytes;
        const size_t from = below(other.size() + 1);
        bytes.insert(at, other, from, below(other.size() - from + 1));
      }
    }
  }
  if (bytes.size() > kInputBytesMax) bytes.resize(kInputBytesMax);
  return bytes;
}

void Run(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

int main(int count, char** arguments) {
  const bool show = count == 4 && std::string_view(arguments[2]) == "--show";
  const std::optional<uint64_t> shown = show ? Number(arguments[3]) : std::nullopt;
  if ((count != 2 && !show) || (show && !shown)) {
    std::fprintf(stderr, "usage: %s CORPUS-FOLDER [--show MUTATION]\n", arguments[0]);
    return 2;
  }
  const std::vector<Input> corpus = ReadCorpus(arguments[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s holds no input: a fuzzer starts from at least one\n", arguments[1]);
    return 1;
  }
  const char* chosen = std::getenv("RINGMAIL_FUZZ_SEED");
  const uint64_t seed = Number(chosen == nullptr ? "" : chosen).value_or(kSeed);
  if (shown) {
    const std::string bytes = Mutate(corpus, seed, *shown);
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    return 0;
  }
  for (const Input& input : corpus) {
    // The name comes first: an input that breaks the program is the last one named.
    std::printf("%s\n", input.name.c_str());
    std::fflush(stdout);
    Run(input.bytes);
  }
  std::printf("RINGMAIL_FUZZ_SEED=%llu, mutation", static_cast<unsigned long long>(seed));
  for (uint64_t number = 0; number < kMutations; ++number) {
    if (std::clock() / CLOCKS_PER_SEC >= kProcessorSecondsMax) break;
    std::printf(" %llu", static_cast<unsigned long long>(number));
    std::fflush(stdout);
    Run(Mutate(corpus, seed, number));
  }
  std::printf("\n");
  return 0;
}
