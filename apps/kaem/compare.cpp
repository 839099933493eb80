#include <ATen/core/grad_mode.h>

#include <cmath>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "commands.h"
#include "help_format.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/report/report.h"
#include "kaem/train/run.h"
#include "kaem/train/trainer.h"
#include "measures.h"

namespace kaem::app {
namespace {

using Json = nlohmann::ordered_json;

struct CompareArguments : MeasureArguments {
  CompareArguments() { metrics = "loglik", methods = "ais"; }
  std::vector<std::string> runs;
  std::string out;
};

constexpr const char* kCompareExamples = R"(
Examples:
  kaem compare runs/MNIST/vanilla/a runs/MNIST/baseline-vae/b --methods ais
  kaem compare runs/table/MNIST/*/* --metrics loglik,fid,precision-recall,reconstruction --methods ais --out table.md
  kaem compare runs/MNIST/*/* --out comparison.html      a page: curves, settings that differ, measures, pictures

Behind ± stands a standard error: of log p(x) that of the draws, for the same test data serve all runs. What a run was measured at is kept in its folder (compared.json): the same command goes on where it was stopped.)";

/// A cell of the table: a number with its error, or why there is none, or what is to be said of it.
struct Cell {
  double value = std::nan(""), error = std::nan("");
  std::string note;
};

struct Compared {
  std::string label;
  int64_t step = 0;
  double seconds = 0;
  std::vector<Cell> cells;
};

/// What the numbers depend on beside the run, its step and the metric: a change of it and they are measured again.
std::string settings_of(const MeasureArguments& a) {
  const auto digest = [](const std::string& path) {
    return path.empty() || !std::filesystem::exists(path) ? "" : io::sha256(io::read_file(path));
  };
  return str(a.methods, " ", a.count, " ", a.samples, " ", a.chains, " ", a.levels, " ", a.kernel, " ", a.generated,
             " ", digest(a.features), " ", digest(a.statistics), " ", a.against);
}

double number_of(const Json& json) { return json.is_number() ? json.get<double>() : std::nan(""); }

Json kept_of(const std::string& path) {
  try {
    Json kept = std::filesystem::exists(path) ? Json::parse(io::read_file(path)) : Json::object();
    return kept.is_object() ? kept : Json::object();
  } catch (const std::exception&) {
    log::warn(path + " is damaged: what it kept is measured again");
    return Json::object();
  }
}

/// What was kept under a key; nothing if that is no list of number, error and remark.
std::vector<Cell> kept_cells(const Json& kept, const std::string& key) {
  std::vector<Cell> cells;
  if (!kept.contains(key) || !kept[key].is_array()) return cells;
  for (const Json& cell : kept[key]) {
    if (!cell.is_array() || cell.size() != 3 || !cell[2].is_string()) return {};
    cells.push_back({number_of(cell[0]), number_of(cell[1]), cell[2].get<std::string>()});
  }
  return cells;
}

/// The first scores of one metric, measured or as they were kept.
std::vector<Cell> cells_of(evaluate::Evaluation& evaluation, const evaluate::Metric& metric, Json& kept,
                           const std::string& key) {
  const size_t count = evaluate::columns_of(metric).size();
  const auto nothing = [&](const std::string& why) {
    return std::vector<Cell>(count, {std::nan(""), std::nan(""), str(metric.name, ": ", why)});
  };
  std::vector<Cell> cells = kept_cells(kept, key);
  if (cells.size() == count) return cells;
  cells.clear();
  if (const std::string why = metric.obstacle(evaluation); !why.empty()) return nothing(why);  // may read the data
  evaluate::Section section;
  try {
    section = metric.measure(evaluation);
  } catch (const UsageError& e) {  // what this run has not, others may have
    const std::string why = e.what(), own = str(metric.name, ": ");
    return nothing(why.starts_with(own) ? why.substr(own.size()) : why);
  }
  kept[key] = Json::array();
  for (const auto& warning : evaluation.warnings) log::warn(warning);
  evaluation.warnings.clear();
  for (size_t i = 0; i < count; ++i) {
    const std::string remark = section.remark.substr(0, section.remark.find_last_not_of('\n') + 1);
    cells.push_back({section.scores.at(i).value, section.scores[i].error, remark});
    kept[key].push_back({cells.back().value, cells.back().error, remark});  // NaN is null
  }
  return cells;
}

Compared compared_of(const std::string& path, const std::vector<evaluate::Metric>& metrics, const CompareArguments& a,
                     const std::string& settings, const Common& common) {
  LoadedRun run = load_run(path, common.device.empty() ? "auto" : common.device);
  const uint64_t seed = seed_of(common, run.config.run.seed);
  const std::filesystem::path folder(run.folder);
  const bool best = std::filesystem::path(path).filename() == "best";
  Compared compared{
      str(run.config.run.mode, "/", folder.filename().string(), best ? "/best" : ""), run.step, run.seconds, {}};
  evaluate::Evaluation evaluation(run, data_of(run, common), options_of(a), Rng(seed));
  const std::string file = run.folder + "/" + evaluate::kComparedFile;
  Json kept = kept_of(file);
  for (const auto& metric : metrics) {
    const log::Status status(str("measuring ", compared.label, ": ", metric.name));
    const Json before = kept;
    for (auto& cell : cells_of(evaluation, metric, kept, str(run.step, " ", metric.name, " ", settings, " ", seed)))
      compared.cells.push_back(std::move(cell));
    if (kept != before) io::write_file_atomic(file, kept.dump(1) + "\n");
  }
  return compared;
}

/// Four digits, and the error's first two.
std::string text_of(const Cell& cell) {
  if (std::isnan(cell.value)) return "-";
  std::ostringstream text;
  const int digits = std::isfinite(cell.error) && cell.error > 0
                         ? std::clamp(1 - static_cast<int>(std::floor(std::log10(cell.error))), 0, 6)
                         : std::clamp(3 - static_cast<int>(std::floor(std::log10(std::abs(cell.value) + 1e-9))), 0, 6);
  text << std::fixed << std::setprecision(digits) << cell.value;
  if (std::isfinite(cell.error)) text << " ± " << cell.error;
  return text.str();
}

std::vector<std::vector<std::string>> rows_of(const std::vector<Compared>& runs,
                                              const std::vector<evaluate::Metric>& metrics) {
  std::vector<std::vector<std::string>> rows = {{"run"}};
  for (const auto& metric : metrics)
    for (const auto& column : evaluate::columns_of(metric)) rows.front().push_back(column);
  for (const char* name : {"updates", "seconds"}) rows.front().emplace_back(name);
  for (const auto& run : runs) {
    rows.push_back({run.label});
    for (const auto& cell : run.cells) rows.back().push_back(text_of(cell));
    rows.back().push_back(str(run.step));
    rows.back().push_back(str(std::llround(run.seconds)));
  }
  return rows;
}

/// A table in Markdown, whose columns stand below each other.
std::string markdown_of(std::vector<std::vector<std::string>> rows) {
  rows.insert(rows.begin() + 1, std::vector<std::string>(rows.front().size(), "---"));
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i)
      text += "| " + row[i] + std::string(widths[i] - columns_of(row[i]) + 1, ' ');
    text += "|\n";
  }
  return text;
}

