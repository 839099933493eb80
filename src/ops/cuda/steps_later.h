#pragma once

#include <cstdint>

namespace kaem::ops::cuda {

/// While it lives, launches of this thread that draw random numbers take those of *later steps after their own: a
/// number on the device, so that a recorded launch draws others in every replay.
class StepsLater {
 public:
  explicit StepsLater(const int64_t* later) { now() = later; }
  ~StepsLater() { now() = nullptr; }
  StepsLater(const StepsLater&) = delete;
  StepsLater& operator=(const StepsLater&) = delete;

  static const int64_t*& now() {
    thread_local const int64_t* later = nullptr;
    return later;
  }
};

}  // namespace kaem::ops::cuda
