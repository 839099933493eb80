#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "kaem/config/config.h"
#include "kaem/io/event_file.h"
#include "kaem/train/metrics.h"

namespace kaem {

struct Prior;

/// What TensorBoard shows of a run while it trains: a file of events in its folder (docs/file-formats.md). A file that
/// cannot be written is one warning, never the end of a run.
class RunEvents {
 public:
  /// `on`: [TRAINING] tensorboard. Without it nothing is written, and what is there stays.
  RunEvents(std::string path, bool on) : events_(std::move(path)), on_(on) {}

  /// The configuration, as text; in a file that holds nothing yet.
  void configuration(const Config& config, int64_t step);

  /// The numbers of a row of metrics.csv, as scalars.
  void row(const std::vector<Number>& row, int64_t step);

  /// Samples: an encoded PNG, or lines of words.
  void samples(const std::string& png, int64_t step);
  void lines(const std::vector<std::string>& lines, int64_t step);

  /// Draws z [n, latent...] of the prior and, where it is made of univariate components, their densities and KL(p‖π0).
  void prior(Prior& prior, const at::Tensor& z, int64_t step);

  const io::AppendedFile& file() const { return events_.file(); }

 private:
  void write(const std::function<void()>& what);

  io::EventFile events_;
  bool on_;
};

}  // namespace kaem
