#include "bench.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>

#include "commands.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/ops/ops.h"
#include "kaem/train/trainer.h"
#include "kaem/train/version.h"

namespace kaem::app {
namespace {

using Json = nlohmann::ordered_json;

struct BenchArguments {
  std::string filter, json;
};

constexpr const char* kBenchExamples = R"(
Examples:
  kaem bench
  kaem bench --filter mnist_is_step --threads 1 --json bench.json
  kaem bench --filter svhn_pang_step --set TRAINING.batch_size=20)";

std::regex filter_of(const std::string& text) {
  try {
    return std::regex(text);
  } catch (const std::regex_error&) {
    throw UsageError(str("--filter ", text, ": not a regular expression"));
  }
}

Json machine(const std::string& device) {
  std::ifstream file("/proc/cpuinfo");
  std::string cpu = "unknown";
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) {
      cpu = line.substr(line.find(':') + 2);
      break;
    }
  return {{"cpu", cpu},
          {"device", device},
          {"threads", at::get_num_threads()},
          {"kernels", ops::cpu_kernel_level()},
          {"products", ops::product_library()},
          {"libtorch", libtorch_version()},
          {"version", version()}};
}

void print(std::string_view name, const bench::Result& r) {
  std::cout << std::fixed << std::setprecision(3) << std::left << std::setw(24) << name << std::right << std::setw(10)
            << r.median_ms << std::setw(10) << r.bound_ms << std::setprecision(2) << std::setw(9)
            << r.median_ms / r.bound_ms << "   " << r.note << "\n";
  for (const auto& [part, time] : r.parts)
    std::cout << "    " << std::left << std::setw(48) << part << std::right << std::setprecision(3) << std::setw(9)
              << time << "\n";
}

/// What a temperature costs, where all three benchmarks of them were run: their times should lie on a line.
void print_slope(const std::map<std::string, double>& medians) {
  const auto few = medians.find("mnist_thermo_step_2"), some = medians.find("mnist_thermo_step"),
             many = medians.find("mnist_thermo_step_20");
  if (few == medians.end() || some == medians.end() || many == medians.end()) return;
  const double slope = (many->second - few->second) / 18, line = few->second + 3 * slope;
  std::cout << "mnist_thermo_step: " << std::setprecision(1) << slope
            << " ms a temperature from 2 to 20; 5 temperatures are " << 100 * (some->second / line - 1)
            << " % off that line\n";
}

void run_bench(const BenchArguments& a, const Common& common) {
  const std::regex filter = filter_of(a.filter);
  check_target("--json", a.json);
  prepare_threads(common);
  const bench::Options options{data_dir_of(common), resolve_device(common.device.empty() ? "cpu" : common.device),
                               settings_of(common)};
  Json results = Json::array();
  std::map<std::string, double> medians;
  for (const auto& benchmark : bench::benchmarks()) {
    const std::string name(benchmark.name);
    if (!std::regex_search(name, filter)) continue;
    if (results.empty())
      std::cout << std::left << std::setw(24) << "benchmark" << std::right << std::setw(10) << "median ms"
                << std::setw(10) << "bound ms" << std::setw(9) << "ratio"
                << "\n";
    const bench::Result r = benchmark.run(options);
    print(name, r);
    medians[name] = r.median_ms;
    results.push_back({{"name", name},
                       {"median_ms", r.median_ms},
                       {"bound_ms", r.bound_ms},
                       {"bound_ratio", r.median_ms / r.bound_ms}});
  }
  print_slope(medians);
  if (results.empty()) throw UsageError(str("--filter ", a.filter, ": no benchmark has such a name"));
  if (!a.json.empty())
    io::write_file_atomic(a.json, Json{{"machine", machine(options.device)}, {"benchmarks", results}}.dump(2) + "\n");
}

}  // namespace

Command add_bench(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("bench", "Run the benchmarks");
  const auto a = std::make_shared<BenchArguments>();
  app->add_option("--filter", a->filter, "Only those whose name matches")->type_name("REGEX");
  app->add_option("--json", a->json, "Also write the results as JSON")->type_name("FILE");
  app->footer(kBenchExamples);
  return {app,
          [a, &common] { run_bench(*a, common); },
          {"set", "device", "threads", "data-dir", "log", "quiet", "verbose", "memory", "deterministic"}};
}

}  // namespace kaem::app
