#include "cc/server/model_flags.h"

#include "cc/base/cpu_engine.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using base::CpuEngine;

infer::Compute ComputeOf(CpuEngine cpu_engine) {
  ModelFlags flags;
  flags.instances = 3;
  flags.threads = 2;
  flags.cpu_engine = cpu_engine;
  return flags.Compute();
}

TEST(ModelFlags, OneOfOpenVinosRunsHasTheThreadsOfAll) {
  for (const CpuEngine engine :
       {CpuEngine::kOpenVino, CpuEngine::kOpenVinoBfloat16}) {
    const infer::Compute compute = ComputeOf(engine);
    EXPECT_EQ(compute.instances, base::kHasOneDnn ? 1 : 3);
    EXPECT_EQ(compute.threads, base::kHasOneDnn ? 6 : 2);
  }
  for (const CpuEngine engine : {CpuEngine::kOneDnn, CpuEngine::kPlain}) {
    const infer::Compute compute = ComputeOf(engine);
    EXPECT_EQ(compute.instances, 3);
    EXPECT_EQ(compute.threads, 2);
  }
}

TEST(ModelFlags, WherePaddleComesWithoutOthersItsOwnKernelsCompute) {
  for (const CpuEngine engine : {CpuEngine::kOneDnn, CpuEngine::kOpenVino,
                                 CpuEngine::kOpenVinoBfloat16}) {
    EXPECT_EQ(ComputeOf(engine).cpu_engine,
              base::kHasOneDnn ? engine : CpuEngine::kPlain);
  }
}

}  // namespace
}  // namespace server
