#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Benchmarks of `kaem bench`: each measures its subject and, in the same run, a floor that no implementation can beat.
namespace kaem::bench {

struct Options {
  std::string data_dir = "data";
  std::string device = "cpu";  ///< "cpu" or "cuda:N"
};

struct Result {
  double median_ms = 0;
  double floor_ms = 0;  ///< the least work that the task needs, measured between the others
  std::vector<std::pair<std::string, double>> parts;  ///< what the floor is made of, median milliseconds
  std::string note;                                   ///< what it ran on
};

struct Benchmark {
  std::string_view name, what;
  Result (*run)(const Options&);
};

/// All benchmarks, in the order in which they run.
const std::vector<Benchmark>& benchmarks();

/// Median of the values; they are reordered.
double median(std::vector<double>& values);

/// Milliseconds that a call takes.
double milliseconds(const std::function<void()>& call);

Result mnist_is_step(const Options& options);
Result loading(const Options& options);

}  // namespace kaem::bench
