#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kaem/core/error.h"
#include "kaem/ops/ops.h"

/// Tests that need a GPU.
namespace kaem::test {

/// Why there is no GPU to test on; empty if there is one.
inline const std::string& no_gpu() {
  static const std::string reason = [] {
    try {
      load_cuda();
      return std::string();
    } catch (const UsageError& e) {
      return std::string(e.what());
    }
  }();
  return reason;
}

/// A fixture whose tests are skipped where there is no GPU, and say so.
template <class Base = ::testing::Test>
class OnGpu : public Base {
 protected:
  void SetUp() override {
    if (!no_gpu().empty()) GTEST_SKIP() << "NOT TESTED on a GPU: " << no_gpu();
  }
};

}  // namespace kaem::test
