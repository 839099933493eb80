#include <ATen/core/Tensor.h>

#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/text.h"
#include "kaem/io/file.h"
#include "kaem/train/run.h"

namespace kaem::app {
namespace {

constexpr size_t kRows = 10;  // rows of the history that are shown, evenly spaced, first and last among them

constexpr const char* kInspectExamples = R"(
Example:
  kaem inspect last)";

void heading(const std::string& text) { std::cout << "\n" << text << "\n" << std::string(text.size(), '-') << "\n"; }

/// meta.json, a line a key; nothing if it cannot be read.
void print_meta(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return;
  const auto meta = nlohmann::ordered_json::parse(io::read_json(path), nullptr, false);
  if (!meta.is_object()) return;
  heading("origin (meta.json)");
  for (const auto& [key, value] : meta.items()) {
    if (!value.is_array()) {
      std::cout << std::left << std::setw(16) << key << (value.is_string() ? value.get<std::string>() : value.dump())
                << "\n";
      continue;
    }
    for (const auto& entry : value) std::cout << std::left << std::setw(16) << key << entry.dump() << "\n";
  }
}

void print_parameters(const Checkpoint& checkpoint) {
  heading(str("tensors of the model, update ", checkpoint.step));
  int64_t total = 0;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!name.starts_with("model.")) continue;
    std::cout << std::left << std::setw(44) << name.substr(6) << std::setw(16) << shape_text(tensor.sizes())
              << std::right << std::setw(12) << grouped(tensor.numel()) << "\n";
    total += tensor.numel();
  }
  std::cout << std::left << std::setw(60) << "all" << std::right << std::setw(12) << grouped(total) << "\n";
}

void print_data(const Checkpoint& checkpoint) {
  heading("data");
  for (const char* name : {"data.shape", "data.scale"}) {
    const auto found = checkpoint.tensors.find(name);
    if (found == checkpoint.tensors.end()) continue;
    const at::Tensor& tensor = found->second;
    std::cout << std::left << std::setw(16) << std::string(name).substr(5);
    for (int64_t i = 0; i < tensor.numel(); ++i) std::cout << (i > 0 ? " " : "") << tensor.flatten()[i].item<double>();
    std::cout << "\n";
  }
}

/// The words that a run on text tells apart.
void print_vocabulary(const RunFolder& folder, const Checkpoint& checkpoint) {
  constexpr size_t kShown = 12;
  const auto words = parse_vocabulary(folder.read_kept_file(kVocabularyFile, checkpoint), folder.file(kVocabularyFile));
  std::cout << std::left << std::setw(16) << "vocabulary" << grouped(static_cast<int64_t>(words.size())) << " words:";
  for (size_t i = 0; i < std::min(kShown, words.size()); ++i) std::cout << " " << words[i];
  std::cout << (words.size() > kShown ? " ...\n" : "\n");
}

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> parts;
  for (size_t from = 0; from <= line.size();) {
    const size_t comma = std::min(line.find(',', from), line.size());
    parts.push_back(line.substr(from, comma - from));
    from = comma + 1;
  }
  return parts;
}

/// Some rows of metrics.csv as a table.
void print_history(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(cells(line));
  if (rows.size() < 2) return;
  heading(str("history (metrics.csv, ", rows.size() - 1, " rows)"));
  std::vector<size_t> shown = {0};
  const size_t last = rows.size() - 1, count = std::min(kRows, last);
  for (size_t i = 0; i < count; ++i) shown.push_back(count == 1 ? last : 1 + i * (last - 1) / (count - 1));
  std::vector<size_t> width(rows[0].size(), 0);
  for (const size_t row : shown)
    for (size_t c = 0; c < std::min(width.size(), rows[row].size()); ++c)
      width[c] = std::max(width[c], rows[row][c].size());
  for (const size_t row : shown) {
    for (size_t c = 0; c < std::min(width.size(), rows[row].size()); ++c)
      std::cout << std::right << std::setw(static_cast<int>(width[c]) + (c > 0 ? 2 : 0)) << rows[row][c];
    std::cout << "\n";
  }
}

void inspect(const std::string& name) {
  const auto folder = RunFolder::open(name);
  std::optional<Checkpoint> checkpoint;
  if (!folder.checkpoint_steps().empty()) checkpoint = folder.load_checkpoint();
  const Config config = checkpoint ? folder.config_of(*checkpoint) : folder.config();
  std::cout << folder.path() << ": " << config.run.mode << " training on " << config.run.dataset << "\n";
  heading("configuration");
  std::cout << to_ini(config);
  print_meta(folder.file("meta.json"));
  if (!checkpoint) {
    std::cout << "\nno checkpoint yet\n";
  } else {
    print_parameters(*checkpoint);
    print_data(*checkpoint);
    if (config.model.generator.seq.use()) print_vocabulary(folder, *checkpoint);
  }
  print_history(folder.file("metrics.csv"));
}

}  // namespace

Command add_inspect(CLI::App& program, const Common&) {
  CLI::App* app = program.add_subcommand("inspect", "Print a run's configuration, tensors, origin and history");
  const auto name = std::make_shared<std::string>();
  app->add_option("RUN", *name, "Folder of a run, or last");
  app->footer(kInspectExamples);
  const auto run = [name] {
    if (name->empty())
      throw UsageError("kaem inspect: expected a RUN (a run's folder, or last); see kaem inspect --help");
    inspect(*name);
  };
  return {app, run, {"log", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
