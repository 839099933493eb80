#include "tune_state.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"

namespace kaem::app {
namespace {

/// Values are lists with commas now and then.
std::string quoted(const std::string& field) {
  return field.find(',') == std::string::npos ? field : str("\"", field, "\"");
}

std::vector<std::string> fields_of(std::string_view line) {
  std::vector<std::string> fields(1);
  bool inside = false;
  for (const char c : line) {
    if (c == '"')
      inside = !inside;
    else if (c == ',' && !inside)
      fields.emplace_back();
    else
      fields.back() += c;
  }
  return fields;
}

template <class T>
bool read_number(const std::string& text, T& value) {
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc() && end == text.data() + text.size();
}

std::string line_of(const TrialRow& row) {
  std::string line = str(row.trial, ",", row.status, ",", row.steps, ",", row.metric ? metric_text(*row.metric) : "");
  for (const auto& value : row.values) line.append(",").append(quoted(value));
  return line;
}

}  // namespace

std::string metric_text(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

TrialTable::TrialTable(std::string path, const Search& search) : path_(std::move(path)) {
  for (const auto& k : search.keys) names_.push_back(str(k.section, ".", k.key));
  std::error_code ignored;
  if (!std::filesystem::exists(path_, ignored)) return;
  std::istringstream text(io::read_file(path_));
  std::string line;
  std::getline(text, line);
  if (line != header()) throw UsageError(str(path_, ": its columns are not those of this search"));
  for (int number = 2; std::getline(text, line); ++number) {
    const auto fields = fields_of(line);
    TrialRow row;
    double metric = 0;
    const bool whole = fields.size() == 4 + names_.size() && read_number(fields[0], row.trial) &&
                       read_number(fields[2], row.steps) && (fields[3].empty() || read_number(fields[3], metric));
    if (!whole) throw UsageError(str(path_, ":", number, ": is damaged"));
    row.status = fields[1];
    if (!fields[3].empty()) row.metric = metric;
    row.values.assign(fields.begin() + 4, fields.end());
    rows_.push_back(std::move(row));
  }
}

std::string TrialTable::header() const {
  std::string line = "trial,status,updates,metric";
  for (const auto& name : names_) line.append(",").append(name);
  return line;
}

const TrialRow* TrialTable::find(int64_t trial, int64_t steps) const {
  for (const auto& row : rows_)
    if (row.trial == trial && row.steps == steps) return &row;
  return nullptr;
}

void TrialTable::add(TrialRow row) {
  if (row.metric) {
    // What is decided now and what is decided after a resume must see the same number.
    double rounded = 0;
    read_number(metric_text(*row.metric), rounded);
    row.metric = rounded;
  }
  rows_.push_back(std::move(row));
  std::string text = header() + "\n";
  for (const auto& r : rows_) text.append(line_of(r)).append("\n");
  io::write_file_atomic(path_, text);
}

const TrialRow* best_of(const std::vector<const TrialRow*>& rows, bool higher_is_better) {
  const TrialRow* best = nullptr;
  for (const TrialRow* row : rows) {
    if (!row->metric) continue;
    const bool better = !best || (higher_is_better ? *row->metric > *best->metric : *row->metric < *best->metric) ||
                        (*row->metric == *best->metric && row->trial < best->trial);
    if (better) best = row;
  }
  return best;
}

}  // namespace kaem::app
