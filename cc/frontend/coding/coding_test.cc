#include "cc/frontend/coding/coding.h"

#include "gtest/gtest.h"

namespace coding {
namespace {

TEST(CodingTest, WhatABodyIsCodedIn) {
  for (const char* none : {"", "identity", "Identity", "identity, identity",
                           " , identity ,", "\t"}) {
    EXPECT_EQ(ContentCoding(none), Coding::kIdentity) << none;
  }
  for (const char* gzip : {"gzip", "GZIP", "x-gzip", "gzip, identity",
                           "identity,gzip", ", gzip ,"}) {
    EXPECT_EQ(ContentCoding(gzip), Coding::kGzip) << gzip;
  }
  EXPECT_EQ(ContentCoding("Deflate"), Coding::kDeflate);
  for (const char* other : {"br", "gzip, gzip", "deflate, gzip", "gzip;q=1",
                            "gzip br", "*", "chunked", "zstd, identity"}) {
    EXPECT_EQ(ContentCoding(other), std::nullopt) << other;
  }
}

TEST(CodingTest, WhatAClientTakes) {
  for (const char* gzip :
       {"gzip", "gzip, deflate, br", "br, deflate, gzip", "*", "GZIP;Q=1.000",
        "deflate;q=0.5, gzip", "deflate, *", "x-gzip", "gzip;q=0.001",
        "gzip ; q=1", "identity;q=0, *", "identity;q=0.5, gzip;q=0.5"}) {
    EXPECT_EQ(AcceptedCoding(gzip), Coding::kGzip) << gzip;
  }
  for (const char* deflate :
       {"deflate", "gzip;q=0.5, deflate", "gzip;q=0, *", "gzip;q=0, deflate",
        "gzip;q=0.8, deflate;q=0.801"}) {
    EXPECT_EQ(AcceptedCoding(deflate), Coding::kDeflate) << deflate;
  }
  for (const char* plain :
       {"", "identity", "br, zstd", "gzip;q=0", "*;q=0", "gzip;q=0.0, br",
        "identity, gzip;q=0.5", "gzip;q=2", "gzip;q=", "gzip;q=1.1",
        "gzip;q=0.1234", "gzip;q=-1", "gzip;level=9", "gzip;q=nan", ";", ","}) {
    EXPECT_EQ(AcceptedCoding(plain), Coding::kIdentity) << plain;
  }
}

}  // namespace
}  // namespace coding
