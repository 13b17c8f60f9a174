// The floor under an SMTP server: the least that a program can do and still hold the conversation
// and keep the mail.
//
// It holds the same dialogue as a real server by counting lines, looks at the first letter of a
// command and for the end of DATA, and appends what DATA brought to a pre-written file with
// O_DIRECT and RWF_DSYNC, one batch in flight (group commit), answering 250 only after its batch.
// It checks nothing, parses nothing, and uses nothing of ringmail: what a real server costs above
// this is its own doing. On SIGTERM it prints its CPU time for each message.
//
//   smtp_floor --listen 127.0.0.1:2500 --file /var/tmp/floor
#include <arpa/inet.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr unsigned kBuffers = 1024;
constexpr unsigned kBufferBytes = 8192;
constexpr int kGroup = 1;
constexpr size_t kBlock = 4096;
// Two hundred messages of 32 KiB may wait for one write.
constexpr size_t kBatchBytes = 16u << 20;
constexpr uint64_t kFileBytes = 256u << 20;
// Each message starts with this much for what a real log writes before it.
constexpr size_t kRecordHeader = 64;

enum Op : uint64_t { kAccept, kReceive, kSend, kWrite, kClose };

struct Connection {
  int fd = -1;
  bool data = false;     // inside DATA
  bool waiting = false;  // for the batch
  bool sending = false;
  bool closing = false;
  bool ended = false;
  uint32_t matched = 0;  // octets of CRLF.CRLF seen
  char first = 0;        // of the current command line
  bool line_start = true;
  std::string out, flying;
  std::string content;
};

struct Floor {
  io_uring ring{};
  io_uring_buf_ring* buffers = nullptr;
  char* memory = nullptr;
  int listen_fd = -1, file = -1;
  std::vector<Connection*> connections;
  std::vector<uint32_t> free_connections;
  char* batch[2] = {};
  size_t batch_bytes = 0;
  int filling = 0;
  bool writing = false;
  std::vector<uint32_t> batch_waiters, flying_waiters;
  uint64_t offset = 0, messages = 0, batches = 0;
};

volatile sig_atomic_t stopped = 0;
void Stop(int) { stopped = 1; }

[[noreturn]] void Die(const char* what) {
  perror(what);
  exit(1);
}

io_uring_sqe* Sqe(Floor& f) {
  io_uring_sqe* sqe = io_uring_get_sqe(&f.ring);
  if (sqe == nullptr) {
    io_uring_submit(&f.ring);
    sqe = io_uring_get_sqe(&f.ring);
  }
  memset(sqe, 0, sizeof(*sqe));
  return sqe;
}
void Mark(io_uring_sqe* sqe, Op op, uint64_t index) { sqe->user_data = op | (index << 8); }

