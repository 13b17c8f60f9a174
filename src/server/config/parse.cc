// From TOML to Config, by the table in schema.h. The only file that knows the TOML library.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "ringmail/message/path.h"
#include "server/config/nearest.h"
#include "server/config/quantity.h"
#include "server/config/schema.h"

namespace ringmail::server {
namespace {

using Severity = Diagnostic::Severity;

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text.substr(0, 80)) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) {
      char escape[5];
      std::snprintf(escape, sizeof(escape), "\\x%02x", octet);
      out += escape;
    } else {
      out += c;
    }
  }
  return out + (text.size() > 80 ? "…\"" : "\"");
}

std::string_view TypeName(toml::node_type type) {
  switch (type) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::date:
      return "a date";
    case toml::node_type::time:
      return "a time";
    case toml::node_type::date_time:
      return "a date and time";
    case toml::node_type::none:
      break;
  }
  return "nothing";
}

std::string_view Wanted(KeyType type) {
  switch (type) {
    case KeyType::kText:
      return "a string";
    case KeyType::kTextList:
      return "an array of strings, [\"…\", \"…\"]";
    case KeyType::kCount:
      return "an integer without quotes";
    case KeyType::kRatio:
      return "a number without quotes";
    case KeyType::kBytes:
      return "a size with its unit as a string, \"50MiB\"";
    case KeyType::kSeconds:
      return "a duration with its unit as a string, \"5m\"";
    case KeyType::kBoolean:
      return "true or false without quotes";
  }
  return "";
}

std::string Shown(KeyType type, uint64_t number) {
  if (type == KeyType::kBytes) return FormatBytes(number);
  if (type == KeyType::kSeconds) return FormatSeconds(number);
  return std::to_string(number);
}

class Reader {
 public:
  explicit Reader(ConfigResult& result) : result_(result) {}

  void Read(const toml::table& file);

 private:
  void Report(const toml::source_region& at, std::string text,
              Severity severity = Severity::kError) {
    result_.diagnostics.push_back({severity, at.begin.line, at.begin.column, std::move(text)});
  }
  void ReportWhole(std::string text) {
    result_.diagnostics.push_back({Severity::kError, 0, 0, std::move(text)});
  }

  void ReadSection(const Section& section, const toml::node& node, const toml::source_region& at);
  void ReadTable(const Section& section, const toml::table& table, Target target);
  void ReadKey(const Section& section, const Key& key, const toml::node& node, Target& target);
  void ReadList(const std::string& name, const Key& key, const toml::node& node, Target& target);
  bool TakeValue(const std::string& name, const Key& key, const toml::node& node, Value& value);
  bool InRange(const std::string& name, const Key& key, const toml::node& node, double number);
  void Unknown(const Section& section, std::string_view name, const toml::source_region& at);
  void ReadItem(const Section& section, const toml::table& table);
  void CheckWhole();

  static std::string FullName(const Section& section, std::string_view name) {
    if (section.name.empty()) return std::string(name);
    return (section.array ? "[[" : "[") + std::string(section.name) +
           (section.array ? "]] " : "] ") + std::string(name);
  }

  ConfigResult& result_;
  toml::source_region retry_at_;
};

void Reader::Read(const toml::table& file) {
  const Section& top = Sections().front();
  Target target{.config = result_.config};
  for (const auto& [name, node] : file) {
    const std::string_view name_text = name.str();
    const auto sections = Sections().subspan(1);
    const auto section = std::find_if(sections.begin(), sections.end(),
                                      [&](const Section& one) { return one.name == name_text; });
    if (section != sections.end()) {
      ReadSection(*section, node, name.source());
      continue;
    }
    const auto key = std::find_if(top.keys.begin(), top.keys.end(),
                                  [&](const Key& one) { return one.name == name_text; });
    if (key != top.keys.end()) {
      ReadKey(top, *key, node, target);
    } else {
      Unknown(top, name_text, name.source());
    }
  }
  CheckWhole();
}

void Reader::ReadSection(const Section& section, const toml::node& node,
                         const toml::source_region& at) {
  if (!section.array) {
    const toml::table* table = node.as_table();
    if (table == nullptr) {
      Report(at, std::string(section.name) + " must be a table: write [" +
                     std::string(section.name) + "]");
      return;
    }
    if (section.name == "retry") retry_at_ = at;
    ReadTable(section, *table, Target{.config = result_.config});
    return;
  }
  const toml::array* items = node.as_array();
  if (items == nullptr) {
    Report(at, std::string(section.name) + " must be an array of tables: write [[" +
                   std::string(section.name) + "]]");
    return;
  }
  for (const toml::node& item : *items) {
    if (const toml::table* table = item.as_table()) {
      ReadItem(section, *table);
    } else {
      Report(item.source(), std::string(section.name) + " must hold tables: write [[" +
                                std::string(section.name) + "]]");
    }
  }
}

