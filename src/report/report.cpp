#include "kaem/report/report.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/histc.h>
#include <ATen/ops/nan_to_num.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "kaem/baseline/baselines.h"
#include "kaem/core/duration.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/evaluate/evaluation.h"
#include "kaem/io/file.h"
#include "kaem/prior/prior.h"
#include "kaem/report/history.h"
#include "kaem/symbolic/components.h"
#include "kaem/train/describe.h"
#include "kaem/train/run.h"
#include "kaem/train/trainer.h"
#include "kaem/train/version.h"
#include "report/page.h"

namespace kaem::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr size_t kRows = 600;     // of metrics.csv on the page
constexpr size_t kPictures = 16;  // of samples, of one run
constexpr int64_t kPoints = 161;  // of a curve of the prior
constexpr int64_t kComponents = 12;
constexpr int64_t kBins = 30;

/// Four digits serve a picture; not a number is null.
Json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.5g", value);
  return std::strtod(text.data(), nullptr);
}

Json list_of(const at::Tensor& values) {
  const at::Tensor flat = values.to(at::kCPU, at::kDouble).contiguous().flatten();
  Json list = Json::array();
  for (int64_t i = 0; i < flat.numel(); ++i) list.push_back(rounded(flat.const_data_ptr<double>()[i]));
  return list;
}

/// `count` of 0..size-1, evenly spread, the last among them.
std::vector<size_t> spread(size_t size, size_t count) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < std::min(size, count); ++i) chosen.push_back(size <= count ? i : (i + 1) * size / count - 1);
  return chosen;
}

/// Rows that the page shows: some of all, and each that has a measure, of which there are few.
std::set<size_t> shown_rows(const History& history) {
  std::set<size_t> rows;
  for (const auto& [name, values] : history.columns) {
    for (const size_t i : spread(values.size(), kRows)) rows.insert(i);
    for (size_t i = 0; name.starts_with("eval_") && i < values.size(); ++i)
      if (!std::isnan(values[i])) rows.insert(i);
  }
  return rows;
}

Json metrics_json(const History& history) {
  Json metrics = Json::object();
  const std::set<size_t> rows = shown_rows(history);
  for (const auto& [name, values] : history.columns) {
    Json column = Json::array();
    for (const size_t i : rows) column.push_back(rounded(values[i]));
    metrics[name] = column;
  }
  return metrics;
}

Json samples_json(const std::string& run) {
  std::vector<std::pair<int64_t, fs::path>> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(run + "/samples", ignored)) {
    if (!entry.is_regular_file(ignored)) continue;
    const std::string name = entry.path().stem().string(), ending = entry.path().extension().string();
    if (name.starts_with("step_") && (ending == ".png" || ending == ".txt"))
      files.emplace_back(std::strtoll(name.c_str() + 5, nullptr, 10), entry.path());
  }
  std::sort(files.begin(), files.end());
  Json samples = Json::array();
  for (const size_t i : spread(files.size(), kPictures)) {
    const auto& [step, path] = files[i];
    const std::string content = io::read_file(path.string());
    if (path.extension() == ".png" && !content.starts_with("\x89PNG")) continue;
    if (path.extension() == ".png")
      samples.push_back({{"step", step}, {"png", io::base64(content)}});
    else
      samples.push_back({{"step", step}, {"text", content}});
  }
  return samples;
}

Json prior_json(Prior& prior, bool mixture) {
  const at::NoGradGuard no_grad;
  const auto found = kaem::curves_of(prior, kPoints);
  if (!found) return nullptr;
  const PriorCurves curves = symbolic::with_densities(*found);
  const symbolic::Summary summary = symbolic::summarise(curves);
  const at::Tensor divergences = summary.divergence.flatten();
  const at::Tensor finite = at::nan_to_num(divergences, 0, 0, 0);  // infinite weights have a page too
  const double most = finite.max().item<double>();
  Json edges = Json::array();
  for (int64_t i = 0; i <= kBins; ++i) edges.push_back(rounded(most * static_cast<double>(i) / kBins));
  Json result = {{"z", list_of(curves.z)},
                 {"count", divergences.numel()},
                 {"median", rounded(divergences.median().item<double>())}};
  if (most > 0)
    result["histogram"] = {{"edges", edges}, {"counts", list_of(at::histc(finite.clamp_min(0), kBins, 0, most))}};
  result["components"] = Json::array();
  for (const auto& [q, p] : symbolic::most_different(summary, kComponents, mixture))
    result["components"].push_back({{"q", q},
                                    {"p", p},
                                    {"divergence", rounded(summary.divergence[q][p].item<double>())},
                                    {"density", list_of(curves.density.select(1, q).select(1, p))},
                                    {"reference", list_of(curves.log_reference.select(1, q).select(1, p).exp())}});
  return result;
}

