#include <ATen/ATen.h>

#include <algorithm>

#include "kaem/core/str.h"
#include "step.h"

namespace kaem::bench {
namespace {

constexpr int64_t kWarmUp = 5, kRounds = 12, kUpdates = 25;

}  // namespace

/// Updates whose batches come from the loader, against updates on one batch that is in memory already.
Result loading(const Options& options) {
  const Config config = configuration(options, "", "MNIST", "vanilla");
  Result result;
  const Dataset data = data_or_synthetic(options, config, result.note);
  const auto trainer = make_trainer(config, data, options);
  const Batch ready = trainer->next_batch();
  const auto loaded = [&] { trainer->step(trainer->next_batch()); };
  const auto in_memory = [&] { trainer->step(ready); };
  for (int64_t i = 0; i < kWarmUp; ++i) loaded();
  // Rounds of both in turn, so that a busy machine slows them alike.
  std::vector<double> with, without;
  for (int64_t round = 0; round < kRounds; ++round)
    for (int64_t i = 0; i < 2 * kUpdates; ++i) {
      const bool first = (i < kUpdates) == (round % 2 == 0);
      (first ? with : without).push_back(first ? milliseconds(loaded) : milliseconds(in_memory));
    }
  result.note += str(", ", with.size(), " updates each");
  result.median_ms = median(with), result.bound_ms = median(without);
  return result;
}

}  // namespace kaem::bench
