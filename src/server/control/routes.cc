#include "server/control/routes.h"

#include <algorithm>

#include <fmt/format.h>

#include "ringmail/base/metrics.h"
#include "ringmail/io/process.h"
#include "ringmail/io/shard.h"
#include "ringmail/message/path.h"
#include "server/commands/arguments.h"
#include "server/control/json_writer.h"
#include "server/control/queue_view.h"
#include "server/control/target.h"
#include "server/directory/routes.h"
#include "server/mailboxes/routes.h"
#include "server/serve/on_shard.h"

namespace ringmail::server {
namespace {

using Servers = std::span<ShardServer* const>;

// Destinations shown as metrics: beyond, the busiest. A scrape must stay small where mail goes to a
// million domains.
constexpr size_t kMetricDestinationsMax = 500;

struct CountWork {
  uint64_t messages = 0, sessions = 0;
  io::Task<void> Run(ShardServer& server) {
    messages = server.queue().size();
    sessions = server.session_count();
    co_return;
  }
};

struct DestinationsWork {
  std::vector<agent::DestinationStatus> destinations;
  io::Task<void> Run(ShardServer& server) {
    destinations = server.transfer().Destinations();
    co_return;
  }
};

io::Task<void> Error(ControlResponse& response, uint16_t status, std::string_view what) {
  std::string body;
  JsonWriter json(body);
  json.BeginObject().Key("error").String(what).EndObject();
  body += '\n';
  response.Begin(status, kJsonType);
  (void)co_await response.Send(body);
}

io::Task<void> Whole(ControlResponse& response, std::string_view content_type,
                     std::string_view body) {
  response.Begin(200, content_type);
  (void)co_await response.Send(body);
}

// What `target` filters by, or what is wrong with it.
std::string ReadFilter(const RequestTarget& target, QueueFilter& filter) {
  for (const auto& [name, value] : target.query) {
    if (name == "domain") {
      if (!message::ValidDomain(value, message::Utf8::kAllowed) &&
          !message::ValidAddressLiteral(value)) {
        return "domain is no domain";
      }
      filter.domain = message::NormalizedDomain(value);
    } else if (name == "sender") {
      filter.sender = value == "<>" ? "" : value;
    } else if (name == "held") {
      if (value != "true" && value != "false") return "held must be true or false";
      filter.held = value == "true";
    } else if (name != "after" && name != "limit") {
      return fmt::format("unknown parameter {}", name);
    }
  }
  return {};
}

// One shard's part of a list that is merged from all, refilled as it is used up.
struct Cursor {
  ShardServer* server = nullptr;
  ListWork work;
  size_t at = 0;
  bool ended = false;
};

// The merged list's next row, or null at the end. A turn on a shard looks at a bounded number of
// messages.
io::Task<std::pair<QueueId, std::string>*> NextRow(std::vector<Cursor>& cursors) {
  Cursor* lowest = nullptr;
  for (Cursor& one : cursors) {
    while (one.at == one.work.rows.size() && !one.ended) {
      co_await RunOn(*one.server, one.work);
      one.at = 0;
      one.ended = !one.work.reached.valid();
      one.work.after = one.work.reached;
    }
    if (one.at == one.work.rows.size()) continue;
    if (lowest == nullptr || one.work.rows[one.at].first < lowest->work.rows[lowest->at].first)
      lowest = &one;
  }
  if (lowest == nullptr) co_return nullptr;
  co_return &lowest->work.rows[lowest->at++];
}

io::Task<void> List(Servers servers, const RequestTarget& target, ControlResponse& response) {
  QueueFilter filter;
  if (const std::string wrong = ReadFilter(target, filter); !wrong.empty()) {
    co_await Error(response, 400, wrong);
    co_return;
  }
  uint64_t limit = UINT64_MAX;
  if (const std::string* text = target.Find("limit")) {
    const auto count = ParseCount(*text, 1, UINT64_MAX);
    if (!count) {
      co_await Error(response, 400, "limit must be a number from 1");
      co_return;
    }
    limit = *count;
  }
  QueueId after;
  if (const std::string* text = target.Find("after")) {
    const std::optional<QueueId> id = QueueId::Parse(*text);
    if (!id) {
      co_await Error(response, 400, "after is no queue id");
      co_return;
    }
    after = *id;
  }
  std::vector<Cursor> cursors(servers.size());
  for (size_t i = 0; i < cursors.size(); ++i) {
    cursors[i].server = servers[i];
    cursors[i].work.filter = &filter;
    cursors[i].work.after = after;
  }
  response.Begin(200, kJsonType);
  std::string piece = "{\"messages\":[";
  QueueId last;
  uint64_t count = 0;
  std::pair<QueueId, std::string>* row = nullptr;
  while (count < limit && (row = co_await NextRow(cursors)) != nullptr) {
    piece += count == 0 ? "\n" : ",\n";
    piece += row->second;
    last = row->first;
    ++count;
    if (piece.size() < kResponsePieceBytes) continue;
    if (!co_await response.Send(piece)) co_return;
    piece.clear();
    co_await io::Yield();
  }
  const bool more = count == limit && co_await NextRow(cursors) != nullptr;
  piece += more ? fmt::format("],\"next\":\"{}\"}}\n", last.ToString())
                : std::string("],\"next\":null}\n");
  (void)co_await response.Send(piece);
}

io::Task<void> Show(Servers servers, QueueId id, ControlResponse& response) {
  for (ShardServer* server : servers) {
    ShowWork work{.id = id};
    co_await RunOn(*server, work);
    if (work.json.empty()) continue;
    work.json += '\n';
    co_await Whole(response, kJsonType, work.json);
    co_return;
  }
  co_await Error(response, 404, fmt::format("no message {} in the queue", id.ToString()));
}

io::Task<void> ActOnMessage(Servers servers, QueueId id, QueueAction action,
                            ControlResponse& response) {
  for (ShardServer* server : servers) {
    ActWork work{.action = action, .id = id};
    co_await RunOn(*server, work);
    if (absl::IsNotFound(work.status)) continue;
    if (!work.status.ok()) {
      co_await Error(response, 503, Std(work.status.message()));
      co_return;
    }
    std::string body;
    JsonWriter(body)
        .BeginObject()
        .Key("action")
        .String(ActionName(action))
        .Key("messages")
        .Number(1)
        .EndObject();
    co_await Whole(response, kJsonType, body + "\n");
    co_return;
  }
  co_await Error(response, 404, fmt::format("no message {} in the queue", id.ToString()));
}

io::Task<void> ActOnFiltered(Servers servers, const RequestTarget& target, QueueAction action,
                             ControlResponse& response) {
  QueueFilter filter;
  if (const std::string wrong = ReadFilter(target, filter); !wrong.empty()) {
    co_await Error(response, 400, wrong);
    co_return;
  }
  std::vector<ActOnAllWork> works(servers.size(),
                                  ActOnAllWork{.action = action, .filter = &filter});
  co_await RunOnEach<ActOnAllWork>(servers, works);
  uint64_t done = 0, failed = 0;
  std::string what;
  for (const ActOnAllWork& one : works) {
    done += one.done;
    failed += one.failed;
    if (!one.last_failure.ok()) what = Std(one.last_failure.message());
  }
  if (failed != 0) {
    co_await Error(response, 503,
                   fmt::format("done for {} messages, not for {}: {}", done, failed, what));
    co_return;
  }
  std::string body;
  JsonWriter(body)
      .BeginObject()
      .Key("action")
      .String(ActionName(action))
      .Key("messages")
      .Number(done)
      .EndObject();
  co_await Whole(response, kJsonType, body + "\n");
}

io::Task<std::vector<agent::DestinationStatus>> Destinations(Servers servers) {
  std::vector<DestinationsWork> works(servers.size());
  co_await RunOnEach<DestinationsWork>(servers, works);
  std::vector<agent::DestinationStatus> all;
  for (DestinationsWork& one : works)
    std::move(one.destinations.begin(), one.destinations.end(), std::back_inserter(all));
  co_return all;
}

io::Task<void> ListDestinations(Servers servers, ControlResponse& response) {
  std::vector<agent::DestinationStatus> all = co_await Destinations(servers);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  response.Begin(200, kJsonType);
  std::string piece = "{\"destinations\":[";
  bool first = true;
  for (const agent::DestinationStatus& one : all) {
    piece += first ? "\n" : ",\n";
    first = false;
    JsonWriter json(piece);
    json.BeginObject().Key("name").String(one.name).Key("connections").Number(one.sessions);
    json.Key("waiting").Number(one.waiting).Key("delivered").Number(one.delivered);
    json.Key("deferred").Number(one.deferred).Key("failed").Number(one.failed);
    json.Key("connections_total").Number(one.connections).Key("back_off_until");
    UnixSeconds(one.back_off_until) == 0 ? json.Null()
                                         : json.String(FormatTime(one.back_off_until));
    json.Key("last_error").String(one.last_error).EndObject();
    if (piece.size() < kResponsePieceBytes) continue;
    if (!co_await response.Send(piece)) co_return;
    piece.clear();
  }
  (void)co_await response.Send(piece + "]}\n");
}

// Prometheus label values: backslash, quote and line end are escaped.
std::string LabelValue(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return out;
}

void AddDestinationMetrics(std::vector<agent::DestinationStatus> all, std::string& out) {
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::pair(b.waiting, a.name) < std::pair(a.waiting, b.name);
  });
  if (all.size() > kMetricDestinationsMax) all.resize(kMetricDestinationsMax);
  struct Series {
    std::string_view name, type, help;
    uint64_t (*value)(const agent::DestinationStatus& one);
  };
  using Status = agent::DestinationStatus;
  constexpr Series kSeries[] = {
      {"ringmail_destination_connections", "gauge", "Connections to the destination now.",
       [](const Status& s) -> uint64_t { return s.sessions; }},
      {"ringmail_destination_waiting", "gauge", "Transactions that wait for the destination.",
       [](const Status& s) -> uint64_t { return s.waiting; }},
      {"ringmail_destination_backing_off", "gauge",
       "1 while the destination is left alone after failures.",
       [](const Status& s) -> uint64_t { return s.back_off_until > io::WallNow() ? 1 : 0; }},
      {"ringmail_destination_delivered_total", "counter", "Recipients delivered.",
       [](const Status& s) { return s.delivered; }},
      {"ringmail_destination_deferred_total", "counter", "Recipients deferred.",
       [](const Status& s) { return s.deferred; }},
      {"ringmail_destination_failed_total", "counter", "Recipients failed.",
       [](const Status& s) { return s.failed; }},
      {"ringmail_destination_connections_total", "counter", "Connections made.",
       [](const Status& s) { return s.connections; }},
  };
  for (const Series& series : kSeries) {
    if (all.empty()) break;
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", series.name, series.help, series.name,
                       series.type);
    for (const Status& one : all) {
      out += fmt::format("{}{{destination=\"{}\"}} {}\n", series.name, LabelValue(one.name),
                         series.value(one));
    }
  }
}

