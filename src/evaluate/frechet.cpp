#include <ATen/ATen.h>

#include "evaluate/rows.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"

namespace kaem::evaluate {
namespace {

/// What data themselves have: test data against the training data.
metrics::Frechet floor_of(Evaluation& e) {
  const Dataset& data = e.data();
  const int64_t count = std::min(e.options.generated, data.test.size(0));
  // Chosen at random: files of data may begin with the easier ones.
  const at::Tensor index = e.rng.permutation(Stream::kEvaluate, 2, data.test.size(0)).slice(0, 0, count);
  const at::Tensor x =
      Dataset::to_float(data.test, index).reshape({count, data.shape[0], data.shape[1], data.shape[2]});
  return metrics::frechet_distance(e.features()(x.clamp(0, 1)), e.reference(), e.rng);
}

Section measure_frechet(Evaluation& e) {
  const std::string name = e.features().prefix() + "FID";
  const metrics::Frechet found = metrics::frechet_distance(e.generated_features(), e.reference(), e.rng);
  Section section;
  section.scores = {{name, found.of_samples.value, found.of_samples.error},
                    {name + ", limit for many samples", found.limit.value, found.limit.error}};
  constexpr int64_t kLeast = 16;
  if (e.data().test.size(0) >= kLeast) {
    const metrics::Frechet floor = floor_of(e);
    const int64_t count = std::min(e.options.generated, e.data().test.size(0));
    section.scores.push_back({name + " of test data", floor.of_samples.value, floor.of_samples.error,
                              str("what ", grouped(count), " data themselves have")});
    section.scores.push_back({name + " of test data, limit", floor.limit.value, floor.limit.error});
  }
  section.text = text_of("Fréchet distance of features", feature_lines(e), section.scores);
  return section;
}

}  // namespace

Metric frechet_metric() {
  return {"fid", "Fréchet distance of features, its limit for many samples, and that of test data", needs_features,
          measure_frechet};
}

}  // namespace kaem::evaluate
