#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "evaluate/rows.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/io/image.h"

namespace kaem::evaluate {
namespace {

using at::Tensor;

constexpr int64_t kSamples = 200, kShown = 10, kNeighbours = 5, kDataAtOnce = 4096;

/// The nearest training pictures of each row of x [N,D]: numbers and distances [N,k].
std::pair<Tensor, Tensor> nearest_training(Evaluation& e, const Tensor& x, int64_t k) {
  Tensor index, distance;
  for (const Tensor& rows : at::arange(e.data().train.size(0), at::kLong).split(kDataAtOnce)) {
    const Tensor part = e.train_pictures(rows).flatten(1);
    const auto [i, d] = metrics::nearest_rows(x, part, std::min(k, part.size(0)));
    index = index.defined() ? at::cat({index, i + rows[0]}, 1) : i;
    distance = distance.defined() ? at::cat({distance, d}, 1) : d;
    const auto [best, order] = distance.topk(std::min(k, distance.size(1)), 1, /*largest=*/false);
    index = index.gather(1, order), distance = best;
  }
  return {index, distance};
}

/// Rows: a sample, then its neighbours.
void write_neighbours(Evaluation& e, const std::string& path, const Tensor& samples, const Tensor& index) {
  std::vector<Tensor> pictures;
  for (int64_t i = 0; i < samples.size(0); ++i) {
    pictures.push_back(samples[i]);
    for (const Tensor& neighbour : e.train_pictures(index[i]).unbind()) pictures.push_back(neighbour);
  }
  io::write_png_grid(path, at::stack(pictures), 1 + index.size(1));
}

Section measure_nearest(Evaluation& e) {
  const Tensor samples = e.generated().slice(0, 0, kSamples);
  const int64_t tests = std::min(kSamples, e.data().test.size(0));
  const Tensor test = Dataset::to_float(e.data().test, at::arange(tests, at::kLong));
  const auto [index, distance] = nearest_training(e, samples.flatten(1), kNeighbours);
  const auto of_test = nearest_training(e, test, 1).second;
  const double scale = std::sqrt(static_cast<double>(samples[0].numel()));
  Section section;
  section.scores = {mean_of("nearest, samples", distance.select(1, 0) / scale, "copies of training data would be at 0"),
                    mean_of("nearest, test data", of_test.select(1, 0) / scale)};
  std::vector<std::string> lines = {
      str(samples.size(0), " samples and ", tests, " test data, root mean square of pixels")};
  if (!e.options.nearest.empty()) {
    write_neighbours(e, e.options.nearest, samples.slice(0, 0, kShown), index.slice(0, 0, kShown));
    lines.push_back(
        str(e.options.nearest, ": samples in the first column, then their ", index.size(1), " nearest training data"));
  }
  section.text = text_of("Distance to the nearest training data", lines, section.scores);
  return section;
}

}  // namespace

Metric nearest_metric() {
  return {"nearest", "distance of samples to the nearest training data, beside that of test data", needs_pictures,
          measure_nearest};
}

}  // namespace kaem::evaluate