io::Task<void> Metrics(Servers servers, ControlResponse& response) {
  std::vector<const MetricRegistry*> registries;
  for (const ShardServer* server : servers) registries.push_back(&server->metrics());
  std::string body = MetricRegistry::Render(registries);
  AddDestinationMetrics(co_await Destinations(servers), body);
  body += fmt::format(
      "# HELP ringmail_shards Threads that serve.\n# TYPE ringmail_shards gauge\nringmail_shards "
      "{}\n"
      "# HELP process_resident_memory_bytes Resident memory.\n# TYPE process_resident_memory_bytes "
      "gauge\n"
      "process_resident_memory_bytes {}\n"
      "# HELP process_cpu_seconds_total CPU time used.\n# TYPE process_cpu_seconds_total counter\n"
      "process_cpu_seconds_total {:.6f}\n",
      servers.size(), io::ResidentBytes(), static_cast<double>(io::CpuMicroseconds()) / 1e6);
  co_await Whole(response, kMetricsType, body);
}

io::Task<void> ShowStatus(Servers servers, ControlResponse& response) {
  std::vector<CountWork> works(servers.size());
  co_await RunOnEach<CountWork>(servers, works);
  uint64_t messages = 0, sessions = 0;
  for (const CountWork& one : works) {
    messages += one.messages;
    sessions += one.sessions;
  }
  std::string body;
  JsonWriter json(body);
  json.BeginObject().Key("version").String(RINGMAIL_VERSION).Key("shards").Number(servers.size());
  json.Key("messages").Number(messages).Key("connections").Number(sessions);
  json.Key("resident_bytes")
      .Number(io::ResidentBytes())
      .Key("cpu_microseconds")
      .Number(io::CpuMicroseconds());
  json.EndObject();
  co_await Whole(response, kJsonType, body + "\n");
}