/// What kaem compare has measured of the run at this update, by the names of its columns; the latest settings count.
Json measures_json(const std::string& run, int64_t step) {
  Json measures = Json::array();
  const std::string path = run + "/" + evaluate::kComparedFile;
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return measures;
  const Json kept = Json::parse(io::read_json(path), nullptr, false);
  if (!kept.is_object()) return measures;
  std::map<std::string, Json> latest;
  std::vector<std::string> order;
  for (const auto& [key, cells] : kept.items())
    for (const auto& metric : evaluate::all_metrics()) {
      if (!key.starts_with(str(step, " ", metric.name, " ")) || !cells.is_array()) continue;
      const auto columns = evaluate::columns_of(metric);
      for (size_t i = 0; i < std::min(columns.size(), cells.size()); ++i) {
        if (!cells[i].is_array() || cells[i].size() != 3) continue;
        if (!latest.contains(columns[i])) order.push_back(columns[i]);
        latest[columns[i]] = {
            {"name", columns[i]}, {"value", cells[i][0]}, {"error", cells[i][1]}, {"note", cells[i][2]}};
      }
    }
  for (const auto& name : order) measures.push_back(latest[name]);
  return measures;
}

Json meta_of(const std::string& run) {
  const std::string path = run + "/meta.json";
  std::error_code ignored;
  Json meta = fs::is_regular_file(path, ignored) ? Json::parse(io::read_json(path), nullptr, false) : Json::object();
  return meta.is_object() ? meta : Json::object();
}

/// Of a run that was trained with --profile.
Json phases_of(const std::string& run) {
  const std::string path = run + "/" + kProfileFile;
  std::error_code ignored;
  const Json trace = fs::is_regular_file(path, ignored) ? Json::parse(io::read_file(path), nullptr, false) : Json();
  return trace.is_object() && trace.contains("phases") ? trace["phases"] : Json::array();
}

std::string text_of(const Json& json, const char* key) {
  return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : "";
}

/// The configuration that a run of this data set and mode has without any choice of the user's; empty: there is none.
std::pair<std::string, std::string> defaults_of(const Config& config) {
  try {
    const std::string path = default_config_path(config.run.dataset, config.run.mode);
    return {fs::path(path).filename().string(),
            to_ini(kept_config(load_config(path, {}, config.run.dataset, config.run.mode)))};
  } catch (const Error&) {
    return {};
  }
}

/// What stands in every run's file and is no choice: paths, names, places.
bool is_place(const std::string& key) {
  return key == "DATA.root" || key == "TRAINING.device" || key == "TRAINING.threads";
}

/// A run as it was found: its folder, its history, and what its newest checkpoint (of RUN/best the best) says.
struct Shown {
  RunFolder folder;
  History history;
  Config config;
  int64_t step = 0;
  double seconds = 0;
  std::optional<LoadedRun> model;
  std::string remark;
};

/// Without a checkpoint that can be read: what metrics.csv says last, and why.
Shown shown_of(const std::string& run) {
  const RunFolder folder = RunFolder::open(run);
  Shown shown{folder, read_history(folder.path()), {}, 0, 0, {}, {}};
  try {
    if (!folder.checkpoint_steps().empty()) {
      shown.model = load_run(folder.is_best() ? folder.path() + "/best" : folder.path(), "cpu");
      shown.config = shown.model->config, shown.step = shown.model->step, shown.seconds = shown.model->seconds;
      return shown;
    }
    shown.remark = "there is no checkpoint: updates and time are those of the last row of metrics.csv";
    shown.config = folder.config();
  } catch (const DataError& e) {
    shown.model.reset();
    shown.remark = e.what();
    shown.config = parse_config(io::read_file(folder.file("config.ini")), folder.file("config.ini"));
  }
  const auto last = [&](const char* name) {
    const auto* values = shown.history.find(name);
    return values == nullptr || values->empty() || std::isnan(values->back()) ? 0 : values->back();
  };
  shown.step = static_cast<int64_t>(last("step")), shown.seconds = last("seconds");
  return shown;
}

/// The commands that made the run, one a line: of its first session, of each resume, of what derived it.
Json commands_of(const Json& meta, const std::string& folder) {
  Json commands = Json::array();
  const auto add = [&](const Json& entry) {
    if (const std::string command = text_of(entry, "command"); !command.empty()) commands.push_back(command);
  };
  add(meta);
  if (meta.contains("resumed") && meta["resumed"].is_array())
    for (const auto& entry : meta["resumed"])
      if (entry.is_object()) add(entry);
  if (meta.contains("derived") && meta["derived"].is_object()) add(meta["derived"]);
  commands.push_back(str("kaem sample ", shell_word(folder), " -n 64 --out samples.png"));
  return commands;
}

