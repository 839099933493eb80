#include <gtest/gtest.h>

#include "kaem/core/error.h"
#include "kaem/ops/ops.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  try {
    kaem::load_cuda();  // before LibTorch settles that there is no CUDA; tests of a GPU say why they are skipped
  } catch (const kaem::UsageError&) {
  }
  return RUN_ALL_TESTS();
}
