// ringmail-backend: asks PostgreSQL, LDAP or PAM for the server, in a process of its own.
//
// The server starts one for each such [[backend]] and writes a kConfigure frame to its standard
// input, which it then keeps open: its end is ours. The process that is started opens the socket
// and watches over another that serves it, which it starts again, with a growing pause, where a
// library has brought it down. A thread for each connection, kThreadsMax of them: beyond, a
// connection is closed at once, and the server says "try later".
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "backend_process/backend.h"

namespace ringmail::backend_process {
namespace {

constexpr int kThreadsMax = 512;
constexpr int kBacklog = 512;
constexpr int kPauseMsMin = 100, kPauseMsMax = 30'000;
// Who lived so long gets a short pause again.
constexpr time_t kHealthySeconds = 60;

int Say(const std::string& name, const std::string& what) {
  std::fprintf(stderr, "ringmail-backend %s: %s\n", name.c_str(), what.c_str());
  return 1;
}

bool ReadFrame(int fd, std::string& buffer, WireMessage& message) {
  char part[16384];
  while (true) {
    std::string_view rest = buffer;
    const backend::WireStatus status = backend::DecodeWire(rest, message);
    if (status == backend::WireStatus::kMessage) {
      buffer.erase(0, buffer.size() - rest.size());
      return true;
    }
    if (status == backend::WireStatus::kBroken) return false;
    const ssize_t count = read(fd, part, sizeof(part));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    buffer.append(part, static_cast<size_t>(count));
  }
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

std::unique_ptr<Connection> Make(const WireMessage& configuration) {
  const std::string_view kind = configuration.Get("kind");
  if (kind == "postgresql") return MakePostgresql(configuration);
  if (kind == "ldap") return MakeLdap(configuration);
  if (kind == "pam") return MakePam(configuration);
  return nullptr;
}

void Serve(int fd, const WireMessage& configuration, std::atomic<int>& threads) {
  const std::unique_ptr<Connection> connection = Make(configuration);
  std::string buffer;
  WireMessage question;
  while (ReadFrame(fd, buffer, question)) {
    WireMessage answer = question.kind == WireKind::kFind || question.kind == WireKind::kVerify
                             ? connection->Answer(question)
                             : Unavailable("no question");
    if (!backend::FitsWire(answer)) answer = Unavailable("the answer is too large");
    answer.number = question.number;
    if (!WriteAll(fd, backend::EncodeWire(answer))) break;
  }
  close(fd);
  --threads;
}

// The process that answers. Ends with its parent.
[[noreturn]] void Work(int listener, const WireMessage& configuration) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::atomic<int> threads{0};
  while (true) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno != EINTR && errno != ECONNABORTED) usleep(10'000);  // no descriptors
      continue;
    }
    if (threads.load() >= kThreadsMax) {
      close(fd);
      continue;
    }
    ++threads;
    std::thread(Serve, fd, std::cref(configuration), std::ref(threads)).detach();
  }
}

int OpenSocket(const std::string& path, const std::string& user, const std::string& name) {
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof(address.sun_path)) return Say(name, path + " is too long"), -1;
  path.copy(address.sun_path, path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Say(name, std::strerror(errno)), -1;
  unlink(path.c_str());
  umask(0177);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(fd, kBacklog) != 0) {
    return Say(name, path + ": " + std::strerror(errno)), -1;
  }
  if (!user.empty() && geteuid() == 0) {
    const passwd* const found = getpwnam(user.c_str());
    if (found == nullptr || lchown(path.c_str(), found->pw_uid, found->pw_gid) != 0)
      return Say(name, path + " cannot be given to user " + user), -1;
  }
  return fd;
}

// PAM's modules read what only root may; the others need no more than the server has.
bool BecomeUser(const WireMessage& configuration) {
  const std::string user(configuration.Get("user"));
  if (user.empty() || geteuid() != 0 || configuration.Get("kind") == "pam") return true;
  const passwd* const found = getpwnam(user.c_str());
  return found != nullptr && initgroups(user.c_str(), found->pw_gid) == 0 &&
         setgid(found->pw_gid) == 0 && setuid(found->pw_uid) == 0;
}

// Waits so long for the end of standard input. True: it has come.
bool InputEnds(int milliseconds) {
  pollfd input = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return poll(&input, 1, milliseconds) > 0;
}

int Watch(int listener, const WireMessage& configuration, const std::string& name) {
  int pause = kPauseMsMin;
  while (true) {
    const time_t began = time(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      close(STDIN_FILENO);
      Work(listener, configuration);
    }
    int status = 0;
    if (child > 0) {
      const int ended = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
      pollfd either[2] = {{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                          {.fd = ended, .events = POLLIN, .revents = 0}};
      while (poll(either, 2, -1) < 0) {
      }
      if (ended >= 0) close(ended);
      const bool told = either[0].revents != 0;
      if (told) kill(child, SIGKILL);
      waitpid(child, &status, 0);
      if (told) return 0;
    }
    Say(name, child < 0 ? "fork: " + std::string(std::strerror(errno))
                        : "ended with status " + std::to_string(status) + "; starting again");
    if (time(nullptr) - began >= kHealthySeconds) pause = kPauseMsMin;
    if (InputEnds(pause)) return 0;
    pause = std::min(pause * 2, kPauseMsMax);
  }
}

int Run() {
  signal(SIGPIPE, SIG_IGN);
  std::string buffer;
  WireMessage configuration;
  if (!ReadFrame(STDIN_FILENO, buffer, configuration) ||
      configuration.kind != WireKind::kConfigure || !buffer.empty()) {
    std::fputs("ringmail-backend: `ringmail serve` starts this program; it is of no use by hand\n",
               stderr);
    return 2;
  }
  const std::string name(configuration.Get("name")), socket(configuration.Get("socket"));
  if (Make(configuration) == nullptr) {
    return Say(name, "this build knows no " + std::string(configuration.Get("kind")));
  }
  const int listener = OpenSocket(socket, std::string(configuration.Get("user")), name);
  if (listener < 0) return 1;
  if (!BecomeUser(configuration)) return Say(name, "cannot become the server's user");
  // The socket's name stays: by now it may be that of the server's next process.
  return Watch(listener, configuration, name);
}

}  // namespace

WireMessage Unavailable(std::string why) {
  WireMessage out;
  out.fields.push_back({"why", std::move(why)});
  return out;
}

bool ReadSecret(const std::string& path, std::string& secret) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[4096];
  const ssize_t count = read(fd, text, sizeof(text));
  close(fd);
  if (count < 0) return false;
  secret.assign(text, static_cast<size_t>(count));
  secret.resize(std::min(secret.find('\n'), secret.size()));
  return true;
}

}  // namespace ringmail::backend_process

int main() { return ringmail::backend_process::Run(); }