void ArmReceive(Floor& f, uint32_t index) {
  io_uring_sqe* sqe = Sqe(f);
  io_uring_prep_recv_multishot(sqe, f.connections[index]->fd, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = kGroup;
  Mark(sqe, kReceive, index);
}

void ArmAccept(Floor& f) {
  io_uring_sqe* sqe = Sqe(f);
  io_uring_prep_multishot_accept(sqe, f.listen_fd, nullptr, nullptr, SOCK_CLOEXEC);
  Mark(sqe, kAccept, 0);
}

void StartSend(Floor& f, uint32_t index) {
  Connection& c = *f.connections[index];
  if (c.sending || c.out.empty()) return;
  c.sending = true;
  c.flying.swap(c.out);
  c.out.clear();
  io_uring_sqe* sqe = Sqe(f);
  io_uring_prep_send(sqe, c.fd, c.flying.data(), c.flying.size(), MSG_WAITALL | MSG_NOSIGNAL);
  Mark(sqe, kSend, index);
}

void StartWrite(Floor& f) {
  if (f.writing || f.batch_bytes == 0) return;
  const size_t bytes = (f.batch_bytes + kBlock - 1) / kBlock * kBlock;
  memset(f.batch[f.filling] + f.batch_bytes, 0, bytes - f.batch_bytes);
  if (f.offset + bytes > kFileBytes) f.offset = 0;
  io_uring_sqe* sqe = Sqe(f);
  io_uring_prep_write_fixed(sqe, f.file, f.batch[f.filling], static_cast<unsigned>(bytes), f.offset,
                            f.filling);
  sqe->rw_flags = RWF_DSYNC;
  Mark(sqe, kWrite, 0);
  f.offset += bytes;
  f.writing = true;
  f.filling ^= 1;
  f.batch_bytes = 0;
  ++f.batches;
  f.flying_waiters.swap(f.batch_waiters);
}

void Commit(Floor& f, uint32_t index) {
  Connection& c = *f.connections[index];
  const size_t bytes = kRecordHeader + c.content.size();
  if (f.batch_bytes + bytes > kBatchBytes) {
    c.out += "452 4.3.1 full\r\n";
  } else {
    memset(f.batch[f.filling] + f.batch_bytes, 0, kRecordHeader);
    memcpy(f.batch[f.filling] + f.batch_bytes + kRecordHeader, c.content.data(), c.content.size());
    f.batch_bytes += bytes;
    c.waiting = true;
    f.batch_waiters.push_back(index);
    ++f.messages;
  }
  c.content.clear();
}

void Command(Floor& f, uint32_t index) {
  Connection& c = *f.connections[index];
  switch (c.first | 0x20) {
    case 'd':
      c.out += "354 go on\r\n";
      c.data = true;
      c.matched = 2;
      break;
    case 'q':
      c.out += "221 2.0.0 bye\r\n";
      c.closing = true;
      break;
    default:
      c.out += "250 2.0.0 ok\r\n";
  }
  (void)f;
}

// The end of DATA, which memmem finds but for what lies across two buffers.
size_t Data(Floor& f, uint32_t index, std::string_view bytes) {
  static constexpr std::string_view kEnd = "\r\n.\r\n";
  Connection& c = *f.connections[index];
  size_t at = 0;
  while (c.matched > 0 && at < bytes.size()) {
    if (bytes[at] == kEnd[c.matched]) {
      ++at;
      if (++c.matched < kEnd.size()) continue;
      c.content.append(bytes.substr(0, at));
      c.data = false;
      c.matched = 0;
      Commit(f, index);
      return at;
    }
    c.matched = bytes[at] == '\r' ? 1 : 0;
    ++at;
  }
  const size_t end = bytes.find(kEnd, at);
  if (end != std::string_view::npos) {
    c.content.append(bytes.substr(0, end + kEnd.size()));
    c.data = false;
    Commit(f, index);
    return end + kEnd.size();
  }
  // What of the end's beginning the buffer ends in.
  for (size_t count = kEnd.size() - 1; count > 0; --count) {
    if (bytes.size() - at >= count && bytes.substr(bytes.size() - count) == kEnd.substr(0, count)) {
      c.matched = static_cast<uint32_t>(count);
      break;
    }
  }
  c.content.append(bytes);
  return bytes.size();
}

void Input(Floor& f, uint32_t index, std::string_view bytes) {
  Connection& c = *f.connections[index];
  while (!bytes.empty()) {
    if (c.data) {
      bytes.remove_prefix(Data(f, index, bytes));
      continue;
    }
    if (c.line_start) c.first = bytes[0];
    const void* end = memchr(bytes.data(), '\n', bytes.size());
    if (end == nullptr) {
      c.line_start = false;
      return;
    }
    c.line_start = true;
    bytes.remove_prefix(static_cast<size_t>(static_cast<const char*>(end) - bytes.data()) + 1);
    Command(f, index);
  }
}

void MaybeClose(Floor& f, uint32_t index) {
  Connection& c = *f.connections[index];
  if (!c.ended || c.sending || c.waiting) return;
  io_uring_sqe* sqe = Sqe(f);
  io_uring_prep_close(sqe, c.fd);
  Mark(sqe, kClose, index);
  c.fd = -1;
  f.free_connections.push_back(index);
}

void Accepted(Floor& f, const io_uring_cqe& cqe) {
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) ArmAccept(f);
  if (cqe.res < 0) return;
  uint32_t index;
  if (f.free_connections.empty()) {
    index = static_cast<uint32_t>(f.connections.size());
    f.connections.push_back(new Connection);
  } else {
    index = f.free_connections.back();
    f.free_connections.pop_back();
  }
  Connection& c = *f.connections[index];
  c.data = c.waiting = c.sending = c.closing = c.ended = false;
  c.line_start = true;
  c.matched = 0;
  c.fd = cqe.res;
  c.out = "220 floor ESMTP\r\n";
  ArmReceive(f, index);
  StartSend(f, index);
}

void Received(Floor& f, uint32_t index, const io_uring_cqe& cqe) {
  Connection& c = *f.connections[index];
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
    const auto buffer = static_cast<uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    char* at = f.memory + size_t{buffer} * kBufferBytes;
    if (cqe.res > 0) Input(f, index, {at, static_cast<size_t>(cqe.res)});
    io_uring_buf_ring_add(f.buffers, at, kBufferBytes, buffer, io_uring_buf_ring_mask(kBuffers), 0);
    io_uring_buf_ring_advance(f.buffers, 1);
  }
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
    if (cqe.res > 0 || cqe.res == -ENOBUFS) {
      ArmReceive(f, index);
    } else {
      c.ended = true;
    }
  }
  if (!c.waiting) StartSend(f, index);
  MaybeClose(f, index);
}

void Sent(Floor& f, uint32_t index) {
  Connection& c = *f.connections[index];
  c.sending = false;
  c.flying.clear();
  if (!c.waiting) StartSend(f, index);
  if (c.closing && !c.sending && !c.ended) shutdown(c.fd, SHUT_WR);
  MaybeClose(f, index);
}

void Written(Floor& f, const io_uring_cqe& cqe) {
  if (cqe.res < 0) {
    errno = -cqe.res;
    Die("write");
  }
  f.writing = false;
  for (const uint32_t index : f.flying_waiters) {
    Connection& c = *f.connections[index];
    c.waiting = false;
    // In the order of the commands: what was pipelined behind the message is answered after it.
    c.out.insert(0, "250 2.0.0 kept\r\n");
    StartSend(f, index);
    MaybeClose(f, index);
  }
  f.flying_waiters.clear();
}

