// Streams that two programs might cut into requests in two ways: one behind
// the other, they would let a client smuggle a request past the first. Each is
// read in the one way of RFC 9112, or refused; however it comes in pieces.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cc/frontend/http/stream_reader.h"
#include "gtest/gtest.h"

namespace http {
namespace {

std::string Read(const std::vector<absl::string_view>& pieces) {
  StreamReader reader;
  for (const absl::string_view piece : pieces) reader.Receive(piece);
  return reader.Result();
}

struct Case {
  const char* name;
  std::string stream;
  std::string want;
};

// A request with these lines in its head, and what follows it.
std::string Post(absl::string_view lines, absl::string_view rest) {
  return absl::StrCat("POST /a HTTP/1.1\r\nHost: h\r\n", lines, "\r\n", rest);
}
std::string Chunked(absl::string_view rest) {
  return Post("Transfer-Encoding: chunked\r\n", rest);
}
// What an attacker would have a second program take for a request.
const char kHidden[] = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";  // 33 bytes

std::vector<Case> Cases() {
  const std::string hidden = kHidden;
  const std::string zero = "0\r\n\r\n";
  const std::string hello = "5\r\nhello\r\n0\r\n\r\n";
  const std::string nul(1, '\0');
  return {
      // What is right is read, to its end and no further.
      {"no body", Post("", hidden), "POST /a [] GET /hidden [] "},
      {"a length", Post("Content-Length: 5\r\n", "hello" + hidden),
       "POST /a [hello] GET /hidden [] "},
      {"a length of what looks like a request",
       Post("Content-Length: 33\r\n", hidden + hidden),
       "POST /a [" + hidden + "] GET /hidden [] "},
      {"chunks", Chunked(hello + hidden), "POST /a [hello] GET /hidden [] "},
      {"chunks of what looks like a request",
       Chunked("21\r\n" + hidden + "\r\n0\r\n\r\n" + hidden),
       "POST /a [" + hidden + "] GET /hidden [] "},
      {"leading zeros of a length",
       Post("Content-Length: 0005\r\n", "hello" + hidden),
       "POST /a [hello] GET /hidden [] "},
      {"leading zeros of a chunk",
       Chunked("0000000000000000000005\r\nhello\r\n000\r\n\r\n" + hidden),
       "POST /a [hello] GET /hidden [] "},
      {"tabs and spaces around a value",
       Post("Content-Length:\t 5 \t\r\n", "hello" + hidden),
       "POST /a [hello] GET /hidden [] "},
      {"empty lines between requests", Post("", "") + "\r\n\r\n" + hidden,
       "POST /a [] GET /hidden [] "},
      {"a length of nothing before a request",
       Post("Content-Length: 0\r\n", hidden), "POST /a [] GET /hidden [] "},
      {"a body of GET",
       "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 33\r\n\r\n" + hidden,
       "GET /a [" + hidden + "] "},

      // Content-Length and Transfer-Encoding
      {"CL.TE",
       Post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", zero + "G"),
       "400"},
      {"TE.CL",
       Post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            "5c\r\n" + hidden),
       "400"},
      {"CL.TE, of no length",
       Post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            zero + hidden),
       "400"},
      {"CL.TE in other cases",
       Post("content-length: 6\r\ntRANSFER-eNCODING: ChUnKeD\r\n", zero),
       "400"},
      {"CL+CL, equal",
       Post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), "400"},
      {"CL+CL, different",
       Post("Content-Length: 0\r\nContent-Length: 33\r\n", hidden), "400"},
      {"CL list", Post("Content-Length: 5, 5\r\n", "hello"), "400"},
      {"CL list, different", Post("Content-Length: 0,33\r\n", hidden), "400"},
      {"CL with a sign", Post("Content-Length: +33\r\n", hidden), "400"},
      {"CL negative", Post("Content-Length: -1\r\n", hidden), "400"},
      {"CL in hex", Post("Content-Length: 0x21\r\n", hidden), "400"},
      {"CL with a fraction", Post("Content-Length: 5.0\r\n", "hello"), "400"},
      {"CL with an exponent", Post("Content-Length: 1e1\r\n", "hello"), "400"},
      {"CL with an underscore", Post("Content-Length: 3_3\r\n", hidden), "400"},
      {"CL with a space inside", Post("Content-Length: 3 3\r\n", hidden),
       "400"},
      {"CL empty", Post("Content-Length:\r\n", hidden), "400"},
      {"CL quoted", Post("Content-Length: \"5\"\r\n", "hello"), "400"},
      {"CL beyond 64 bits",
       Post("Content-Length: 18446744073709551621\r\n", "hello"), "400"},
      {"CL too large", Post("Content-Length: 1048577\r\n", "hello"), "413"},
      {"CL before a space", Post("Content-Length : 33\r\n", hidden), "400"},
      {"CL behind a space", Post(" Content-Length: 33\r\n", hidden), "400"},
      {"CL behind a tab", Post("\tContent-Length: 33\r\n", hidden), "400"},
      {"CL with VT",
       Post("Content-Length: \x0b"
            "33\r\n",
            hidden),
       "400"},
      {"CL with FF",
       Post("Content-Length: \x0c"
            "33\r\n",
            hidden),
       "400"},
      {"CL with CR", Post("Content-Length: 33\r\r\n", hidden), "400"},
      {"CL with NUL", Post("Content-Length: 33" + nul + "\r\n", hidden), "400"},
      {"CL with NBSP",
       Post("Content-Length: \xa0"
            "33\r\n",
            hidden),
       "400"},
      {"CL of another name", Post("Content_Length: 33\r\n", hidden),
       "POST /a [] GET /hidden [] "},
      {"CL in a name", Post("Content-Length\x0b: 33\r\n", hidden), "400"},

