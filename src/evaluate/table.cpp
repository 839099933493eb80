#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "evaluate/rows.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"

namespace kaem::evaluate {

std::vector<Metric> all_metrics() {
  return {
      log_likelihood_metric(),      bidirectional_metric(),  frechet_metric(), kernel_metric(),
      precision_recall_metric(),    reconstruction_metric(), nearest_metric(), spectrum_metric(),
      out_of_distribution_metric(), anomaly_metric(),
  };
}

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream parts(list);
  for (std::string word; std::getline(parts, word, ',');) {
    word.erase(0, word.find_first_not_of(" \t"));
    word.erase(word.find_last_not_of(" \t") + 1);
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

std::vector<std::string> columns_of(const Metric& metric) {
  if (metric.columns.empty()) return {std::string(metric.name)};
  return {metric.columns.begin(), metric.columns.end()};
}

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const Metric& metric : all_metrics()) names.emplace_back(metric.name);
  return names;
}

Metric metric_of(const std::string& name) {
  for (const Metric& metric : all_metrics())
    if (metric.name == name) return metric;
  throw UsageError(unknown_name_message("metric", name, metric_names()));
}

std::string number_or_dash(double value) {
  if (std::isnan(value)) return "-";
  std::ostringstream text;
  text << std::fixed << std::setprecision(2) << value;
  return text.str();
}

namespace {

/// Four digits at least.
std::string number_text(double value) {
  if (std::isnan(value)) return "-";
  std::ostringstream text;
  const double size = std::abs(value);
  if (size >= 1000 || size == 0)
    text << std::fixed << std::setprecision(1) << value;
  else if (size >= 0.001)
    text << std::fixed << std::setprecision(size >= 10 ? 2 : 4) << value;
  else
    text << std::scientific << std::setprecision(3) << value;
  return text.str();
}

}  // namespace

std::string text_of(const std::string& title, const std::vector<std::string>& lines, const std::vector<Score>& scores) {
  std::ostringstream text;
  text << title << "\n";
  for (const auto& line : lines) text << "  " << line << "\n";
  constexpr int kName = 40, kNumber = 13;
  int width = kName;
  for (const Score& score : scores) width = std::max(width, static_cast<int>(score.name.size()));
  text << std::left << std::setw(width) << "" << std::right << std::setw(kNumber) << "value" << std::setw(kNumber)
       << "s.e."
       << "\n";
  for (const Score& score : scores)
    text << std::left << std::setw(width) << score.name << std::right << std::setw(kNumber) << number_text(score.value)
         << std::setw(kNumber) << number_text(score.error) << (score.note.empty() ? "" : "   " + score.note) << "\n";
  return text.str();
}

Score mean_of(const std::string& name, const at::Tensor& values, const std::string& note) {
  const auto count = static_cast<double>(values.size(0));
  const at::Tensor wide = values.to(at::kDouble);
  if (count < 2) return {name, wide.mean().item<double>(), std::nan(""), "one data point"};
  return {name, wide.mean().item<double>(), wide.std().item<double>() / std::sqrt(count), note};
}

std::string needs_density(Evaluation& evaluation) {
  return evaluation.run.model->likelihood->has_density() ? "" : "this model has no density p(x|z)";
}

std::string needs_pictures(Evaluation& evaluation) {
  return evaluation.is_text() ? "it is for pictures, but this run is on text" : "";
}

std::string to_json(const Evaluation& evaluation, const std::vector<Section>& sections) {
  nlohmann::ordered_json json = {{"run", evaluation.run.folder}, {"step", evaluation.run.step}};
  for (const Section& section : sections) {
    json.update(nlohmann::ordered_json::parse(section.json));
    for (const Score& score : section.scores) {
      nlohmann::ordered_json& row = json["scores"][score.name];
      row["value"] = std::isfinite(score.value) ? nlohmann::ordered_json(score.value) : nlohmann::ordered_json();
      row["standard_error"] =
          std::isfinite(score.error) ? nlohmann::ordered_json(score.error) : nlohmann::ordered_json();
      if (!score.note.empty()) row["note"] = score.note;
    }
  }
  return json.dump(2) + "\n";
}

std::string to_csv(const std::vector<Section>& sections) {
  std::ostringstream text;
  text << "score,value,standard_error,note\n" << std::setprecision(17);
  const auto number = [&](double value) {
    if (std::isfinite(value)) text << value;
    text << ",";
  };
  const auto quoted = [](std::string word) {
    for (size_t at = 0; (at = word.find('"', at)) != std::string::npos; at += 2) word.insert(at, "\"");
    return "\"" + word + "\"";
  };
  for (const Section& section : sections)
    for (const Score& score : section.scores) {
      text << quoted(score.name) << ",";
      number(score.value), number(score.error);
      text << (score.note.empty() ? "" : quoted(score.note)) << "\n";
    }
  return text.str();
}

}  // namespace kaem::evaluate
