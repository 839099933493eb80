#include "bench.h"

#include <algorithm>
#include <cctype>
#include <chrono>

#include "kaem/kan/options.h"

namespace kaem::bench {

namespace {

std::vector<Benchmark> make_table() {
  std::vector<Benchmark> table = {
      {"mnist_is_step", "an update by importance sampling, 100 draws", mnist_is_step},
      {"mnist_is_step_1000", "the same with 1,000 draws", mnist_is_step_1000},
      {"mnist_ula_step", "40 Langevin steps and an update", mnist_ula_step},
      {"mnist_thermo_step", "10 steps with exchanges at each of 5 temperatures and an update", mnist_thermo_step},
      {"mnist_thermo_step_2", "the same with 2 temperatures", mnist_thermo_step_2},
      {"mnist_thermo_step_10", "the same with 10 temperatures", mnist_thermo_step_10},
      {"mnist_thermo_step_20", "the same with 20 temperatures", mnist_thermo_step_20},
      {"svhn_ula_step", "Langevin steps through the convolutional generator and an update", svhn_ula_step},
      {"svhn_thermo_step", "10 steps with exchanges at each of 5 temperatures and an update", svhn_thermo_step},
      {"svhn_pang_step", "60 Langevin steps of a deep prior, 20 of the posterior and an update", svhn_pang_step},
      {"mnist_is_step_1000_bf16", "mnist_is_step_1000 in bfloat16 against float32", mnist_is_step_1000_bf16},
      {"svhn_ula_step_bf16", "svhn_ula_step in bfloat16 against float32", svhn_ula_step_bf16},
      {"its_draws", "100 exact draws of 81x40 components against a copy of the uniforms", its_draws},
      {"its_draws_1000", "the same with 1,000 draws", its_draws_1000},
      {"uniforms", "the uniforms of 1,000 draws against a copy of them", uniforms},
      {"prior_table", "the table of draws and normalisers, and its gradient", prior_table},
      {"prior_energy", "energies at 100x81x40 points against an exponential for each basis value", prior_energy},
      {"prior_grad", "their derivatives with respect to the points", prior_grad},
      {"generate", "10,000 samples of the MNIST model", generate},
      {"generate_batch", "100 of them", generate_batch},
      {"loading", "updates whose batches are loaded while they run against updates on a batch in memory", loading},
      {"startup", "kaem --version against /bin/true", startup},
  };
  const auto generate_row =
      std::find_if(table.begin(), table.end(), [](const auto& b) { return b.name == "generate"; });
  std::vector<Benchmark> layers;
  for (const auto& basis : basis_names()) {
    std::string name = "kan_layer_";
    for (const char c : basis)
      if (c != '-') name += static_cast<char>(std::tolower(c));
    layers.push_back({name, "1000 -> 1000 inputs, batch 100, forward and backward, against a dense layer",
                      [basis](const Options& options) { return kan_layer(options, basis); }});
  }
  table.insert(generate_row, layers.begin(), layers.end());
  return table;
}

}  // namespace

const std::vector<Benchmark>& benchmarks() {
  static const std::vector<Benchmark> table = make_table();
  return table;
}

Config configuration(const Options& options, const std::string& name, const std::string& dataset,
                     const std::string& mode, std::vector<Override> overrides) {
  overrides.insert(overrides.end(), options.overrides.begin(), options.overrides.end());
  return load_config(name.empty() ? name : config_path(name), overrides, dataset, mode);
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
