#pragma once

#include <chrono>
#include <exception>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "device.h"
#include "events.h"
#include "kaem/io/lock.h"
#include "kaem/kan/layer.h"
#include "kaem/objective/objective.h"
#include "kaem/train/ema.h"
#include "kaem/train/metrics.h"
#include "kaem/train/optimizer.h"
#include "kaem/train/trainer.h"
#include "progress.h"
#include "signals.h"

namespace kaem {

/// One stay in a run's folder, from opening it to the last checkpoint: the bookkeeping beside the loop.
class Session {
 public:
  explicit Session(Trainer& trainer);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Brings the trainer to the newest checkpoint of a resumed run.
  void restore();

  /// After an update: row, picture, checkpoint when due; Interrupted after a signal.
  void tick(const StepResult& result);

  /// Path of the newest checkpoint, or "none yet".
  std::string last_checkpoint() const;

  /// Leaves the error that ends the run in its log.txt; the program prints it.
  static void record_failure(const std::exception& error);

  /// Last checkpoint, row and picture.
  Report finish();

 private:
  double seconds() const;
  int64_t epoch(int64_t done) const { return done / length_.steps_per_epoch; }
  void save(int64_t done);
  void write_row(int64_t done);
  void warn_of_bad_sampling(const std::vector<Number>& terms);
  void keep_pca(const Pca& pca) const;
  void keep_vocabulary(const Dataset& data) const;
  void warn_of_changes(const Checkpoint& checkpoint) const;
  void cut_metrics(const Checkpoint& checkpoint) const;
  void cut_events(const Checkpoint& checkpoint) const;
  void write_samples(int64_t done);
  /// Measures the run; true if it is the best so far.
  bool measure(int64_t done);
  bool is_better(double value) const;
  void report_start() const;
  void report_end(const Report& report) const;

  Trainer& trainer_;
  const Config& config_;
  const Dataset& data_;
  const Length length_;
  bool resumed_;
  RunMeta meta_;
  std::unique_ptr<Evaluator> evaluator_;
  RunFolder folder_;
  io::FolderLock lock_;
  Metrics metrics_;
  RunEvents events_;
  std::string config_hash_;
  std::map<std::string, std::string> files_;  ///< as Checkpoint::files
  std::chrono::steady_clock::time_point start_;
  double seconds_before_ = 0;
  int64_t saved_step_ = -1, sampled_step_ = -1, restored_step_ = 0;
  double loss_sum_ = 0, row_loss_ = 0, learning_rate_ = 0;
  int64_t loss_count_ = 0;
  bool warned_of_few_ = false, warned_of_swaps_ = false, warned_of_moves_ = false;
  std::string samples_;
  double best_ = std::numeric_limits<double>::quiet_NaN();  ///< of the measure that keep_best names ...
  int64_t best_step_ = -1;                                  ///< ... after this update
  std::optional<Progress> progress_;
  std::optional<SignalGuard> signals_;
};

}  // namespace kaem