      // Transfer-Encoding in disguise
      {"TE.TE",
       Post("Transfer-Encoding: chunked\r\n"
            "Transfer-Encoding: identity\r\n",
            hello),
       "400"},
      {"TE.TE, equal",
       Post("Transfer-Encoding: chunked\r\n"
            "Transfer-Encoding: chunked\r\n",
            hello),
       "400"},
      {"TE.TE, cow",
       Post("Transfer-Encoding: chunked\r\n"
            "Transfer-encoding: cow\r\n",
            hello),
       "400"},
      {"TE xchunked", Post("Transfer-Encoding: xchunked\r\n", hello), "400"},
      {"TE identity", Post("Transfer-Encoding: identity\r\n", hello), "400"},
      {"TE chunked twice",
       Post("Transfer-Encoding: chunked, chunked\r\n", hello), "501"},
      {"TE chunked, then identity",
       Post("Transfer-Encoding: chunked, identity\r\n", hello), "400"},
      {"TE gzip", Post("Transfer-Encoding: gzip\r\n", hello), "400"},
      {"TE gzip, chunked", Post("Transfer-Encoding: gzip, chunked\r\n", hello),
       "501"},
      {"TE with a comma", Post("Transfer-Encoding: chunked,\r\n", hello),
       "400"},
      {"TE empty", Post("Transfer-Encoding:\r\n", hello), "400"},
      {"TE with a parameter", Post("Transfer-Encoding: chunked;q=1\r\n", hello),
       "400"},
      {"TE quoted", Post("Transfer-Encoding: \"chunked\"\r\n", hello), "400"},
      {"TE with VT before",
       Post("Transfer-Encoding: \x0b"
            "chunked\r\n",
            hello),
       "400"},
      {"TE with VT behind", Post("Transfer-Encoding: chunked\x0b\r\n", hello),
       "400"},
      {"TE with FF",
       Post("Transfer-Encoding: \x0c"
            "chunked\r\n",
            hello),
       "400"},
      {"TE with CR behind", Post("Transfer-Encoding: chunked\r\r\n", hello),
       "400"},
      {"TE with LF before", Post("Transfer-Encoding: \n chunked\r\n", hello),
       "400"},
      {"TE with NUL", Post("Transfer-Encoding: chunked" + nul + "\r\n", hello),
       "400"},
      {"TE folded", Post("Transfer-Encoding:\r\n chunked\r\n", hello), "400"},
      {"TE folded behind another",
       Post("X: y\r\n Transfer-Encoding: chunked\r\n", hello), "400"},
      {"TE before a space", Post("Transfer-Encoding : chunked\r\n", hello),
       "400"},
      {"TE behind LF", Post("X: y\nTransfer-Encoding: chunked\r\n", hello),
       "400"},
      {"TE behind CR", Post("X: y\rTransfer-Encoding: chunked\r\n", hello),
       "400"},
      {"TE without a colon", Post("Transfer-Encoding chunked\r\n", hello),
       "400"},
      {"TE in HTTP/1.0",
       "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"
       "\r\n" +
           hello,
       "400"},
      {"TE of another name", Post("Transfer_Encoding: chunked\r\n", hidden),
       "POST /a [] GET /hidden [] "},

