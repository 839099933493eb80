#include "kaem/report/history.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "kaem/core/error.h"
#include "kaem/train/run.h"

namespace kaem::report {
namespace {

const std::vector<Panel>& terms() {
  static const std::vector<Panel> panels = {
      {"Loss", "nats", {"loss"}},
      {"Log-likelihood of the posterior's samples", "nats", {"log_likelihood"}},
      {"Cross entropy of words", "nats per token", {"token_loss"}},
      {"Log-density of the prior at these samples", "nats", {"log_prior"}},
      {"Evidence", "nats", {"log_evidence", "elbo"}},
      {"Effective sample size", "draws", {"ess"}, true},
      {"Acceptance", "share of moves", {"acceptance"}},
      {"Communication barrier", "Λ", {"barrier"}},
      {"Discriminator's loss", "nats", {"discriminator_loss"}},
      {"Generator's loss", "nats", {"generator_loss"}},
      {"What the discriminator takes for data", "share of samples", {"fake_is_data"}},
      {"Norm of the gradient", "loss per unit of parameters", {"grad_norm"}, true},
      {"Learning rate", "step", {"lr"}, true},
  };
  return panels;
}

double number_of(const std::string& cell) {
  char* end = nullptr;
  const double value = std::strtod(cell.c_str(), &end);
  return cell.empty() || *end != '\0' ? std::nan("") : value;
}

}  // namespace

const std::vector<double>* History::find(const std::string& name) const {
  const auto found = std::find_if(columns.begin(), columns.end(), [&](const auto& c) { return c.first == name; });
  return found == columns.end() ? nullptr : &found->second;
}

History read_history(const std::string& run) {
  History history;
  std::ifstream file(run + "/" + kMetricsFile);
  std::string line;
  std::getline(file, line);
  std::istringstream names(line);
  for (std::string name; std::getline(names, name, ',');) history.columns.emplace_back(name, std::vector<double>{});
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    for (auto& [name, values] : history.columns) {
      std::string cell;
      std::getline(cells, cell, ',');
      values.push_back(number_of(cell));
    }
  }
  return history;
}

std::vector<Panel> panels_of(const std::vector<History>& histories, const std::vector<std::string>& modes) {
  std::vector<Panel> panels = terms();
  // Of a DDPM noise is predicted: its loss is no log-density.
  const auto is_ddpm = [](const std::string& mode) { return mode == "baseline-ddpm"; };
  if (std::all_of(modes.begin(), modes.end(), is_ddpm))
    panels.front().unit = "mean squared error";
  else if (std::any_of(modes.begin(), modes.end(), is_ddpm))
    panels.front().unit = "nats; of a DDPM mean squared error";
  std::set<std::string> measured;
  for (const auto& history : histories)
    for (const auto& [name, values] : history.columns)
      if (name.starts_with("eval_")) measured.insert(name);
  for (const auto& name : measured)
    panels.push_back({"Measured while it trained: " + name.substr(5), name == "eval_loglik" ? "nats" : "", {name}});
  std::erase_if(panels, [&](const Panel& panel) {
    return std::none_of(histories.begin(), histories.end(), [&](const History& history) {
      return std::any_of(panel.columns.begin(), panel.columns.end(), [&](const auto& name) {
        const auto* values = history.find(name);
        return values != nullptr && !values->empty();
      });
    });
  });
  return panels;
}

std::vector<std::string> labels_of(const std::vector<std::string>& folders) {
  namespace fs = std::filesystem;
  constexpr int kParts = 3;
  std::vector<std::string> labels;
  for (int parts = 1; parts <= kParts + 1; ++parts) {
    labels.clear();
    for (const auto& folder : folders) {
      const fs::path whole = fs::weakly_canonical(folder);
      fs::path path = whole, end;
      for (int i = 0; i < parts; ++i) end = path.filename() / end, path = path.parent_path();
      std::string label = (parts > kParts ? whole : end.parent_path()).string();
      if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(std::move(label));
    }
    if (labels.size() == folders.size()) return labels;
  }
  throw UsageError("a run is named twice");
}

}  // namespace kaem::report
