#include "bench.h"

#include <algorithm>
#include <chrono>

namespace kaem::bench {

const std::vector<Benchmark>& benchmarks() {
  static const std::vector<Benchmark> table = {
      {"mnist_is_step", "an update of the MNIST model against the matrix products of its generator and likelihood",
       mnist_is_step},
      {"loading", "updates whose batches are loaded while they run against updates on a batch in memory", loading},
  };
  return table;
}

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double milliseconds(const std::function<void()>& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace kaem::bench