void OpenSocket(Floor& f, const char* text) {
  const char* colon = strrchr(text, ':');
  if (colon == nullptr) Die("--listen");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(atoi(colon + 1)));
  if (inet_pton(AF_INET, std::string(text, colon).c_str(), &address.sin_addr) != 1) Die("--listen");
  const int on = 1;
  f.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(f.listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(f.listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (bind(f.listen_fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Die(text);
  if (listen(f.listen_fd, 4096) != 0) Die("listen");
}

void* Map(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) Die("mmap");
  return memory;
}

void OpenFile(Floor& f, const char* path) {
  f.file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_DIRECT, 0600);
  if (f.file < 0) Die(path);
  char* zeros = static_cast<char*>(Map(kBatchBytes));
  for (uint64_t at = 0; at < kFileBytes; at += kBatchBytes) {
    if (pwrite(f.file, zeros, kBatchBytes, static_cast<off_t>(at)) !=
        static_cast<ssize_t>(kBatchBytes))
      Die(path);
  }
  if (fsync(f.file) != 0) Die(path);
  munmap(zeros, kBatchBytes);
  iovec registered[2];
  for (int i = 0; i < 2; ++i) {
    f.batch[i] = static_cast<char*>(Map(kBatchBytes));
    registered[i] = {f.batch[i], kBatchBytes};
  }
  if (io_uring_register_buffers(&f.ring, registered, 2) != 0) Die("register buffers");
}

void OpenRing(Floor& f) {
  io_uring_params params{};
  params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
                 IORING_SETUP_DEFER_TASKRUN;
  params.cq_entries = 4096;
  if (io_uring_queue_init_params(1024, &f.ring, &params) != 0) Die("io_uring");
  io_uring_register_ring_fd(&f.ring);
  f.buffers = static_cast<io_uring_buf_ring*>(Map(kBuffers * sizeof(io_uring_buf)));
  f.memory = static_cast<char*>(Map(size_t{kBuffers} * kBufferBytes));
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uintptr_t>(f.buffers);
  registration.ring_entries = kBuffers;
  registration.bgid = kGroup;
  if (io_uring_register_buf_ring(&f.ring, &registration, 0) != 0) Die("buffer ring");
  io_uring_buf_ring_init(f.buffers);
  for (unsigned i = 0; i < kBuffers; ++i) {
    io_uring_buf_ring_add(f.buffers, f.memory + size_t{i} * kBufferBytes, kBufferBytes,
                          static_cast<uint16_t>(i), io_uring_buf_ring_mask(kBuffers),
                          static_cast<int>(i));
  }
  io_uring_buf_ring_advance(f.buffers, static_cast<int>(kBuffers));
}

void Dispatch(Floor& f, const io_uring_cqe& cqe) {
  const auto index = static_cast<uint32_t>(cqe.user_data >> 8);
  switch (static_cast<Op>(cqe.user_data & 0xFF)) {
    case kAccept:
      return Accepted(f, cqe);
    case kReceive:
      return Received(f, index, cqe);
    case kSend:
      return Sent(f, index);
    case kWrite:
      return Written(f, cqe);
    case kClose:
      return;
  }
}

double CpuMicros() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

void Report(const Floor& f, double micros_at_start) {
  const double micros = CpuMicros() - micros_at_start;
  printf("messages %llu  batches %llu  cpu_us %.0f  cpu_us_per_message %.2f\n",
         static_cast<unsigned long long>(f.messages), static_cast<unsigned long long>(f.batches),
         micros, f.messages == 0 ? 0.0 : micros / static_cast<double>(f.messages));
}

}  // namespace

int main(int argc, char** argv) {
  const char* address = nullptr;
  const char* path = nullptr;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--listen") == 0) address = argv[i + 1];
    if (strcmp(argv[i], "--file") == 0) path = argv[i + 1];
  }
  if (address == nullptr || path == nullptr) {
    fprintf(stderr, "usage: smtp_floor --listen ADDRESS:PORT --file FILE\n");
    return 2;
  }
  Floor f;
  OpenRing(f);
  OpenFile(f, path);
  OpenSocket(f, address);
  struct sigaction action {};
  action.sa_handler = &Stop;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  ArmAccept(f);
  const double start = CpuMicros();
  while (stopped == 0) {
    StartWrite(f);
    // A submission that closed a socket must return before it sleeps; a short wait does.
    io_uring_cqe* cqe = nullptr;
    __kernel_timespec pause{0, 50'000'000};
    io_uring_submit_and_wait_timeout(&f.ring, &cqe, 1, &pause, nullptr);
    unsigned head;
    unsigned count = 0;
    io_uring_for_each_cqe(&f.ring, head, cqe) {
      const io_uring_cqe copy = *cqe;
      ++count;
      Dispatch(f, copy);
    }
    io_uring_cq_advance(&f.ring, count);
  }
  Report(f, start);
  return 0;
}
