#include "kaem/train/metrics.h"

#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

constexpr std::string_view kPrefix = "data.metrics.";

std::string number(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

/// The step that a row begins with, or -1.
int64_t row_step(std::string_view line) {
  int64_t step = -1;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), step);
  return error == std::errc() && end != line.data() + line.size() && *end == ',' ? step : -1;
}

}  // namespace

void Metrics::add(const std::vector<Number>& averages, const std::vector<Number>& counts) {
  averages_ = averages, counts_ = counts;
  for (const auto& [name, value, measure] : averages) {
    if (measure == Measure::kSwapRate && std::isnan(value))  // a pair that was not tried
      ++missing_[name];
    else
      sums_[name] += value;
  }
  for (const auto& count : counts) sums_[count.name] += count.value;
  ++updates_;
}

void Metrics::measure(const std::vector<double>& values) {
  for (size_t i = 0; i < measured_names_.size(); ++i)
    if (!std::isnan(values.at(i))) measured_[measured_names_[i]] = values[i];
}

std::vector<Number> Metrics::write_row(int64_t step, int64_t epoch, double seconds, double learning_rate) {
  std::vector<Number> row = {
      {"step", static_cast<double>(step)}, {"epoch", static_cast<double>(epoch)}, {"seconds", seconds}};
  // The barrier is a sum over pairs, some of which may not be tried in every update: it is taken of their means.
  double barrier = 0;
  for (const auto& [name, value, measure] : averages_) {
    const auto count = static_cast<double>(updates_ - missing_[name]);
    const double mean = count > 0 ? sums_[name] / count : std::nan("");
    if (measure == Measure::kSwapRate && count > 0) barrier += 1 - mean;
    row.push_back({name, measure == Measure::kBarrier ? barrier : mean, measure});
  }
  row.push_back({"lr", learning_rate});
  for (const auto& count : counts_) row.push_back({count.name, sums_[count.name]});
  std::vector<std::pair<std::string, std::string>> cells;
  for (const auto& [name, value, measure] : row)
    cells.emplace_back(name, measure == Measure::kSwapRate && std::isnan(value) ? "" : number(value));
  for (const auto& name : measured_names_) {
    cells.emplace_back(name, measured_.contains(name) ? number(measured_[name]) : "");
    if (measured_.contains(name)) row.push_back({name, measured_[name]});
  }
  file_.append(lines_of(cells));
  sums_.clear(), missing_.clear(), measured_.clear();
  updates_ = 0;
  return row;
}

/// The row as the file's header has it (a run may go on with other measures than it began with), or both.
std::string Metrics::lines_of(const std::vector<std::pair<std::string, std::string>>& cells) const {
  std::ifstream file(file_.path());
  std::string header, row;
  const bool there = std::getline(file, header) && !header.empty();
  if (!there)
    for (const auto& [name, cell] : cells) header.append(header.empty() ? "" : ",").append(name);
  std::istringstream names(header);
  for (std::string name; std::getline(names, name, ',');) {
    const auto cell = std::find_if(cells.begin(), cells.end(), [&](const auto& c) { return c.first == name; });
    row.append(row.empty() ? "" : ",").append(cell == cells.end() ? "" : cell->second);
  }
  return there ? row + "\n" : header + "\n" + row + "\n";
}

std::optional<double> Metrics::last(const std::string& column) const {
  std::ifstream file(file_.path());
  std::string header, line, row;
  std::getline(file, header);
  while (std::getline(file, line))
    if (!line.empty()) row = line;
  std::istringstream names(header), values(row);
  for (std::string name, value; std::getline(names, name, ',') && std::getline(values, value, ',');)
    if (name == column && !value.empty()) return std::strtod(value.c_str(), nullptr);
  return {};
}

io::NamedTensors Metrics::named_state() const {
  io::NamedTensors state;
  state.emplace_back(str(kPrefix, "updates"), at::scalar_tensor(updates_, at::kLong));
  for (const auto& [name, sum] : sums_)
    state.emplace_back(str(kPrefix, "sum.", name), at::scalar_tensor(sum, at::kDouble));
  for (const auto& [name, count] : missing_)
    if (count > 0) state.emplace_back(str(kPrefix, "missing.", name), at::scalar_tensor(count, at::kLong));
  for (const auto& [name, value] : measured_)
    state.emplace_back(str(kPrefix, "measured.", name), at::scalar_tensor(value, at::kDouble));
  return state;
}

void Metrics::restore(const std::map<std::string, at::Tensor>& tensors) {
  sums_.clear(), missing_.clear(), measured_.clear();
  updates_ = 0;
  const std::string sum_prefix = str(kPrefix, "sum."), missing_prefix = str(kPrefix, "missing."),
                    measured_prefix = str(kPrefix, "measured.");
  for (const auto& [name, tensor] : tensors) {
    if (name == str(kPrefix, "updates")) updates_ = tensor.item<int64_t>();
    if (name.starts_with(missing_prefix)) missing_[name.substr(missing_prefix.size())] = tensor.item<int64_t>();
    if (name.starts_with(measured_prefix)) measured_[name.substr(measured_prefix.size())] = tensor.item<double>();
    if (name.starts_with(sum_prefix)) sums_[name.substr(sum_prefix.size())] = tensor.item<double>();
  }
}

void Metrics::cut(int64_t step, int64_t last_row) const {
  if (!file_.exists()) return;
  const std::string text = io::read_file(file_.path());
  std::string kept;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // torn: every line that is whole ends in a newline
    const std::string_view line(text.data() + begin, end - begin + 1);
    const int64_t at = row_step(line);
    const bool provisional = at == step && at > last_row;
    if (begin == 0 || (at > 0 && at <= step && !provisional)) kept += line;
    begin = end + 1;
  }
  if (kept != text) io::write_file_atomic(file_.path(), kept);
}

}  // namespace kaem