void Reader::ReadItem(const Section& section, const toml::table& table) {
  Config& config = result_.config;
  if (section.name == "listener") {
    ListenerConfig listener;
    ReadTable(section, table, Target{.config = config, .listener = &listener});
    if (!table.contains("address")) {
      Report(table.source(), "[[listener]] has no address: write address = \"0.0.0.0:25\"");
      return;
    }
    const auto same = [&](const ListenerConfig& other) {
      return other.endpoint == listener.endpoint;
    };
    if (listener.endpoint.port != 0 &&
        std::any_of(config.listeners.begin(), config.listeners.end(), same)) {
      Report(table.get("address")->source(),
             "[[listener]] address " + Quoted(listener.endpoint.ToString()) + " is there twice");
    }
    config.listeners.push_back(std::move(listener));
    return;
  }
  agent::Route route;
  ReadTable(section, table, Target{.config = config, .route = &route});
  for (std::string_view needed : {"domain", "next_hop"}) {
    if (table.contains(needed)) continue;
    Report(table.source(),
           "[[route]] has no " + std::string(needed) + ": a route needs both domain and next_hop");
    return;
  }
  const auto same = [&](const agent::Route& other) { return other.domain == route.domain; };
  if (!route.domain.empty() &&
      std::any_of(config.transfer.routes.begin(), config.transfer.routes.end(), same)) {
    Report(table.get("domain")->source(),
           "[[route]] domain " + Quoted(route.domain) + " is there twice");
  }
  config.transfer.routes.push_back(std::move(route));
}

void Reader::ReadTable(const Section& section, const toml::table& table, Target target) {
  for (const auto& [name, node] : table) {
    const std::string_view name_text = name.str();
    const auto key = std::find_if(section.keys.begin(), section.keys.end(),
                                  [&](const Key& one) { return one.name == name_text; });
    if (key == section.keys.end()) {
      Unknown(section, name_text, name.source());
    } else {
      ReadKey(section, *key, node, target);
    }
  }
}

// Names the nearest right key: of the same table first, then of any other, which is where a
// misplaced key belongs.
void Reader::Unknown(const Section& section, std::string_view name, const toml::source_region& at) {
  for (const LaterKey& later : LaterKeys()) {
    if (later.section == section.name && later.name == name) {
      Report(at, FullName(section, name) +
                     " is not in this version yet: " + std::string(later.what) + " come" +
                     (later.what.ends_with('s') && later.what != "DNS" ? "" : "s") +
                     " later; take it out until then");
      return;
    }
  }
  std::string text = "unknown key " + Quoted(FullName(section, name));
  std::vector<std::string_view> known;
  for (const Key& key : section.keys) known.push_back(key.name);
  if (section.name.empty()) {
    for (const Section& other : Sections().subspan(1)) known.push_back(other.name);
  }
  for (const Section& other : Sections()) {
    if (other.name == section.name) continue;
    for (const Key& key : other.keys) {
      if (key.name != name) continue;
      Report(at,
             text + "; it belongs " +
                 (other.name.empty() ? "at the top of the file, before the first [table]"
                                     : "in " + std::string(other.array ? "[[" : "[") +
                                           std::string(other.name) + (other.array ? "]]" : "]")));
      return;
    }
  }
  const std::string_view nearest = Nearest(name, known);
  if (!nearest.empty()) {
    text += "; did you mean " + Quoted(nearest) + "?";
  } else {
    text += "; known here:";
    for (std::string_view one : known) text += " " + std::string(one);
  }
  Report(at, std::move(text));
}

bool Reader::InRange(const std::string& name, const Key& key, const toml::node& node,
                     double number) {
  const bool unbounded = key.max == std::numeric_limits<uint64_t>::max();
  if (number >= static_cast<double>(key.min) &&
      (unbounded || number <= static_cast<double>(key.max)))
    return true;
  std::string text = name + " must be ";
  if (unbounded) {
    text += "at least " + Shown(key.type, key.min);
  } else {
    text += "from " + Shown(key.type, key.min) + " to " + Shown(key.type, key.max);
  }
  Report(node.source(), std::move(text));
  return false;
}

