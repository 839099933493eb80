#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "kaem/core/error.h"
#include "kaem/core/memory.h"
#include "kaem/ops/ops.h"

namespace {

/// Every test alone, and in any order, draws the same numbers: LibTorch seeds its generator from the system's entropy,
/// and what TorchScript draws comes from there.
class SeededGenerator : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo& /*info*/) override {
    at::Generator(at::detail::getDefaultCPUGenerator()).set_current_seed(1);  // a handle: the generator is shared
  }
};

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  kaem::keep_freed_memory();  // as the program does
  try {
    kaem::load_cuda();  // before LibTorch settles that there is no CUDA; tests of a GPU say why they are skipped
  } catch (const kaem::UsageError&) {
  }
  ::testing::UnitTest::GetInstance()->listeners().Append(new SeededGenerator);  // which owns it
  return RUN_ALL_TESTS();
}