io::Task<void> AnswerQueue(Servers servers, bool get, const RequestTarget& target,
                           ControlResponse& response) {
  const std::vector<std::string>& path = target.segments;
  if (path.size() == 2 && get) {
    co_await List(servers, target, response);
    co_return;
  }
  const bool all = path.size() == 4 && path[2] == "all";
  const std::optional<QueueId> id = path.size() > 2 ? QueueId::Parse(path[2]) : std::nullopt;
  if (path.size() > 2 && !all && !id) {
    co_await Error(response, 404, "no such queue id: it has 12 characters, 0-9 and a-v");
    co_return;
  }
  const std::optional<QueueAction> action = path.size() == 4 ? ParseAction(path[3]) : std::nullopt;
  if (path.size() == 3 && get) {
    co_await Show(servers, *id, response);
  } else if (action && !get && all) {
    co_await ActOnFiltered(servers, target, *action, response);
  } else if (action && !get) {
    co_await ActOnMessage(servers, *id, *action, response);
  } else {
    co_await Error(response, 405,
                   "this cannot be done here: GET to read, POST to retry, hold, release or drop");
  }
}

}  // namespace

io::Task<void> Answer(Servers servers, const ControlRequest& request, ControlResponse& response) {
  const std::optional<RequestTarget> target = ParseTarget(request.target);
  const bool get = request.method == "GET", post = request.method == "POST";
  if (!target || !(get || post)) {
    co_await Error(response, target ? 405 : 400, target ? "only GET and POST" : "malformed target");
    co_return;
  }
  const std::vector<std::string>& path = target->segments;
  if (path.size() >= 2 && path.size() <= 4 && path[0] == "v1" && path[1] == "queue") {
    co_await AnswerQueue(servers, get, *target, response);
  } else if (IsMailboxTarget(*target)) {
    co_await AnswerMailboxes(servers, request, *target, response);
  } else if (IsDirectoryTarget(*target)) {
    co_await AnswerDirectory(*servers.front(), request, *target, response);
  } else if (path == std::vector<std::string>{"metrics"} && get) {
    co_await Metrics(servers, response);
  } else if (path == std::vector<std::string>{"v1", "status"} && get) {
    co_await ShowStatus(servers, response);
  } else if (path == std::vector<std::string>{"v1", "destinations"} && get) {
    co_await ListDestinations(servers, response);
  } else {
    co_await Error(response, 404, "no such resource");
  }
}

bool TakesStream(std::string_view method, std::string_view target) {
  const std::optional<RequestTarget> parsed = ParseTarget(target);
  return method == "POST" && parsed && IsMailboxTarget(*parsed);
}

io::Task<uint64_t> CountMessages(Servers servers) {
  std::vector<CountWork> works(servers.size());
  co_await RunOnEach<CountWork>(servers, works);
  uint64_t messages = 0;
  for (const CountWork& one : works) messages += one.messages;
  co_return messages;
}

}  // namespace ringmail::server
