#include "server/commands/init.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "ringmail/codec/digest.h"
#include "ringmail/codec/hex.h"
#include "ringmail/io/certificate.h"
#include "ringmail/io/process.h"
#include "ringmail/io/tls.h"
#include "ringmail/message/path.h"
#include "server/commands/arguments.h"
#include "server/commands/command.h"
#include "server/commands/init_store.h"
#include "server/config/tls.h"

namespace ringmail::server {
namespace {

constexpr Option kOptions[] = {
    {.name = "--domain", .value_name = "DOMAIN", .about = "whose mail this host is for"},
    {.name = "--data",
     .value_name = "DIR",
     .about =
         "where mail will be (default /var/lib/ringmail); alone, everything else goes there too"},
    {.name = "--dir",
     .value_name = "DIR",
     .about = "where the configuration and the certificate go (default /etc/ringmail)"},
    {.name = "--hostname",
     .value_name = "NAME",
     .about = "what this host is called (default mx.DOMAIN)"},
    {.name = "--ip",
     .value_name = "ADDRESS",
     .about = "where it is reached, for the DNS records; may be given for IPv4 and IPv6",
     .repeatable = true},
    {.name = "--certificate",
     .value_name = "FILE",
     .about = "a certificate that you have, with its chain (default: a self-signed one is made)"},
    {.name = "--private-key", .value_name = "FILE", .about = "and its key"},
    {.name = "--acme",
     .value_name = "",
     .about = "certificates from Let's Encrypt by ACME; says that you agree to its terms"},
    {.name = "--contact",
     .value_name = "ADDRESS",
     .about = "whom the authority may write to (only with --acme)"},
    {.name = "--port-offset",
     .value_name = "N",
     .about = "added to every port, to try it without root: 25 is 2525 with 2500"}};
constexpr ExitCode kExitCodes[] = {ExitCode::kOk, ExitCode::kFailed, ExitCode::kUsage};
constexpr Usage kUsage = {
    .name = "init",
    .operands = "",
    .about =
        "Writes a configuration with which this host takes the mail of DOMAIN, lets its "
        "account holders send and fetch\n"
        "theirs, makes the account of its postmaster, and prints the DNS records to publish, "
        "as lines of a zone\n"
        "file. Where there is no certificate a self-signed one is made. Nothing that exists is "
        "overwritten.\n",
    .options = kOptions,
    .exit_codes = kExitCodes};

// A self-signed certificate has to last until somebody has a better one.
constexpr std::chrono::hours kSelfSignedLife{2 * 365 * 24};
constexpr size_t kNameColumn = 34;

struct PortPlan {
  std::string_view name, protocol, tls;
  uint16_t port;
  std::string_view about;
};
constexpr PortPlan kPorts[] = {
    {"smtp", "smtp", "starttls", 25, "mail from other hosts"},
    {"submission", "submission", "starttls", 587, "mail from account holders"},
    {"submissions", "submission", "implicit", 465, "the same, inside TLS from the first octet"},
    {"pop3", "pop3", "starttls", 110, "account holders fetch their mail"},
    {"pop3s", "pop3", "implicit", 995, "the same, inside TLS from the first octet"},
};
constexpr PortPlan kAcmePort = {"acme", "acme", "none", 80,
                                "the authority looks whether the name is ours"};

std::string Listener(const PortPlan& port, std::string_view address, const InitPlan& plan) {
  return fmt::format(
      "[[listener]]                    # {}\naddress  = \"{}:{}\"\nprotocol = \"{}\"\ntls      = "
      "\"{}\"\nname     = \"{}\"\n\n",
      port.about, address, port.port + plan.port_offset, port.protocol, port.tls, port.name);
}

int Fail(ExitCode code, std::string_view what, std::string& errors) {
  errors += fmt::format("ringmail init: {}\n", what);
  return Number(code);
}

// TOML's basic strings: a path may hold what it likes.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (octet < 0x20 || octet == 0x7F) {
      out += fmt::format("\\u{:04X}", octet);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string Record(std::string_view name, std::string_view type, std::string_view data) {
  return fmt::format("{:<{}} IN {:<5} {}\n", fmt::format("{}.", name), kNameColumn, type, data);
}

bool TakeHost(std::string_view text, std::string& out) {
  if (!message::ValidDomain(text, message::Utf8::kRefused)) return false;
  out = message::NormalizedDomain(text);
  return true;
}

// "": good.
std::string TakePlan(const Arguments& given, InitPlan& plan) {
  const std::string_view domain = given.GetOr("--domain", "");
  if (domain.empty()) return "--domain is missing (see ringmail init --help)";
  if (!TakeHost(domain, plan.domain)) {
    return fmt::format("{} is no domain in ASCII: write example.org, and xn--… for others", domain);
  }
  if (!TakeHost(given.GetOr("--hostname", "mx." + plan.domain), plan.hostname))
    return "--hostname is no host name: letters, digits and hyphens, with dots between";
  // Who names one place means it for all.
  plan.data_dir = given.GetOr("--data", "/var/lib/ringmail");
  plan.directory = given.GetOr("--dir", given.Has("--data") ? plan.data_dir : "/etc/ringmail");
  if (given.Has("--dir") && !given.Has("--data")) plan.data_dir = plan.directory + "/data";
  for (std::string* path : {&plan.directory, &plan.data_dir}) {
    while (path->size() > 1 && path->ends_with('/')) path->pop_back();
  }
  for (const std::string* path : {&plan.directory, &plan.data_dir}) {
    if (!path->starts_with('/') || path->find('\0') != std::string::npos)
      return fmt::format("{} must be an absolute path", *path);
  }
  for (std::string_view text : given.All("--ip")) {
    const auto address = IpAddress::Parse(text);
    if (!address) return fmt::format("{} is no IP address", text);
    plan.addresses.push_back(*address);
  }
  if (given.Has("--certificate") != given.Has("--private-key"))
    return "--certificate and --private-key go together";
  plan.certificate = given.GetOr("--certificate", plan.directory + "/tls/certificate.pem");
  plan.private_key = given.GetOr("--private-key", plan.directory + "/tls/key.pem");
  plan.acme = given.Has("--acme");
  plan.contact = given.GetOr("--contact", "");
  if (!plan.contact.empty() && !plan.acme) return "--contact is for --acme";
  if (!plan.contact.empty() && !message::ParseMailbox(plan.contact, message::Utf8::kRefused))
    return "--contact is no address";
  const auto offset = ParseCount(given.GetOr("--port-offset", "0"), 0, 60'000);
  if (!offset) return "--port-offset must be from 0 to 60000";
  plan.port_offset = static_cast<uint16_t>(*offset);
  return {};
}

// The certificate that is there, or a new one.
StatusOr<std::string> Certificate(const InitPlan& plan, bool given, std::string& out) {
  const StatusOr<std::string> certificate =
      io::ReadWholeFile(plan.certificate, io::kTlsPemBytesMax);
  const StatusOr<std::string> key = io::ReadWholeFile(plan.private_key, io::kTlsPemBytesMax);
  if (given || certificate.ok() || key.ok()) {
    RETURN_IF_ERROR(certificate.status());
    RETURN_IF_ERROR(key.status());
    ASSIGN_OR_RETURN(
        const io::TlsIdentityFacts facts,
        io::ExamineTlsIdentity(
            {.certificate_pem = *certificate, .private_key_pem = *key, .ocsp_response = {}}));
    out += fmt::format("uses  {}: {}\n", plan.certificate, DescribeCertificate(facts));
    return *certificate;
  }
  const WallTime now = io::SystemTime();
  const std::string made_key = io::MakePrivateKey();
  ASSIGN_OR_RETURN(std::string made, io::MakeSelfSignedCertificate(
                                         made_key, {.names = {plan.hostname},
                                                    .not_before = now - std::chrono::hours(1),
                                                    .not_after = now + kSelfSignedLife,
                                                    .acme_identifier = {}}));
  RETURN_IF_ERROR(io::MakeDirectories(plan.directory + "/tls"));
  RETURN_IF_ERROR(io::CreateFile(plan.private_key, made_key, io::FileReaders::kOwner));
  RETURN_IF_ERROR(io::CreateFile(plan.certificate, made, io::FileReaders::kEverybody));
  out += fmt::format("wrote {}\nwrote {} (self-signed, for {})\n", plan.private_key,
                     plan.certificate, plan.hostname);
  return made;
}

}  // namespace

std::string InitConfiguration(const InitPlan& plan) {
  std::string out = fmt::format(
      "# ringmail for {}. `ringmail check` judges this file; SIGHUP makes a running server read it "
      "again.\n\nhostname = \"{}\"\ndata_dir = {}\n\n",
      plan.domain, plan.hostname, Quoted(plan.data_dir));
  const bool v6 =
      std::any_of(plan.addresses.begin(), plan.addresses.end(),
                  [](const IpAddress& one) { return one.family == IpAddress::Family::kV6; });
  for (const PortPlan& port : kPorts) {
    out += Listener(port, "0.0.0.0", plan);
    if (v6) out += Listener(port, "[::]", plan);
  }
  if (plan.acme) {
    out += Listener(kAcmePort, "0.0.0.0", plan);
    if (v6) out += Listener(kAcmePort, "[::]", plan);
  }
  out += fmt::format("[[domain]]\nname = \"{}\"\n\n", plan.domain);
  out += fmt::format("[tls]\ncertificate = {}\nprivate_key = {}\n", Quoted(plan.certificate),
                     Quoted(plan.private_key));
  if (plan.acme) {
    out +=
        "\n[acme]                          # shown in the place of [tls] as soon as it is there\n";
    out += "agree_to_terms = true\n";
    if (!plan.contact.empty()) out += fmt::format("contact = [{}]\n", Quoted(plan.contact));
  }
  return out;
}

std::string InitRecords(const InitPlan& plan, std::string_view key_digest) {
  std::string out = fmt::format("; DNS records of {}, for its zone\n", plan.domain);
  for (const IpAddress& one : plan.addresses) {
    const bool v4 = one.family == IpAddress::Family::kV4;
    out += Record(plan.hostname, v4 ? "A" : "AAAA", one.ToString());
  }
  if (plan.addresses.empty()) {
    out += "; write the addresses of this host in the place of 192.0.2.1 and 2001:db8::1\n";
    out += Record(plan.hostname, "A", "192.0.2.1");
    out += Record(plan.hostname, "AAAA", "2001:db8::1");
  }
  out += Record(plan.domain, "MX", fmt::format("10 {}.", plan.hostname));
  out += "; who may send in this domain's name (RFC 7208), and what others should do (RFC 7489)\n";
  out += Record(plan.domain, "TXT", "\"v=spf1 mx -all\"");
  if (plan.hostname != plan.domain) out += Record(plan.hostname, "TXT", "\"v=spf1 a -all\"");
  out += Record("_dmarc." + plan.domain, "TXT",
                fmt::format("\"v=DMARC1; p=none; rua=mailto:postmaster@{}\"", plan.domain));
  out += "; where mail programs find the server (RFC 6186, RFC 8314); TLS from the start first\n";
  struct Service {
    std::string_view name;
    uint16_t priority, port;
  };
  for (const Service& one : {Service{"_submissions", 0, 465}, Service{"_submission", 10, 587},
                             Service{"_pop3s", 0, 995}, Service{"_pop3", 10, 110}}) {
    out += Record(
        fmt::format("{}._tcp.{}", one.name, plan.domain), "SRV",
        fmt::format("{} 1 {} {}.", one.priority, one.port + plan.port_offset, plan.hostname));
  }
  if (plan.acme) {
    out += "; who may give certificates (RFC 8659)\n";
    out += Record(plan.hostname, "CAA", "0 issue \"letsencrypt.org\"");
  } else {
    // By ACME every certificate has a new key, and this would forbid mail after the first renewal.
    out +=
        "; only in a zone signed by DNSSEC: the key to expect (RFC 7672); change it with the key\n";
    out += Record(fmt::format("_{}._tcp.{}", 25 + plan.port_offset, plan.hostname), "TLSA",
                  fmt::format("3 1 1 {}", key_digest));
  }
  return out;
}

int InitCommand(std::span<const std::string_view> arguments, std::string& out,
                std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kUsage, arguments, out, errors)) return *code;
  InitPlan plan;
  const std::string problem = TakePlan(given, plan);
  if (!problem.empty()) return Fail(ExitCode::kUsage, problem, errors);
  const std::string text = InitConfiguration(plan);
  const ConfigResult judged = ParseConfig(text, plan.hostname);
  if (!judged.ok()) {
    errors += FormatDiagnostics(plan.config_path(), judged.diagnostics);
    return Fail(ExitCode::kUsage, "with these arguments there is no configuration", errors);
  }
  // Before anything is made.
  const StatusOr<std::string> before = io::ReadWholeFile(plan.config_path(), kConfigBytesMax);
  if (!absl::IsNotFound(before.status())) {
    return Fail(ExitCode::kFailed,
                fmt::format("{} is there already, and nothing was changed", plan.config_path()),
                errors);
  }
  // First, since it makes the data directory, which nobody else may look into.
  const StatusOr<FirstAccount> first = MakeFirstAccount(judged.config, plan.domain);
  if (!first.ok()) {
    return Fail(ExitCode::kStore,
                fmt::format("{}: {}", plan.data_dir, Std(first.status().message())), errors);
  }
  if (first->password.empty()) {
    out += fmt::format("kept  the account {}\n", first->address);
  } else {
    out += fmt::format("made  the account {}, password {} (shown this once)\n", first->address,
                       first->password);
  }
  const StatusOr<std::string> certificate = Certificate(plan, given.Has("--certificate"), out);
  if (!certificate.ok()) {
    return Fail(ExitCode::kFailed,
                fmt::format("the certificate {}: {}", plan.certificate,
                            Std(certificate.status().message())),
                errors);
  }
  Status written = io::MakeDirectories(plan.directory);
  if (written.ok()) written = io::CreateFile(plan.config_path(), text, io::FileReaders::kEverybody);
  if (!written.ok()) return Fail(ExitCode::kFailed, Std(written.message()), errors);
  out += fmt::format("wrote {}\n\n", plan.config_path());
  const StatusOr<std::string> key = io::PublicKeyInfoOf(*certificate);
  if (!key.ok()) return Fail(ExitCode::kFailed, Std(key.status().message()), errors);
  const codec::DigestValue digest = codec::Digest(codec::DigestKind::kSha256, {*key});
  std::string hex(2 * digest.view().size(), '0');
  (void)codec::HexEncode(digest.view(), codec::HexCase::kLower, hex.data());
  out += InitRecords(plan, hex);
  out += fmt::format(
      "\nnext:\n  ringmail check --config {0}\n  ringmail serve --config {0}\n  ringmail account "
      "add "
      "you@{1} --config {0}\n",
      plan.config_path(), plan.domain);
  return Number(ExitCode::kOk);
}

}  // namespace ringmail::server
