#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <thread>

#include "commands.h"
#include "kaem/core/str.h"
#include "kaem/data/dataset.h"
#include "kaem/ops/ops.h"
#include "kaem/train/trainer.h"
#include "kaem/train/version.h"

namespace kaem::app {
namespace {

std::ostream& labelled(const char* name) { return std::cout << std::left << std::setw(14) << name; }

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

/// What --device auto and --device cuda would do here.
void print_devices() {
  const std::string automatic = resolve_device("auto");
  labelled("devices") << (automatic == "cpu" ? "cpu (no usable CUDA device)" : "cpu, " + automatic) << "; auto takes "
                      << automatic << "\n";
}

void print_datasets(const std::string& root) {
  std::string found, part, made, absent;
  for (const auto& info : list_datasets(root)) {
    std::string& line = info.files.empty() ? made : info.complete ? found : info.state == "in part" ? part : absent;
    line += str(line.empty() ? "" : " ", info.name);
  }
  const auto print = [](const char* name, const std::string& names) {
    labelled(name) << (names.empty() ? "-" : names) << "\n";
  };
  labelled("data folder") << root << "\n";
  print("  found", found);
  print("  in part", part);
  print("  no files", made);
  print("  absent", absent);
}

void print_info(const Common& common) {
  prepare_threads(common);
  const auto products = ops::product_library();  // a wrong KAEM_PRODUCTS is said before anything is printed
  labelled("kaem") << version() << (git_revision().empty() ? "" : str(" (", git_revision(), ")")) << "\n";
  labelled("LibTorch") << libtorch_version() << ", CPU capability " << at::get_cpu_capability() << "\n";
  labelled("kernels") << ops::cpu_kernel_level() << ", matrix products by " << products << "\n";
  labelled("processor") << cpu_name() << ", " << std::thread::hardware_concurrency() << " logical cores\n";
  const char* spin = std::getenv("GOMP_SPINCOUNT");
  labelled("threads") << at::get_num_threads()
                      << (spin != nullptr ? str(", which spin ", spin, " times before they sleep (GOMP_SPINCOUNT)")
                                          : "")
                      << "\n";
  print_devices();
  print_datasets(data_dir_of(common));
}

}  // namespace

Command add_info(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("info", "Print versions, devices, threads and the data sets found");
  return {app, [&common] { print_info(common); }, {"threads", "data-dir", "log", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