Json run_json(const Shown& shown, const std::string& label) {
  const RunFolder& folder = shown.folder;
  const Config& config = shown.config;
  const std::string ini = to_ini(kept_config(config));
  const auto [defaults, before] = defaults_of(config);
  const Json meta = meta_of(folder.path());
  Json run = {{"name", label}, {"dataset", config.run.dataset}, {"mode", config.run.mode}};
  run["data"] = config.run.dataset;
  if (shown.model) {
    const auto [channels, height, width] = shown.model->model->shape;
    run["data"] = str(config.run.dataset, ", ", channels > 1 ? str(channels, "x") : "", height, "x", width);
  }
  run["model"] = shown.model ? model_text(config, *shown.model->model) : "";
  run["posterior"] = posterior_text(config);
  run["length"] = str("schedules made for ",
                      config.run.updates > 0 ? str(config.run.updates, " updates") : str(config.run.epochs, " epochs"),
                      " of batch ", config.run.batch_size, ", seed ", config.run.seed);
  run["updates"] = shown.step, run["seconds"] = shown.seconds;
  run["device"] = text_of(meta, "device"), run["threads"] = meta.value("threads", Json(nullptr));
  run["begun"] = text_of(meta, "time");
  run["remark"] = shown.remark;
  if (meta.contains("derived") && meta["derived"].is_object())
    run["remark"] =
        str("made of update ", shown.step, " of ", text_of(meta["derived"], "from"), ", whose curves are shown");
  else if (meta.empty())
    run["remark"] = "meta.json is missing or damaged: where and with what the run was made is not known";
  run["code"] = str("kaem ", text_of(meta, "version"), " ", text_of(meta, "git_revision"), ", LibTorch ",
                    text_of(meta, "libtorch"));
  run["defaults"] = defaults, run["config"] = ini;
  run["settings"] = Json::array(), run["all"] = Json::object();
  for (const auto& [key, old, now] : changed_values(before, ini))
    if (!is_place(key)) run["settings"].push_back({{"key", key}, {"before", old}, {"now", now}});
  for (const auto& [key, value] : ini_values(ini)) run["all"][key] = value;
  run["metrics"] = metrics_json(shown.history);
  run["samples"] = samples_json(folder.path());
  run["measures"] = measures_json(folder.path(), shown.step);
  const bool energies = shown.model && find_baseline(config.run.mode) == nullptr;
  run["prior"] = energies ? prior_json(*shown.model->model->prior, config.model.prior.mixture.enabled) : Json(nullptr);
  run["phases"] = phases_of(folder.path());
  run["commands"] = commands_of(meta, folder.path());
  return run;
}

/// JSON that may stand inside a script element: no text of it can end that.
std::string in_script(const Json& json) {
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace), safe;
  for (const char c : text) c == '<' ? safe.append("\\u003c") : safe.append(1, c);
  return safe;
}

}  // namespace

std::string page_of(const std::vector<std::string>& runs) {
  std::vector<std::string> folders, modes;
  std::vector<History> histories;
  std::vector<Shown> shown;
  for (const auto& run : runs) {
    shown.push_back(shown_of(run));
    const RunOptions& own = shown.back().config.run;
    folders.push_back(shown.back().folder.path()), modes.push_back(own.mode);
    histories.push_back(shown.back().history);
    if (const std::string& first = shown.front().config.run.dataset; own.dataset != first)
      throw UsageError(str(run, " is a run on ", own.dataset, ", ", runs.front(), " one on ", first,
                           ": expected runs on the same data"));
  }
  auto labels = labels_of(folders);
  if (folders.size() == 1) labels = {fs::weakly_canonical(folders.front()).filename().string()};
  Json data = {{"version", version()},
               {"made", local_time("%Y-%m-%d %H:%M")},
               {"panels", Json::array()},
               {"runs", Json::array()}};
  for (const auto& [title, unit, columns, logarithmic] : panels_of(histories, modes))
    data["panels"].push_back({{"title", title}, {"unit", unit}, {"columns", columns}, {"logarithmic", logarithmic}});
  for (size_t i = 0; i < runs.size(); ++i) data["runs"].push_back(run_json(shown[i], labels[i]));
  std::string page(kPage);
  page.replace(page.find(kDataMark), kDataMark.size(), in_script(data));
  return page;
}

std::string write_page(const std::string& run) {
  const RunFolder folder = RunFolder::open(run);
  const std::string path = folder.file(kReportFile);
  io::write_file_atomic(path, page_of({folder.path()}));
  return path;
}

}  // namespace kaem::report
