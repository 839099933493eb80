#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kaem/config/config.h"

/// Benchmarks of `kaem bench`: each measures its subject and, in the same run, a bound that no implementation can beat.
namespace kaem::bench {

struct Options {
  std::string data_dir = "data";
  std::string device = "cpu";       ///< "cpu" or "cuda:N"
  std::vector<Override> overrides;  ///< the user's, behind those of the benchmark
};

struct Result {
  double median_ms = 0;
  double bound_ms = 0;                                ///< the least work that the task needs, measured in turn with it
  std::vector<std::pair<std::string, double>> parts;  ///< what the bound is made of, median milliseconds
  std::string note;                                   ///< what it ran on
};

struct Benchmark {
  std::string name, what;
  std::function<Result(const Options&)> run;
};

/// All benchmarks, in the order in which they run.
const std::vector<Benchmark>& benchmarks();

/// The file config/NAME of a benchmark with its own overrides and then the user's; without a name the data set's own.
Config configuration(const Options& options, const std::string& name, const std::string& dataset,
                     const std::string& mode, std::vector<Override> overrides = {});

/// Median of the values; they are reordered.
double median(std::vector<double>& values);

/// Milliseconds that a call takes.
double milliseconds(const std::function<void()>& call);

Result mnist_is_step(const Options& options);
Result mnist_is_step_1000(const Options& options);
Result mnist_ula_step(const Options& options);
Result mnist_thermo_step(const Options& options);
Result mnist_thermo_step_2(const Options& options);
Result mnist_thermo_step_10(const Options& options);
Result mnist_thermo_step_20(const Options& options);
Result svhn_ula_step(const Options& options);
Result svhn_thermo_step(const Options& options);
Result svhn_pang_step(const Options& options);
Result mnist_is_step_1000_bf16(const Options& options);
Result svhn_ula_step_bf16(const Options& options);
Result its_draws(const Options& options);
Result its_draws_1000(const Options& options);
Result uniforms(const Options& options);
Result prior_table(const Options& options);
Result prior_energy(const Options& options);
Result prior_grad(const Options& options);
Result kan_layer(const Options& options, const std::string& basis);
Result generate(const Options& options);
Result generate_batch(const Options& options);
Result loading(const Options& options);
Result startup(const Options& options);

}  // namespace kaem::bench