std::string csv_of(const std::vector<Compared>& runs, const std::vector<evaluate::Metric>& metrics) {
  std::ostringstream text;
  text << "run,updates,seconds" << std::setprecision(17);
  for (const auto& metric : metrics)
    for (const auto& column : evaluate::columns_of(metric)) text << "," << column << "," << column << "_error";
  for (const auto& run : runs) {
    text << "\n" << run.label << "," << run.step << "," << run.seconds;
    for (const auto& cell : run.cells)
      for (const double value : {cell.value, cell.error}) {
        text << ",";
        if (std::isfinite(value)) text << value;
      }
  }
  return text.str() + "\n";
}

/// Why cells are empty and what is to be said of others, each once.
void print_notes(const std::vector<Compared>& runs) {
  for (const auto& run : runs) {
    std::string last;
    for (const auto& cell : run.cells)
      if (!cell.note.empty() && cell.note != last) std::cout << run.label << ": " << (last = cell.note) << "\n";
  }
}

/// UsageError unless all are there and on the same data: found out before the first of them takes its minutes.
void check_data(const std::vector<std::string>& runs) {
  std::string first;
  for (const auto& run : runs) {
    const std::string dataset = RunFolder::open(run).config().run.dataset;
    if (first.empty()) first = dataset;
    if (dataset != first)
      throw UsageError(str(run, " is a run on ", dataset, ", ", runs.front(), " one on ", first,
                           ": expected runs on the same data"));
  }
}

void run_comparison(const CompareArguments& a, const Common& common) {
  if (a.runs.empty()) throw UsageError("kaem compare: expected RUNs (folders of runs); see kaem compare --help");
  if (!a.out.empty() && !a.out.ends_with(".md") && !a.out.ends_with(".csv") && !a.out.ends_with(".html"))
    throw UsageError(str("--out ", a.out, ": expected a name that ends in .md, .csv or .html"));
  check_target("--out", a.out);
  const auto metrics = metrics_of(a);
  if (options_of(a).methods.size() > 1)
    throw UsageError(
        str("--methods ", a.methods, ": a comparison shows one estimate of log p(x); expected is, ss or ais"));
  check_data(a.runs);
  prepare_threads(common);
  const at::NoGradGuard no_grad;
  const std::string settings = settings_of(a);
  std::vector<Compared> runs;
  for (const auto& run : a.runs) runs.push_back(compared_of(run, metrics, a, settings, common));
  const std::string table = markdown_of(rows_of(runs, metrics));
  std::cout << table;
  print_notes(runs);
  if (a.out.empty()) return;
  io::write_file_atomic(a.out, a.out.ends_with(".html")  ? report::page_of(a.runs)
                               : a.out.ends_with(".csv") ? csv_of(runs, metrics)
                                                         : table);
}

}  // namespace

Command add_compare(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("compare", "Measure several runs and print one table");
  const auto a = std::make_shared<CompareArguments>();
  app->add_option("RUNS", a->runs, "Folders of runs");
  add_measure_options(*app, *a);
  app->footer(kCompareExamples);
  const auto run = [a, &common] {
    CompareArguments arguments = *a;
    arguments.out = common.out;
    run_comparison(arguments, common);
  };
  return {app,
          run,
          {"device", "threads", "seed", "data-dir", "offline", "log", "deterministic", "quiet", "verbose", "memory",
           "out"}};
}

}  // namespace kaem::app