// Reads `node` as the key's type, and judges the type and the range.
bool Reader::TakeValue(const std::string& name, const Key& key, const toml::node& node,
                       Value& value) {
  std::optional<uint64_t> quantity;
  switch (key.type) {
    case KeyType::kText:
    case KeyType::kTextList:
      if (const auto* text = node.as_string()) {
        value.text = text->get();
        return true;
      }
      break;
    case KeyType::kBoolean:
      if (const auto* boolean = node.as_boolean()) {
        value.boolean = boolean->get();
        return true;
      }
      break;
    case KeyType::kCount:
      if (const auto* integer = node.as_integer()) {
        if (!InRange(name, key, node, static_cast<double>(integer->get()))) return false;
        value.number = static_cast<uint64_t>(integer->get());
        return true;
      }
      break;
    case KeyType::kRatio:
      if (node.is_number()) {
        value.ratio = *node.value<double>();
        // NaN is in no range.
        return InRange(name, key, node, value.ratio);
      }
      break;
    case KeyType::kBytes:
    case KeyType::kSeconds:
      if (const auto* text = node.as_string()) {
        quantity =
            key.type == KeyType::kBytes ? ParseBytes(text->get()) : ParseSeconds(text->get());
        if (!quantity) {
          Report(node.source(),
                 name + " " + Quoted(text->get()) + " must be " + std::string(Wanted(key.type)));
          return false;
        }
        value.number = *quantity;
        return InRange(name, key, node, static_cast<double>(*quantity));
      }
      break;
  }
  Report(node.source(), name + " must be " + std::string(Wanted(key.type)) + ", not " +
                            std::string(TypeName(node.type())));
  return false;
}

void Reader::ReadList(const std::string& name, const Key& key, const toml::node& node,
                      Target& target) {
  const toml::array* items = node.as_array();
  if (items == nullptr) {
    Report(node.source(), name + " must be " + std::string(Wanted(key.type)) + ", not " +
                              std::string(TypeName(node.type())));
    return;
  }
  for (const toml::node& item : *items) {
    Value value;
    if (!TakeValue(name, key, item, value)) continue;
    const std::string problem = key.set(value, target);
    if (!problem.empty()) Report(item.source(), name + " " + Quoted(value.text) + " " + problem);
  }
}

void Reader::ReadKey(const Section& section, const Key& key, const toml::node& node,
                     Target& target) {
  const std::string name = FullName(section, key.name);
  if (key.type == KeyType::kTextList) {
    ReadList(name, key, node, target);
    return;
  }
  Value value;
  if (!TakeValue(name, key, node, value)) return;
  const std::string problem = key.set(value, target);
  if (!problem.empty()) {
    Report(node.source(),
           name + (key.type == KeyType::kText ? " " + Quoted(value.text) : std::string()) + " " +
               problem);
    return;
  }
  if (value.number < key.advised_min) {
    Report(node.source(),
           name + " is less than the " + Shown(key.type, key.advised_min) + " that " +
               std::string(key.rfc) + " asks for",
           Severity::kWarning);
  }
}

// What no key can say by itself.
void Reader::CheckWhole() {
  Config& config = result_.config;
  const agent::RetryPolicy& retry = config.transfer.retry;
  if (retry.delay_max < retry.first_delay) {
    Report(retry_at_, "[retry] delay_max is shorter than first_delay");
  }
  if (retry.expire_after < retry.first_delay) {
    Report(retry_at_,
           "[retry] expire_after is shorter than first_delay: no message would be tried twice");
  }
  if (config.hostname.empty()) {
    ReportWhole(
        "no hostname, and the system's own name is no host name: write hostname = "
        "\"mx.example.org\"");
  }
  if (config.listeners.empty()) {
    const bool tried = std::any_of(
        result_.diagnostics.begin(), result_.diagnostics.end(),
        [](const Diagnostic& one) { return one.text.find("listener") != std::string::npos; });
    if (!tried)
      ReportWhole(
          "no [[listener]], so no mail could come in: write [[listener]] and address = "
          "\"0.0.0.0:25\"");
  }
  if (config.store.quota_bytes != 0 && config.store.quota_bytes < 4 * config.store.segment_bytes) {
    ReportWhole("[store] quota " + FormatBytes(config.store.quota_bytes) +
                " is less than four segments of " + FormatBytes(config.store.segment_bytes) +
                ": raise quota or lower segment_size");
  }
}

}  // namespace

ConfigResult ParseConfig(std::string_view text, std::string_view default_hostname) {
  ConfigResult result;
  if (message::ValidDomain(default_hostname, message::Utf8::kRefused)) {
    result.config.hostname = message::NormalizedDomain(default_hostname);
  }
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    std::string_view what = error.description();
    result.diagnostics.push_back({Severity::kError, error.source().begin.line,
                                  error.source().begin.column, "not TOML: " + std::string(what)});
    return result;
  }
  Reader(result).Read(parsed.table());
  // The library keeps tables sorted by name; people read files from the top.
  std::stable_sort(result.diagnostics.begin(), result.diagnostics.end(),
                   [](const Diagnostic& a, const Diagnostic& b) {
                     return std::pair(a.line == 0 ? ~0u : a.line, a.column) <
                            std::pair(b.line == 0 ? ~0u : b.line, b.column);
                   });
  Config& config = result.config;
  if (config.control_socket.empty()) config.control_socket = config.data_dir + "/control.sock";
  config.store.data_dir = config.data_dir;
  return result;
}

}  // namespace ringmail::server
