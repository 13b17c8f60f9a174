// Line ends: files of Unix have LF, messages have CRLF (RFC 5322 §2.1).
//
// Promise: the same however the octets are cut. What has CRLF throughout comes back as it was after
//   ToCrlf, or ToLf and ToCrlf; a CR without LF is kept.
// Shard: pure.
#pragma once

#include <string>
#include <string_view>

namespace ringmail::foreign {

// LF without CR gets one.
class ToCrlf {
 public:
  void Feed(std::string_view octets, std::string& out);

 private:
  bool after_cr_ = false;
};

// CRLF becomes LF.
class ToLf {
 public:
  void Feed(std::string_view octets, std::string& out);
  // The last octet may be a CR.
  void Finish(std::string& out);

 private:
  bool held_cr_ = false;
};

}  // namespace ringmail::foreign
