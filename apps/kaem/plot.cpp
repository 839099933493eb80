#include <ATen/ATen.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "csv_file.h"
#include "kaem/baseline/baselines.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/report/history.h"
#include "kaem/symbolic/components.h"
#include "kaem/train/trainer.h"

namespace kaem::app {
namespace {

namespace fs = std::filesystem;
using at::Tensor;

struct PlotArguments {
  std::vector<std::string> runs;
  std::string shown, python;
  bool no_pictures = false;
};

constexpr const char* kPlotExamples = R"(
Examples:
  kaem plot last                           prior, components, curves of training, samples over time: RUN/plots/
  kaem plot RUN_A RUN_B --out comparison   the curves of both in one picture
  kaem plot last --no-pictures             the CSV files alone)";

constexpr int64_t kPoints = 401;

void write_components(const symbolic::Summary& s, CsvFile& file) {
  file.text("q,p,entropy,divergence\n");
  for (int64_t q = 0; q < s.entropy.size(0); ++q)
    for (int64_t p = 0; p < s.entropy.size(1); ++p) {
      file.text(str(q, ",", p));
      file.number(',', s.entropy[q][p].item<double>());
      file.number(',', s.divergence[q][p].item<double>());
      file.text("\n");
    }
  file.close();
}

void write_prior(const PriorCurves& c, const std::vector<std::pair<int64_t, int64_t>>& shown, CsvFile& file) {
  file.text("component,q,p,z,energy,log_pi0,density,cdf\n");
  for (size_t i = 0; i < shown.size(); ++i) {
    const auto [q, p] = shown[i];
    const auto column = [&, q = q, p = p](const Tensor& t) { return t.select(1, q).select(1, p).contiguous(); };
    const std::array columns = {column(c.energy), column(c.log_reference), column(c.density), column(c.cdf)};
    for (int64_t k = 0; k < c.z.size(0); ++k) {
      file.text(str(i, ",", q, ",", p));
      file.number(',', c.z.const_data_ptr<double>()[k]);
      for (const Tensor& t : columns) file.number(',', t.const_data_ptr<double>()[k]);
      file.text("\n");
    }
  }
  file.close();
}

/// python/plot.py beside the program: in the source tree, or installed.
std::string script() {
  std::error_code fault;
  const fs::path prefix = fs::read_symlink("/proc/self/exe", fault).parent_path().parent_path();
  for (const fs::path& path : {prefix / "python/plot.py", prefix / "share/kaem/python/plot.py"})
    if (fs::is_regular_file(path, fault)) return path.string();
  throw Error("kaem plot: python/plot.py was not found beside the program");
}

/// The Python asked for, that of the source tree if it can draw, or the system's.
std::string python_of(const PlotArguments& a) {
  if (!a.python.empty()) return a.python;
  if (const char* named = std::getenv("KAEM_PYTHON"); named != nullptr && *named != '\0') return named;
  std::error_code fault;
  const fs::path own = fs::read_symlink("/proc/self/exe", fault).parent_path().parent_path() / ".venv/bin/python";
  return fs::exists(own, fault) ? own.string() : "python3";
}

int run_program(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0) return 127;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void draw(const PlotArguments& a, const std::string& folder) {
  const std::string python = python_of(a);
  if (run_program({python, "-c", "import matplotlib, PIL"}) != 0)
    throw Error(str("kaem plot: ", python, " has no matplotlib and Pillow: the CSV files are in ", folder,
                    " (make plot installs both; --python names another Python)"));
  std::cout.flush();
  if (run_program({python, script(), folder}) != 0) throw Error("kaem plot: python/plot.py failed");
}

void plot(const PlotArguments& a, const Common& common) {
  const int64_t shown = a.shown.empty() ? 16 : integer_of("--components", a.shown, 1, 1000);
  prepare_threads(common);
  const at::NoGradGuard no_grad;
  std::vector<LoadedRun> runs;
  for (const auto& name : a.runs) runs.push_back(load_run(name, common.device.empty() ? "cpu" : common.device));
  const std::string folder = common.out.empty() ? runs.front().folder + "/plots" : common.out;
  std::vector<std::string> folders, modes;
  std::vector<report::History> histories;
  for (const auto& run : runs) {
    folders.push_back(run.folder), modes.push_back(run.config.run.mode);
    histories.push_back(report::read_history(run.folder));
  }
  const auto labels = report::labels_of(folders);
  std::error_code fault;
  if (fs::create_directories(folder, fault); !fs::is_directory(folder))
    throw UsageError(str("--out ", folder, ": expected a folder for the pictures, or the name of a new one"));
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (size_t i = 0; i < runs.size(); ++i)
    list.push_back(
        {{"name", labels[i]}, {"mode", runs[i].config.run.mode}, {"folder", fs::absolute(runs[i].folder).string()}});
  nlohmann::ordered_json panels = nlohmann::ordered_json::array();
  for (const auto& [title, unit, columns, logarithmic] : report::panels_of(histories, modes))
    panels.push_back({{"title", title}, {"unit", unit}, {"columns", columns}, {"logarithmic", logarithmic}});
  const nlohmann::ordered_json drawn = {{"runs", list}, {"panels", panels}};
  io::write_file_atomic(folder + "/runs.json", drawn.dump(1) + "\n");
  CsvFile curves(folder + "/prior.csv"), components(folder + "/components.csv");
  const bool energies = find_baseline(runs.front().config.run.mode) == nullptr;
  if (const auto prior = energies ? curves_of(*runs.front().model->prior, kPoints) : std::nullopt) {
    const PriorCurves c = symbolic::with_densities(*prior);
    const symbolic::Summary s = symbolic::summarise(c);
    write_components(s, components);
    write_prior(c, symbolic::most_different(s, shown, runs.front().config.model.prior.mixture.enabled), curves);
  } else {
    log::warn(energies ? "a deep prior has no univariate curves: they are left out"
                       : "a baseline's prior has no energies: their curves are left out");
    components.text("q,p,entropy,divergence\n"), components.close();
    curves.text("component,q,p,z,energy,log_pi0,density,cdf\n"), curves.close();
  }
  std::cout << folder << "/prior.csv\n" << folder << "/components.csv\n";
  if (!a.no_pictures) draw(a, folder);
}

}  // namespace

Command add_plot(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("plot", "Draw prior, training and samples of runs");
  const auto a = std::make_shared<PlotArguments>();
  app->add_option("RUN", a->runs, "Folders of runs, or last; the first's prior is drawn");
  app->add_option("--components", a->shown,
                  "Components of the prior that are drawn (16), by KL(p|pi0); of a mixture one of each q")
      ->type_name("N");
  app->add_option("--python", a->python, "Python with matplotlib and Pillow (else KAEM_PYTHON, .venv, python3)");
  app->add_flag("--no-pictures", a->no_pictures, "Write the CSV files alone");
  app->footer(kPlotExamples);
  const auto run = [a, &common] {
    if (a->runs.empty()) throw UsageError("kaem plot: expected a RUN (a run's folder, or last); see kaem plot --help");
    plot(*a, common);
  };
  return {app, run, {"device", "threads", "out", "log", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
