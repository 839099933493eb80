#pragma once

#include <chrono>
#include <cstdint>

namespace kaem {

/// Shows how far a run is: a bar on terminals, a plain line every ten seconds elsewhere, nothing if quiet.
class Progress {
 public:
  /// Updates `first` (done already) to `last`, of `batch_size` images each.
  Progress(int64_t first, int64_t last, int64_t batch_size, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(int64_t step, double loss);

 private:
  using Clock = std::chrono::steady_clock;
  double images_per_second(int64_t step, Clock::time_point now);

  int64_t last_, batch_size_;
  bool quiet_, bar_;
  int64_t old_mark_step_, mark_step_;  // the rate is measured over the last 5 to 10 seconds
  Clock::time_point old_mark_, mark_, shown_;
};

}  // namespace kaem
