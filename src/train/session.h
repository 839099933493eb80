#pragma once

#include <chrono>
#include <exception>
#include <map>
#include <optional>
#include <string>

#include "device.h"
#include "kaem/kan/layer.h"
#include "kaem/objective/objective.h"
#include "kaem/train/ema.h"
#include "kaem/train/metrics.h"
#include "kaem/train/optimizer.h"
#include "kaem/train/trainer.h"
#include "progress.h"
#include "signals.h"

namespace kaem {

/// How long a run is.
struct Length {
  int64_t steps_per_epoch = 1;
  int64_t total = 0;  ///< what schedules are made for
  int64_t last = 0;   ///< where this session stops
};

/// Length of a run on this data; ConfigError if the data do not fill one batch.
Length run_length(const RunOptions& options, const Dataset& data);

/// All that a checkpoint holds.
struct TrainState {
  ModelImpl& model;
  Posterior& posterior;
  Optimizer& optimizer;
  Ema& ema;
  const Dataset& data;
};

/// Values of one update, read from the device at once.
struct StepValues {
  double loss = 0;
  NamedNumbers averages;  ///< loss, the objective's terms, grad_norm
  GridUpdate grid;
  double learning_rate = 0;
};

/// One stay in a run's folder, from opening it to the last checkpoint: the paperwork beside the loop.
class Session {
 public:
  Session(const Config& config, const TrainOptions& options, const Dataset& data, const std::string& device,
          Length length, const std::string& network);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Brings the state to the newest checkpoint of a resumed run; returns the number of updates done.
  int64_t restore(const TrainState& state);

  /// The values of update `step` (0-based), loss first and grad_norm last; Error that names what is not finite and the
  /// last good checkpoint.
  StepValues checked(int64_t step, NamedNumbers averages, const Optimizer& optimizer) const;

  /// After `done` updates: row, picture, checkpoint when due; Interrupted after a signal.
  void tick(int64_t done, const StepValues& values, const TrainState& state);

  /// Leaves the error that ends the run in its log.txt; the program prints it.
  static void record_failure(const std::exception& error);

  /// Last checkpoint, row and picture.
  Report finish(int64_t done, const TrainState& state);

 private:
  double seconds() const;
  int64_t epoch(int64_t done) const { return done / length_.steps_per_epoch; }
  void save(int64_t done, const TrainState& state);
  void write_row(int64_t done);
  void warn_of_bad_sampling(const NamedNumbers& averages);
  void keep_pca(const Pca& pca) const;
  void keep_vocabulary(const Dataset& data) const;
  void warn_of_changes(const Checkpoint& checkpoint) const;
  void cut_metrics(const Checkpoint& checkpoint) const;
  void write_samples(int64_t done, const TrainState& state);
  void report_end(const Report& report) const;

  const Config& config_;
  Length length_;
  bool resumed_;
  RunMeta meta_;
  RunFolder folder_;
  int lock_ = -1;
  Metrics metrics_;
  std::string config_hash_;
  std::map<std::string, std::string> files_;  ///< as Checkpoint::files
  std::chrono::steady_clock::time_point start_;
  double seconds_before_ = 0;
  int64_t saved_step_ = -1, sampled_step_ = -1, restored_step_ = 0;
  double loss_sum_ = 0, row_loss_ = 0, learning_rate_ = 0;
  int64_t loss_count_ = 0;
  bool warned_of_few_ = false, warned_of_swaps_ = false, warned_of_moves_ = false;
  std::string samples_;
  std::optional<Progress> progress_;
  std::optional<SignalGuard> signals_;
};

}  // namespace kaem
