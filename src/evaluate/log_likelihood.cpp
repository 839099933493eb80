#include <ATen/ATen.h>

#include <chrono>
#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <numbers>
#include <sstream>

#include "evaluate/rows.h"
#include "kaem/core/error.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/prior/prior.h"

namespace kaem::evaluate {
namespace {

using at::Tensor;

constexpr const char* kImportance = "importance sampling";

/// A row of the table.
struct Row {
  std::string name;
  double value = 0, error = 0;  ///< mean over the data, and the standard error of that mean from the estimates' own
  double spread = 0;            ///< standard error of the mean over data
  double ess = std::nan("");    ///< mean over the data; not a number where there are no weights
  double seconds = 0;
  std::vector<double> values = {};  ///< of each datum
  double few = 3;                   ///< an `ess` below it is said to be small: of ten chains there are never many
};

Row row_of(const std::string& name, const metrics::LogLikelihood& estimate, double seconds) {
  const auto count = static_cast<double>(estimate.value.size(0));
  Row row{name, estimate.value.mean().item<double>(), estimate.error_of_mean(), 0, std::nan(""), seconds};
  const Tensor values = estimate.value.to(at::kCPU, at::kDouble).contiguous();
  row.values.assign(values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel());
  row.spread = count > 1 ? estimate.value.std().item<double>() / std::sqrt(count) : std::nan("");
  if (estimate.ess.defined()) row.ess = estimate.ess.mean().item<double>();
  return row;
}

double per_token(const Row& row, const TestData& test) {
  return -row.value * static_cast<double>(test.x.size(0)) / static_cast<double>(test.tokens);
}

double bits_per_dimension(double value, const TestData& test) {
  return 8 - value / (static_cast<double>(test.x.size(1)) * std::numbers::ln2);
}

void print_per_token(std::ostream& out, const std::vector<Row>& rows, const TestData& test) {
  out << "per token, " << std::left << std::setw(13) << grouped(test.tokens) << std::right << std::setw(12) << "nats"
      << std::setw(12) << "perplexity\n";
  const auto line = [&](const std::string& name, double nats) {
    out << std::left << std::setw(24) << name << std::right << std::fixed << std::setprecision(4) << std::setw(12)
        << nats << std::setprecision(1) << std::setw(11) << std::exp(nats) << "\n";
  };
  for (const auto& row : rows) line(row.name, per_token(row, test));
  line("unigram frequencies", test.unigram);
}

/// Estimates that rest on few draws, a line each.
std::string remark_of(const std::vector<Row>& rows) {
  std::ostringstream out;
  for (const auto& row : rows)
    if (row.ess < row.few)
      out << row.name << " rests on " << std::fixed << std::setprecision(2) << row.ess
          << " draws a data point: it may lie far below log p(x), and its s.e. does not show it\n";
  return out.str();
}

std::string table_of(const std::vector<Row>& rows, const TestData& test, const LoadedRun& run) {
  std::ostringstream out;
  out << "log p(x) of " << test.x.size(0) << " test data, nats: " << run.folder << " after update " << run.step << "\n"
      << std::left << std::setw(24) << "method" << std::right << std::setw(12) << "mean" << std::setw(10) << "s.e."
      << std::setw(12) << "over data" << std::setw(10) << "ESS" << std::setw(10) << "seconds\n";
  for (const auto& row : rows)
    out << std::left << std::setw(24) << row.name << std::right << std::fixed << std::setprecision(2) << std::setw(12)
        << row.value << std::setw(10) << number_or_dash(row.error) << std::setw(12) << number_or_dash(row.spread)
        << std::setw(10) << number_or_dash(row.ess) << std::setw(9) << std::setprecision(1) << row.seconds << "\n";
  out << "s.e.: of the mean, from the draws; over data: from the choice of test data. All are lower bounds in "
         "expectation, but a right sum is an upper one\n";
  out << remark_of(rows);
  if (test.tokens > 0) print_per_token(out, rows, test);
  if (!test.bits) return out.str();
  for (const auto& row : rows)
    out << "bits per dimension, " << row.name << ": " << std::setprecision(4) << bits_per_dimension(row.value, test)
        << "\n";
  return out.str();
}

std::string json_of(const std::vector<Row>& rows, const TestData& test) {
  nlohmann::ordered_json json = {{"test_data", test.x.size(0)}};
  if (test.tokens > 0) json["tokens"] = test.tokens, json["unigram_per_token"] = test.unigram;
  for (const auto& row : rows) {
    json["log_likelihood"][row.name] = {{"mean", row.value}, {"standard_error", row.error}, {"over_data", row.spread},
                                        {"ess", row.ess},    {"seconds", row.seconds},      {"values", row.values}};
    if (test.tokens > 0) json["log_likelihood"][row.name]["per_token"] = per_token(row, test);
  }
  return json.dump();
}

/// Rows of one method.
std::vector<Row> rows_of(Evaluation& e, const std::string& method) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  const Tensor& x = e.test().x;
  if (method == "is") {
    const auto estimate = metrics::importance_log_likelihood(*e.run.model, x, e.options.samples, e.rng);
    Row row = row_of(kImportance, estimate, seconds());
    row.few = 10;  // a mean over data: of ten thousand draws even 6 leave data that rest on one
    return {row};
  }
  if (method == "ais") {
    const metrics::Annealed& estimate = e.posterior();
    return {row_of("annealed importance", estimate, seconds())};
  }
  metrics::SteppingStoneOptions options;
  options.kernel = e.options.kernel, options.chains = e.options.chains;
  const auto estimate = metrics::stepping_stone_log_likelihood(*e.run.model, x, options, e.rng);
  const metrics::LogLikelihood left{estimate.left, estimate.left_error, {}},
      right{estimate.right, estimate.right_error, {}};
  return {row_of("stepping stone", estimate.ss, seconds()), row_of("  left sum (below)", left, seconds()),
          row_of("  right sum (above)", right, seconds())};
}

Section measure_log_likelihood(Evaluation& e) {
  std::vector<Row> rows;
  const bool others =
      std::any_of(e.options.methods.begin(), e.options.methods.end(), [](const auto& m) { return m != "is"; });
  for (const auto& method : e.options.methods) {
    if (method == "is" && others && !e.run.model->prior->normalised()) {
      e.warnings.emplace_back("importance sampling is left out: a deep prior has no normaliser");
      continue;
    }
    const auto more = rows_of(e, method);
    rows.insert(rows.end(), more.begin(), more.end());
  }
  Section section{table_of(rows, e.test(), e.run), {}, json_of(rows, e.test()), remark_of(rows)};
  const auto dimensions = static_cast<double>(e.test().x.size(1));
  for (const auto& row : rows) {
    const std::string name = row.name.substr(row.name.find_first_not_of(' ')),
                      none = std::isnan(row.error) ? "one draw" : "";
    section.scores.push_back({"log p(x), " + name, row.value, row.error, none});
    if (e.test().bits)
      section.scores.push_back({"bits per dimension, " + name, bits_per_dimension(row.value, e.test()),
                                row.error / (dimensions * std::numbers::ln2), none});
    if (e.test().tokens > 0) {
      const double perplexity = std::exp(per_token(row, e.test()));
      const double of_token =
          row.error * static_cast<double>(e.test().x.size(0)) / static_cast<double>(e.test().tokens);
      section.scores.push_back({"perplexity, " + name, perplexity, perplexity * of_token, none});
    }
    if (!std::isnan(row.ess)) section.scores.push_back({"ESS, " + name, row.ess, std::nan(""), "a mean over data"});
  }
  return section;
}

}  // namespace

Metric log_likelihood_metric() {
  return {"loglik",
          "log p(x) of test data, bits per dimension, of text perplexity; ESS",
          needs_density,
          measure_log_likelihood,
          {},
          /*higher_is_better=*/true};
}

}  // namespace kaem::evaluate
