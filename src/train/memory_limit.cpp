#include "kaem/train/memory_limit.h"

#include <ATen/DeviceAccelerator.h>

#include <algorithm>
#include <cmath>

#include "kaem/core/bytes.h"
#include "kaem/core/error.h"
#include "kaem/core/memory.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/data/dataset.h"
#include "kaem/train/trainer.h"

namespace kaem {
namespace {

constexpr int64_t kUpdates = 2;   // the second has the optimiser's state
constexpr int64_t kCopies = 3;    // of the weights, of which a checkpoint is put together
constexpr double kMargin = 0.92;  // of the limit: what pictures and measures take, and what later updates differ by

/// The most that was in use so far: of the host, or of the GPU.
double most_bytes(const at::Device& device) {
  if (!device.is_cuda()) return static_cast<double>(peak_resident_bytes());
  const auto stats = at::accelerator::getDeviceStats(device.index());
  return static_cast<double>(stats.reserved_bytes[0].peak);
}

/// After updates in parts of `part` data points: of two parts, as more would take longer and no more memory.
double memory_of(Config config, const Dataset& data, int64_t part) {
  config.run.data_at_once = part, config.run.batch_size = std::min(config.run.batch_size, 2 * part);
  Trainer trainer(config, data);
  for (int64_t i = 0; i < kUpdates; ++i) trainer.step(trainer.next_batch());
  double weights = 0;
  for (const auto& p : trainer.model()->parameters()) weights += static_cast<double>(p.nbytes());
  return most_bytes(trainer.model()->parameters().front().device()) + kCopies * weights;
}

std::string megabytes_text(double bytes) { return str(grouped(std::llround(bytes / 1e6)), " MB"); }

}  // namespace

int64_t largest_part(int64_t batch, double limit, const std::function<double(int64_t)>& memory_of) {
  int64_t part = 1, before = 0;
  double memory = memory_of(part), memory_before = 0;
  if (memory > limit) return 0;
  while (part < batch) {
    int64_t more = std::min(part, batch - part);  // at most doubled, and from two points on along the line through them
    if (const double slope = (memory - memory_before) / static_cast<double>(part - before); before > 0 && slope > 0)
      more = static_cast<int64_t>(std::min(static_cast<double>(more), (limit - memory) / slope + 1e-9));
    if (more == 0) break;
    const double needed = memory_of(part + more);
    if (needed > limit) break;
    before = part, memory_before = memory, part += more, memory = needed;
  }
  return part;
}

Config within_memory(const Config& config, const Dataset& data) {
  if (config.run.memory_limit.empty() || config.run.data_at_once > 0) return config;
  const double limit = kMargin * parse_bytes(config.run.memory_limit);
  double first = 0;
  const int64_t part = largest_part(config.run.batch_size, limit, [&](int64_t size) {
    const double memory = memory_of(config, data, size);
    if (size == 1) first = memory;
    return memory;
  });
  release_freed_memory();
  if (part == 0)
    throw ConfigError(str("[TRAINING] memory_limit = ", config.run.memory_limit,
                          ": the data and an update of one data point take ", megabytes_text(first)));
  Config result = config;
  result.run.data_at_once = part;  // the whole batch too: a run that goes on is not measured again
  result.notes.push_back(str("memory_limit ", config.run.memory_limit, ": ", part, " of the ", config.run.batch_size,
                             " data points of a batch at once"));
  return result;
}

}  // namespace kaem
