#include "cc/base/trace_context.h"

#include <initializer_list>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/caller.h"
#include "gtest/gtest.h"

namespace base {
namespace {

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpan[] = "00f067aa0ba902b7";
constexpr char kHeader[] =
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

std::string Header(absl::string_view version, absl::string_view trace = kTrace,
                   absl::string_view span = kSpan,
                   absl::string_view flags = "01") {
  return absl::StrCat(version, "-", trace, "-", span, "-", flags);
}

TEST(TraceParent, IsRead) {
  const auto parent = ParseTraceParent(kHeader);
  ASSERT_TRUE(parent.has_value());
  EXPECT_EQ(parent->trace.Hex(), kTrace);
  EXPECT_EQ(HexOf(parent->span), kSpan);
  EXPECT_TRUE(parent->sampled());
  EXPECT_FALSE(ParseTraceParent(Header("00", kTrace, kSpan, "00"))->sampled());
  // Other flags mean nothing in level 1, and are no error.
  EXPECT_FALSE(ParseTraceParent(Header("00", kTrace, kSpan, "fe"))->sampled());
  EXPECT_TRUE(ParseTraceParent(Header("00", kTrace, kSpan, "03"))->sampled());
}

TEST(TraceParent, OfALaterVersionMayBeLonger) {
  EXPECT_TRUE(ParseTraceParent(Header("01")).has_value());
  EXPECT_TRUE(
      ParseTraceParent(Header("cc") + "-what-the-future-is").has_value());
  EXPECT_TRUE(ParseTraceParent(Header("fe") + "-").has_value());
  EXPECT_FALSE(ParseTraceParent(Header("cc") + ".what").has_value());
  EXPECT_FALSE(ParseTraceParent(Header("00") + "-what").has_value());
}

TEST(TraceParent, ThatIsNotValidIsNone) {
  const std::string zeroes(32, '0');
  for (const std::string& header : {
           std::string(),
           std::string("00"),
           Header("ff"),
           Header("0"),
           Header("0g"),
           Header("0F"),
           Header("00", zeroes),
           Header("00", kTrace, zeroes.substr(16)),
           Header("00", "4BF92F3577B34DA6A3CE929D0E0E4736"),
           Header("00", kTrace, "00F067AA0BA902B7"),
           Header("00", kTrace, kSpan, "0G"),
           Header("00", kTrace, kSpan, "1"),
           Header("00", absl::StrCat(kTrace, "0")),
           Header("00", std::string(kTrace).substr(1)),
           Header("00", std::string(31, '1') + "."),
           std::string(kHeader) + " ",
           " " + std::string(kHeader),
           std::string(55, '-'),
           std::string(kHeader).replace(35, 1, "_"),
       }) {
    EXPECT_FALSE(ParseTraceParent(header).has_value()) << header;
  }
}

TEST(TraceState, IsReadByItsGrammar) {
  std::string most = "a0=1";
  for (int i = 1; i < 32; ++i) absl::StrAppend(&most, ",a", i, "=1");
  for (const std::string& header : {
           std::string("congo=t61rcWkgMzE"),
           std::string("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
           std::string("a=1 , b=2\t,,c= x y"),
           std::string("fw529a3039@dt=FfffffFF"),
           std::string("0tenant@system=1"),
           "a=" + std::string(256, '~'),
           most,
       }) {
    EXPECT_TRUE(IsTraceState(header)) << header;
  }
  for (const std::string& header : {
           std::string(),
           std::string(" , "),
           std::string("a"),
           std::string("a="),
           std::string("=1"),
           std::string("A=1"),
           std::string("0a=1"),
           std::string("a=1,a=2"),
           std::string("a=1=2"),
           std::string("a=\x7f"),
           std::string("a@=1"),
           std::string("@b=1"),
           std::string("a@b@c=1"),
           std::string("-a@b=1"),
           "a=" + std::string(257, 'x'),
           std::string(300, 'a') + "=1",
           most + ",z=1",
           "a=" + std::string(250, 'x') + ",b=" + std::string(250, 'x') +
               ",c=" + std::string(20, 'x'),
       }) {
    EXPECT_FALSE(IsTraceState(header)) << header;
  }
}

Caller With(
    std::initializer_list<std::pair<const char*, std::string>> headers) {
  Caller caller;
  for (const auto& [name, value] : headers) caller.OnHeader(name, value);
  return caller;
}

TEST(Caller, IsReadOfHeadersInAnyOrderAndCase) {
  const Caller caller = With({{"TraceState", "a=1"},
                              {"Host", "x"},
                              {"X-Request-ID", "first"},
                              {"Traceparent", kHeader},
                              {"tracestate", "b=2"},
                              {"x-request-id", "second"}});
  EXPECT_EQ(caller.Trace().trace.Hex(), kTrace);
  EXPECT_EQ(caller.Trace().state, "a=1,b=2");
  EXPECT_EQ(caller.request_id(), "first");
}

TEST(Caller, HasNoTraceWhereTheHeadersAreNotValid) {
  EXPECT_FALSE(With({}).Trace().valid());
  EXPECT_FALSE(
      With({{"traceparent", "00"}, {"tracestate", "a=1"}}).Trace().valid());
  EXPECT_EQ(With({{"traceparent", "00"}, {"tracestate", "a=1"}}).Trace().state,
            "");
  EXPECT_FALSE(With({{"traceparent", kHeader}, {"traceparent", kHeader}})
                   .Trace()
                   .valid());
  const TraceParent parent =
      With({{"traceparent", kHeader}, {"tracestate", "A"}}).Trace();
  EXPECT_TRUE(parent.valid());
  EXPECT_EQ(parent.state, "");
}

TEST(Caller, KeepsLittleOfMuch) {
  const Caller caller = With({{"traceparent", kHeader},
                              {"tracestate", std::string(10'000, 'a')},
                              {"tracestate", std::string(10'000, 'b')},
                              {"x-request-id", std::string(10'000, 'c')}});
  EXPECT_EQ(caller.Trace().state, "");
  EXPECT_EQ(caller.request_id(), std::string(200, 'c'));
}

TEST(TraceContext, ContinuesATraceOrBeginsOne) {
  const TraceContext child = TraceContext::Of(*ParseTraceParent(kHeader));
  EXPECT_EQ(child.trace.Hex(), kTrace);
  EXPECT_EQ(HexOf(child.parent.span), kSpan);
  EXPECT_NE(child.span, 0u);
  EXPECT_NE(HexOf(child.span), kSpan);
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const TraceContext root = TraceContext::Of({});
    EXPECT_TRUE(root.trace.valid());
    EXPECT_FALSE(root.parent.valid());
    seen.insert(root.trace.Hex());
    seen.insert(HexOf(root.span));
  }
  EXPECT_EQ(seen.size(), 2000u);
}

TEST(TraceShare, GoesByTheIdAlone) {
  const TraceShare none(0), some(0.25), half(0.5), all(1);
  int taken = 0;
  for (int i = 0; i < 10'000; ++i) {
    const TraceId trace = TraceContext::Of({}).trace;
    EXPECT_FALSE(none.Has(trace));
    EXPECT_TRUE(all.Has(trace));
    EXPECT_EQ(some.Has(trace), some.Has(TraceId{1, trace.low}));
    if (some.Has(trace)) {
      ++taken;
      EXPECT_TRUE(half.Has(trace));
    }
  }
  // 2500 expected, with a standard deviation of 43.
  EXPECT_NEAR(taken, 2500, 500);
  EXPECT_TRUE(all.Has(TraceId{0, ~uint64_t{0}}));
  EXPECT_TRUE(half.Has(TraceId{0, 0x7fffffffffffffff}));
  EXPECT_FALSE(half.Has(TraceId{0, 0x8000000000000000}));
}

}  // namespace
}  // namespace base
