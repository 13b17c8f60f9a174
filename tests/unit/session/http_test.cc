#include "ringmail/session/http.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/io/still_io.h"

namespace ringmail::session {
namespace {

using io::Connection;
using io::Happening;
using io::Stream;

struct Requests {
  Stream* stream;
  std::vector<HttpRequest> seen;
  HttpStatus status = HttpStatus::kOk;
  HttpLimits limits;
  bool streamed = false;  // bodies come in pieces
  size_t pieces = 0;
};

io::Task<void> ServeAll(Requests* requests) {
  HttpServerConnection connection(*requests->stream, requests->limits);
  do {
    HttpRequest request;
    requests->status = requests->streamed ? co_await connection.ReadRequestHead(request, kNever)
                                          : co_await connection.ReadRequest(request, kNever);
    while (requests->status == HttpStatus::kOk && connection.body_left() > 0) {
      std::string piece;
      requests->status = co_await connection.ReadBody(piece, kNever);
      request.body += piece;
      ++requests->pieces;
    }
    if (requests->status == HttpStatus::kEnd) break;
    if (requests->status == HttpStatus::kRefused) {
      connection.Respond(request.refusal, "", "");
      requests->seen.push_back(std::move(request));
      break;
    }
    if (requests->status != HttpStatus::kOk) break;
    if (request.target == "/long") {
      connection.BeginChunked(200, "text/plain");
      EXPECT_EQ(co_await connection.SendChunk("twelve bytes", kNever), io::StreamStatus::kOk);
      EXPECT_EQ(co_await connection.SendChunk("!", kNever), io::StreamStatus::kOk);
      connection.EndChunked();
    } else {
      connection.Respond(200, "text/plain", "hello");
    }
    requests->seen.push_back(std::move(request));
  } while (connection.keep_alive());
  co_await requests->stream->Close(kNever);
}

std::string Output(const Connection& connection) {
  std::string all;
  for (const std::string& turn : connection.turns) all += turn;
  return all;
}

std::string Serve(std::vector<Happening> script, Requests& requests) {
  Connection connection(std::move(script));
  Stream stream(&connection);
  requests.stream = &stream;
  io::RunStill(ServeAll(&requests));
  return Output(connection);
}

uint16_t Refusal(const std::string& bytes, HttpLimits limits = {}) {
  Requests requests{.limits = limits};
  Serve({{.bytes = bytes}}, requests);
  if (requests.status != HttpStatus::kRefused) return 0;
  return requests.seen.back().refusal;
}

TEST(HttpServerTest, ReadsRequestsHoweverTheyArriveAndKeepsTheConnection) {
  const std::string bytes =
      "GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Thing:  one \r\n\r\n"
      "POST /b HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n12345";
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    Requests requests;
    const std::string out =
        Serve({{.bytes = bytes.substr(0, cut)}, {.bytes = bytes.substr(cut)}}, requests);
    ASSERT_EQ(requests.seen.size(), 2u) << "cut at " << cut;
    EXPECT_EQ(requests.seen[0].method, "GET");
    EXPECT_EQ(requests.seen[0].target, "/a?b=c");
    EXPECT_EQ(*requests.seen[0].Find("x-thing"), "one");
    EXPECT_EQ(requests.seen[1].body, "12345");
    EXPECT_EQ(requests.status, HttpStatus::kEnd);
    const std::string answer =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    EXPECT_EQ(out, answer + answer);
  }
}

TEST(HttpServerTest, ClosesWhereTheClientAsksOrSpeaksTheOldVersion) {
  for (const char* bytes :
       {"GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n"}) {
    Requests requests;
    const std::string out = Serve({{.bytes = bytes}}, requests);
    EXPECT_EQ(requests.seen.size(), 1u);
    EXPECT_NE(out.find("Connection: close\r\n"), std::string::npos);
  }
}

TEST(HttpServerTest, StreamsALongAnswerInChunksAndWithoutThemToAnOldClient) {
  Requests modern;
  const std::string chunked = Serve({{.bytes = "GET /long HTTP/1.1\r\nHost: x\r\n\r\n"}}, modern);
  EXPECT_TRUE(chunked.ends_with(
      "Transfer-Encoding: chunked\r\n\r\nc\r\ntwelve bytes\r\n1\r\n!\r\n0\r\n\r\n"));
  Requests old;
  const std::string plain = Serve({{.bytes = "GET /long HTTP/1.0\r\n\r\n"}}, old);
  EXPECT_TRUE(plain.ends_with("Connection: close\r\n\r\ntwelve bytes!"));
}

TEST(HttpServerTest, AnswersHeadWithoutABody) {
  Requests requests;
  const std::string out = Serve({{.bytes = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"}}, requests);
  EXPECT_TRUE(out.ends_with("Content-Length: 5\r\n\r\n"));
}

TEST(HttpServerTest, InvitesABodyThatWaitsToBeInvited) {
  Requests requests;
  const std::string out = Serve(
      {{.bytes = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"},
       {.bytes = "ok"}},
      requests);
  EXPECT_TRUE(out.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(requests.seen.at(0).body, "ok");
}

TEST(HttpServerTest, RefusesWhatTwoReadersCouldReadInTwoWays) {
  const std::string start = "POST / HTTP/1.1\r\nHost: x\r\n";
  EXPECT_EQ(Refusal(start + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 400);
  EXPECT_EQ(Refusal(start + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(Refusal(start + "Content-Length: +1\r\n\r\na"), 400);
  EXPECT_EQ(Refusal(start + "Content-Length: 0x1\r\n\r\na"), 400);
  EXPECT_EQ(Refusal(start + "Content-Length:\r\n\r\na"), 400);
  EXPECT_EQ(Refusal(start + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 501);
  EXPECT_EQ(Refusal(start + "Name : value\r\n\r\n"), 400);
  EXPECT_EQ(Refusal(start + "Name: a\r\n folded\r\n\r\n"), 400);
  EXPECT_EQ(Refusal(start + "Name: a\nHidden: b\r\n\r\n"), 400);
  EXPECT_EQ(Refusal("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(Refusal("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(Refusal("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(Refusal("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(Refusal("EHLO example.org\r\n\r\n"), 400);
}

TEST(HttpServerTest, HoldsARequestToEachLimitAndNotToOneLess) {
  const HttpLimits limits{
      .line_bytes_max = 40, .head_bytes_max = 100, .fields_max = 3, .body_bytes_max = 4};
  const std::string start = "POST / HTTP/1.1\r\nHost: x\r\n";
  EXPECT_EQ(Refusal(start + "Content-Length: 4\r\n\r\n1234", limits), 0);
  EXPECT_EQ(Refusal(start + "Content-Length: 5\r\n\r\n12345", limits), 413);
  EXPECT_EQ(Refusal(start + "Content-Length: 99999999999999999999999\r\n\r\n", limits), 413);
  EXPECT_EQ(Refusal(start + "A: " + std::string(37, 'a') + "\r\n\r\n", limits), 0);
  EXPECT_EQ(Refusal(start + "A: " + std::string(38, 'a') + "\r\n\r\n", limits), 431);
  EXPECT_EQ(Refusal(start + "A: b\r\nC: d\r\n\r\n", limits), 0);
  EXPECT_EQ(Refusal(start + "A: b\r\nC: d\r\nE: f\r\n\r\n", limits), 431);
  const std::string wide = "A: " + std::string(32, 'a') + "\r\n";  // 37 octets; the start has 26
  EXPECT_EQ(Refusal(start + wide + "B: " + std::string(30, 'b') + "\r\n\r\n", limits), 0);
  EXPECT_EQ(Refusal(start + wide + "B: " + std::string(31, 'b') + "\r\n\r\n", limits), 431);
}

TEST(HttpServerTest, ABodyThatIsStreamedComesInPiecesAndHasNoLimit) {
  Requests requests{.limits = {.body_bytes_max = 4}, .streamed = true};
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n";
  Serve({{.bytes = head + "\r\nabc"},
         {.bytes = "defghi" + head + "Expect: 100-continue\r\n\r\n"},
         {.bytes = "123456789"}},
        requests);
  EXPECT_EQ(requests.status, HttpStatus::kEnd);
  ASSERT_EQ(requests.seen.size(), 2u);
  EXPECT_EQ(requests.seen[0].body, "abcdefghi");
  EXPECT_EQ(requests.seen[1].body, "123456789");
  EXPECT_EQ(requests.pieces, 3u);
}

TEST(HttpServerTest, TellsAConnectionThatEndsWithinARequestFromOneThatEndsBetween) {
  Requests between, within, body;
  Serve({}, between);
  EXPECT_EQ(between.status, HttpStatus::kEnd);
  Serve({{.bytes = "GET / HTTP/1.1\r\n"}}, within);
  EXPECT_EQ(within.status, HttpStatus::kFailed);
  Serve({{.bytes = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"}}, body);
  EXPECT_EQ(body.status, HttpStatus::kFailed);
}

struct Answer {
  Stream* stream;
  HttpResponse response;
  HttpStatus head = HttpStatus::kOk, body_status = HttpStatus::kOk;
  std::string body;
  bool keep_alive = false;
};

io::Task<void> Ask(Answer* answer) {
  HttpClientConnection connection(*answer->stream);
  connection.WriteRequest("GET", "/", "x");
  answer->head = co_await connection.ReadResponse(answer->response, kNever);
  while (answer->head == HttpStatus::kOk) {
    std::string piece;
    answer->body_status = co_await connection.ReadBody(piece, kNever);
    if (answer->body_status != HttpStatus::kOk || piece.empty()) break;
    answer->body += piece;
  }
  answer->keep_alive = connection.keep_alive();
}

Answer AskFor(const std::string& bytes, size_t cut) {
  Connection connection({{.bytes = bytes.substr(0, cut)}, {.bytes = bytes.substr(cut)}});
  if (cut == bytes.size()) connection.script.pop_back();
  Stream stream(&connection);
  Answer answer{.stream = &stream};
  io::RunStill(Ask(&answer));
  return answer;
}

TEST(HttpClientTest, ReadsEveryFramingHoweverItArrives) {
  const std::string by_length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  const std::string chunked =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: t\r\n\r\n";
  const std::string until_end = "HTTP/1.0 200 OK\r\n\r\nhello";
  for (const std::string& bytes : {by_length, chunked, until_end}) {
    for (size_t cut = 1; cut <= bytes.size(); ++cut) {
      const Answer answer = AskFor(bytes, cut);
      EXPECT_EQ(answer.head, HttpStatus::kOk);
      EXPECT_EQ(answer.body_status, HttpStatus::kOk);
      EXPECT_EQ(answer.response.code, 200);
      EXPECT_EQ(answer.body, "hello") << bytes << " cut at " << cut;
      EXPECT_EQ(answer.keep_alive, &bytes != &until_end && bytes != until_end);
    }
  }
}

TEST(HttpClientTest, RefusesAnAnswerThatIsCutShortOrNotHttp) {
  const auto whole = [](const std::string& bytes) { return AskFor(bytes, bytes.size()); };
  EXPECT_EQ(whole("220 mx.example.org ESMTP\r\n\r\n").head, HttpStatus::kRefused);
  EXPECT_EQ(whole("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").body_status,
            HttpStatus::kFailed);
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(whole(chunked + "5\r\nhel").body_status, HttpStatus::kFailed);
  EXPECT_EQ(whole(chunked + "-5\r\nhello\r\n").body_status, HttpStatus::kRefused);
  EXPECT_EQ(whole(chunked + "11111111111111111\r\nhello\r\n").body_status, HttpStatus::kRefused);
  EXPECT_EQ(whole(chunked + "2\r\nhello\r\n").body_status, HttpStatus::kRefused);
}

TEST(HttpTargetTest, SplitsAndDecodesQueries) {
  const HttpTarget target = SplitTarget("/v1/queue?after=1&domain=a%2eb+c&held=true&bad=%2");
  EXPECT_EQ(target.path, "/v1/queue");
  std::string value;
  EXPECT_TRUE(QueryValue(target.query, "domain", value));
  EXPECT_EQ(value, "a.b c");
  EXPECT_FALSE(QueryValue(target.query, "bad", value));
  EXPECT_FALSE(QueryValue(target.query, "missing", value));
}

}  // namespace
}  // namespace ringmail::session
