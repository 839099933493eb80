#include <gtest/gtest.h>

#include "kaem/core/error.h"
#include "kaem/core/memory.h"
#include "kaem/ops/ops.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  kaem::keep_freed_memory();  // as the program does
  try {
    kaem::load_cuda();  // before LibTorch settles that there is no CUDA; tests of a GPU say why they are skipped
  } catch (const kaem::UsageError&) {
  }
  return RUN_ALL_TESTS();
}