      // Ends of lines
      {"head that ends with LF", Post("X: y\n", hidden), "400"},
      {"head with LF LF", "POST /a HTTP/1.1\r\nHost: h\n\n" + hidden, "400"},
      {"head with LF CR LF",
       Post("Foo: bar\n\r\nContent-Length: 33\r\n", hidden), "400"},
      {"request line with LF", "POST /a HTTP/1.1\nHost: h\r\n\r\n" + hidden,
       "400"},
      {"request line with CR", "POST /a HTTP/1.1\rX\r\nHost: h\r\n\r\n", "400"},
      {"LF before a request", "\n" + hidden, "400"},
      {"CR before a request", "\r" + hidden, "400"},
      {"CR CR LF before a request", "\r\r\n" + hidden, "400"},
      {"space before a request", " " + hidden, "400"},

      // Chunks
      {"chunk with LF", Chunked("5\nhello\r\n0\r\n\r\n"), "400"},
      {"chunk with CR CR LF", Chunked("5\r\r\nhello\r\n0\r\n\r\n"), "400"},
      {"chunk with VT", Chunked("5\x0b\r\nhello\r\n0\r\n\r\n"), "400"},
      {"chunk with FF", Chunked("5\x0c\r\nhello\r\n0\r\n\r\n"), "400"},
      {"chunk with a space behind", Chunked("5 \r\nhello\r\n0\r\n\r\n"), "400"},
      {"chunk with a space before", Chunked(" 5\r\nhello\r\n0\r\n\r\n"), "400"},
      {"chunk with 0x", Chunked("0x5\r\nhello\r\n0\r\n\r\n"), "400"},
      {"chunk with a sign", Chunked("+5\r\nhello\r\n0\r\n\r\n"), "400"},
      {"chunk negative", Chunked("-1\r\n" + hidden), "400"},
      {"chunk without a size", Chunked("\r\nhello\r\n0\r\n\r\n"), "400"},
      {"chunk with a size and text", Chunked("5g\r\nhello\r\n0\r\n\r\n"),
       "400"},
      {"chunk beyond 64 bits",
       Chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"), "400"},
      {"chunk too large", Chunked("100001\r\nhello"), "413"},
      {"chunk longer than its size", Chunked("5\r\nhelloX\r\n0\r\n\r\n"),
       "400"},
      {"chunk shorter than its size", Chunked("6\r\nhello\r\n0\r\n\r\n"),
       "400"},
      {"chunk that ends with LF", Chunked("5\r\nhello\n0\r\n\r\n"), "400"},
      {"chunk that ends with CR", Chunked("5\r\nhello\r0\r\n\r\n"), "400"},
      {"chunk that ends with two letters", Chunked("5\r\nhelloXX0\r\n\r\n"),
       "400"},
      {"last chunk with LF", Chunked("0\n\n" + hidden), "400"},
      {"last chunk, then LF", Chunked("0\r\n\n" + hidden), "400"},
      {"last chunk without its empty line", Chunked("0\r\n" + hidden), "400"},

      // Extensions of chunks
      {"extension", Chunked("5;a=b;c=\"d;e\";f\r\nhello\r\n0;x\r\n\r\n"),
       "POST /a [hello] "},
      {"extension with spaces", Chunked("5 ; a = b\r\nhello\r\n0\r\n\r\n"),
       "POST /a [hello] "},
      {"extension with LF", Chunked("5;a\nhello\r\n0\r\n\r\n"), "400"},
      {"extension with LF in quotes",
       Chunked("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"), "400"},
      {"extension with CR LF in quotes",
       Chunked("5;a=\"\r\nhello\r\n0\r\n\r\n"), "400"},
      {"extension with CR", Chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), "400"},
      {"extension with NUL", Chunked("5;a" + nul + "\r\nhello\r\n0\r\n\r\n"),
       "400"},
      {"extension with VT",
       Chunked("5;\x0b"
               "a\r\nhello\r\n0\r\n\r\n"),
       "400"},
      {"extension without a name", Chunked("5;\r\nhello\r\n0\r\n\r\n"), "400"},
      {"extension without a value", Chunked("5;a=\r\nhello\r\n0\r\n\r\n"),
       "400"},
      {"extension with an open quote", Chunked("5;a=\"b\r\nhello\r\n0\r\n\r\n"),
       "400"},
      {"extension that escapes its quote",
       Chunked("5;a=\"b\\\"\r\nhello\r\n0\r\n\r\n"), "400"},
      {"extension without end", Chunked("5;" + std::string(2000, 'a')), "400"},

