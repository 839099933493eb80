#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace kaem {

/// How far a run is.
struct ProgressPoint {
  int64_t step = 0, last = 0;
  int64_t epoch = 0, epochs = 0;  ///< counted from 1
  double loss = 0, images_per_second = 0, seconds_left = 0;
};

/// One line of at most `columns` (0: any width). Updates, share and time left are whole at 60 columns; a bar, the
/// speed, the epoch and the loss give way in this order.
std::string progress_text(const ProgressPoint& point, size_t columns, bool with_bar);

/// Shows how far a run is: a bar on terminals, a plain line every ten seconds elsewhere, nothing if quiet.
class Progress {
 public:
  /// Updates `first` (done already) to `last`, of `batch_size` images each.
  Progress(int64_t first, int64_t last, int64_t steps_per_epoch, int64_t batch_size, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(int64_t step, double loss);

 private:
  using Clock = std::chrono::steady_clock;
  double images_per_second(int64_t step, Clock::time_point now);
  void tell_length(int64_t step, Clock::time_point now);

  int64_t first_, last_, steps_per_epoch_, batch_size_;
  bool quiet_, bar_, told_ = false;
  int64_t old_mark_step_, mark_step_;  // the rate is measured over the last 5 to 10 seconds
  Clock::time_point start_, old_mark_, mark_, shown_;
};

}  // namespace kaem
