#include "ringmail/base/metrics.h"

#include <bit>
#include <charconv>
#include <map>

#include "ringmail/base/check.h"

namespace ringmail {
namespace {

void AppendNumber(double value, std::string& out) {
  char text[32];
  // The shortest form that reads back as the same number.
  const auto result = std::to_chars(text, text + sizeof(text), value);
  out.append(text, result.ptr);
}

void AppendSample(std::string_view name, std::string_view suffix, std::string_view labels,
                  std::string_view value, std::string& out) {
  out += name;
  out += suffix;
  if (!labels.empty()) {
    out += '{';
    out += labels;
    out += '}';
  }
  out += ' ';
  out += value;
  out += '\n';
}

// Prometheus text format 0.0.4: in HELP only backslash and line feed are escaped.
void AppendHelp(std::string_view help, std::string& out) {
  for (const char c : help) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

enum class Kind : uint8_t { kCounter, kGauge, kHistogram };

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return "counter";
    case Kind::kGauge:
      return "gauge";
    case Kind::kHistogram:
      return "histogram";
  }
  return "untyped";
}

// One name: its samples summed over the shards, labels in the order they were first named.
struct Family {
  std::string name, help;
  Kind kind = Kind::kCounter;
  double unit = 1;
  std::vector<std::string> labels;
  std::map<std::string, uint64_t> counters;
  std::map<std::string, int64_t> gauges;
  std::array<uint64_t, Histogram::kBuckets> buckets{};
  uint64_t beyond = 0;
  uint64_t sum = 0;
};

void AppendHistogram(const Family& family, std::string& out) {
  uint64_t count = 0;
  for (size_t i = 0; i < family.buckets.size(); ++i) {
    count += family.buckets[i];
    std::string label = "le=\"";
    AppendNumber(static_cast<double>(uint64_t{1} << i) / family.unit, label);
    label += '"';
    AppendSample(family.name, "_bucket", label, std::to_string(count), out);
  }
  count += family.beyond;
  AppendSample(family.name, "_bucket", "le=\"+Inf\"", std::to_string(count), out);
  std::string sum;
  AppendNumber(static_cast<double>(family.sum) / family.unit, sum);
  AppendSample(family.name, "_sum", {}, sum, out);
  AppendSample(family.name, "_count", {}, std::to_string(count), out);
}

void AppendFamily(const Family& family, std::string& out) {
  out += "# HELP " + family.name + " ";
  AppendHelp(family.help, out);
  out += "\n# TYPE " + family.name + " ";
  out += KindName(family.kind);
  out += '\n';
  if (family.kind == Kind::kHistogram) {
    AppendHistogram(family, out);
    return;
  }
  for (const std::string& labels : family.labels) {
    const std::string value = family.kind == Kind::kCounter
                                  ? std::to_string(family.counters.at(labels))
                                  : std::to_string(family.gauges.at(labels));
    AppendSample(family.name, {}, labels, value, out);
  }
}

}  // namespace

void Histogram::Observe(uint64_t v) {
  // The smallest i with v <= 2^i.
  const int i = v <= 1 ? 0 : static_cast<int>(std::bit_width(v - 1));
  if (i < kBuckets) {
    buckets_[static_cast<size_t>(i)].Add();
  } else {
    beyond_.Add();
  }
  sum_.Add(v);
}

void MetricRegistry::Add(std::string_view name, std::string_view help, const Counter* c,
                         std::string_view labels) {
  CHECK(c != nullptr);
  entries_.push_back({.name = std::string(name),
                      .help = std::string(help),
                      .labels = std::string(labels),
                      .counter = c});
}

void MetricRegistry::Add(std::string_view name, std::string_view help, const Gauge* g,
                         std::string_view labels) {
  CHECK(g != nullptr);
  entries_.push_back({.name = std::string(name),
                      .help = std::string(help),
                      .labels = std::string(labels),
                      .gauge = g});
}

void MetricRegistry::Add(std::string_view name, std::string_view help, const Histogram* h,
                         double unit) {
  CHECK(h != nullptr);
  CHECK_GT(unit, 0);
  entries_.push_back(
      {.name = std::string(name), .help = std::string(help), .histogram = h, .unit = unit});
}

const Gauge* MetricRegistry::FindGauge(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.gauge != nullptr && entry.labels.empty() && entry.name == name) return entry.gauge;
  }
  return nullptr;
}

std::string MetricRegistry::Render(const std::vector<const MetricRegistry*>& registries) {
  std::vector<Family> families;
  std::map<std::string, size_t> index_of;
  for (const MetricRegistry* registry : registries) {
    for (const Entry& entry : registry->entries_) {
      const Kind kind = entry.counter != nullptr ? Kind::kCounter
                        : entry.gauge != nullptr ? Kind::kGauge
                                                 : Kind::kHistogram;
      const auto [place, fresh] = index_of.try_emplace(entry.name, families.size());
      if (fresh) {
        families.push_back(
            {.name = entry.name, .help = entry.help, .kind = kind, .unit = entry.unit});
      }
      Family& family = families[place->second];
      // Two rooms that give one name to two kinds of metric would make the scrape unreadable.
      CHECK(family.kind == kind);
      if (kind == Kind::kHistogram) {
        for (int i = 0; i < Histogram::kBuckets; ++i) {
          family.buckets[static_cast<size_t>(i)] += entry.histogram->bucket(i);
        }
        family.beyond += entry.histogram->beyond();
        family.sum += entry.histogram->sum();
        continue;
      }
      const bool new_labels = kind == Kind::kCounter
                                  ? family.counters.try_emplace(entry.labels, 0).second
                                  : family.gauges.try_emplace(entry.labels, 0).second;
      if (new_labels) family.labels.push_back(entry.labels);
      if (kind == Kind::kCounter) family.counters[entry.labels] += entry.counter->value();
      if (kind == Kind::kGauge) family.gauges[entry.labels] += entry.gauge->value();
    }
  }
  std::string out;
  for (const Family& family : families) AppendFamily(family, out);
  return out;
}

}  // namespace ringmail