      // Trailers
      {"trailer", Chunked("0\r\nX: y\r\nZ:\r\n\r\n" + hidden),
       "POST /a [] GET /hidden [] "},
      {"trailer without a colon", Chunked("0\r\nX\r\n\r\n"), "400"},
      {"trailer that is a request", Chunked("0\r\nGET / HTTP/1.1\r\n\r\n"),
       "400"},
      {"trailer with LF", Chunked("0\r\nX: y\n\r\n" + hidden), "400"},
      {"trailer with CR", Chunked("0\r\nX: y\rZ\r\n\r\n"), "400"},
      {"trailer with NUL", Chunked("0\r\nX: " + nul + "\r\n\r\n"), "400"},
      {"trailer folded", Chunked("0\r\nX: y\r\n z\r\n\r\n"), "400"},
      {"trailer with a length",
       Chunked("0\r\nContent-Length: 33\r\n\r\n" + hidden), "400"},
      {"trailer with an encoding",
       Chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n" + hello), "400"},
      {"trailers without end",
       Chunked("0\r\n" +
               [] {
                 std::string lines;
                 for (int i = 0; i < 3000; ++i) lines += "X: yyyy\r\n";
                 return lines;
               }()),
       "400"},

      // Headers that say who is meant, or what a body is
      {"no Host", "GET / HTTP/1.1\r\n\r\n", "400"},
      {"two Hosts", Post("Host: i\r\n", ""), "400"},
      {"Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
      {"Host list", "GET / HTTP/1.1\r\nHost: a,b/c\r\n\r\n", "400"},
      {"Host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "400"},
      {"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
      {"Host with a bad port", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", "400"},
      {"Content-Type twice",
       Post("Content-Type: a/b\r\nContent-Type: c/d\r\n", ""), "400"},
      {"a handler's header twice",
       Post("Inference-Header-Content-Length: 1\r\n"
            "inference-header-content-length: 2\r\n",
            ""),
       "400"},
      {"another header twice", Post("X: 1\r\nX: 2\r\n", ""), "POST /a [] "},
      {"no name", Post(": x\r\n", ""), "400"},
      {"name with a bracket", Post("A(: x\r\n", ""), "400"},
      {"name beyond ASCII", Post("\xc3\xa9: x\r\n", ""), "400"},

      // Request lines
      {"HTTP/0.9", "GET /\r\n\r\n", "400"},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
      {"HTTP/1.2 is served as 1.1",
       "POST / HTTP/1.2\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
           hello,
       "POST / [hello] "},
      {"version with more digits", "GET / HTTP/1.10\r\nHost: h\r\n\r\n", "400"},
      {"version in lower case", "GET / http/1.1\r\nHost: h\r\n\r\n", "400"},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"a tab", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"a space behind", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", "400"},
      {"a request in the target",
       "GET / HTTP/1.1 /x HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"an unknown method", "HELLO / HTTP/1.1\r\nHost: h\r\n\r\n", "501"},
      {"a method in lower case", "get / HTTP/1.1\r\nHost: h\r\n\r\n", "501"},
      {"CONNECT", "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n" + hidden, "501"},
      {"fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"NUL in the target", "GET /" + nul + " HTTP/1.1\r\nHost: h\r\n\r\n",
       "400"},
      {"bad percent-encoding", "GET /%4 HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"absolute target", "GET http://i:1/hidden?x HTTP/1.1\r\nHost: h\r\n\r\n",
       "GET /hidden?x [] "},
      {"absolute target without a host",
       "GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"absolute target with a user",
       "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"absolute target without Host", "GET http://h/ HTTP/1.1\r\n\r\n", "400"},
      {"a star for GET", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"a star for OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
       "OPTIONS * [] "},
      {"not complete", "GET / HTTP/1.1\r\nHost: h\r\n", "..."},
      {"body not complete", Post("Content-Length: 6\r\n", "hello"), "..."},
      {"chunks not complete", Chunked("5\r\nhello\r\n0\r\n"), "..."},
  };
}

TEST(Smuggling, EachStreamIsReadInOneWayOrRefused) {
  for (const Case& c : Cases()) {
    EXPECT_EQ(Read({c.stream}), c.want) << c.name;
  }
}

TEST(Smuggling, TheWayDoesNotDependOnPieces) {
  for (const Case& c : Cases()) {
    const absl::string_view stream = c.stream;
    std::vector<absl::string_view> bytes;
    for (size_t i = 0; i < stream.size(); ++i) {
      bytes.push_back(stream.substr(i, 1));
    }
    EXPECT_EQ(Read(bytes), c.want) << c.name << ", byte by byte";
    // A stream that is long is so by repetition.
    for (size_t at = 1; at < std::min<size_t>(stream.size(), 500); ++at) {
      ASSERT_EQ(Read({stream.substr(0, at), stream.substr(at)}), c.want)
          << c.name << ", cut at " << at;
    }
  }
}

TEST(Smuggling, TheCorpusIsLarge) { EXPECT_GE(Cases().size(), 150u); }

}  // namespace
}  // namespace http
