#include "cc/server/model_flags.h"

#include "cc/base/cpu_engine.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using base::CpuEngine;

TEST(ModelFlags, WherePaddleComesWithoutOthersItsOwnKernelsCompute) {
  for (const CpuEngine engine : {CpuEngine::kOneDnn, CpuEngine::kOpenVino,
                                 CpuEngine::kOpenVinoBfloat16}) {
    ModelFlags flags;
    flags.cpu_engine = engine;
    EXPECT_EQ(flags.Compute().cpu_engine,
              base::kHasOneDnn ? engine : CpuEngine::kPlain);
  }
}

}  // namespace
}  // namespace server
