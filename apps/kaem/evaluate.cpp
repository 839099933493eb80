#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numbers>
#include <sstream>

#include "commands.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/data/dataset.h"
#include "kaem/data/text.h"
#include "kaem/io/file.h"
#include "kaem/io/image.h"
#include "kaem/mcmc/kernels.h"
#include "kaem/metrics/log_likelihood.h"
#include "kaem/train/trainer.h"

namespace kaem::app {
namespace {

using at::Tensor;

struct EvaluateArguments {
  std::string run, metrics = "loglik", methods = "is,ais", count = "100", samples = "10000", chains = "10",
                   levels = "500", kernel = "mala", json, reconstructions;
};

constexpr const char* kEvaluateExamples = R"(
Examples:
  kaem evaluate last                                      log p(x) of 100 test data by importance sampling and AIS
  kaem evaluate last --methods ais --levels 2000 --chains 20 --json scores.json
  kaem evaluate last --reconstructions rows.png           test data above, posterior means below)";

/// A row of the table.
struct Row {
  std::string name;
  double value = 0, error = 0;  ///< mean over the data, and the standard error of that mean from the estimates' own
  double spread = 0;            ///< standard error of the mean over data
  double ess = std::nan("");    ///< mean over the data; not a number where there are no weights
  double seconds = 0;
  std::vector<double> values = {};  ///< of each datum
};

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (size_t from = 0; from <= text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    if (comma > from) words.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return words;
}

void check_word(const char* what, const std::string& word, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), word) == known.end())
    throw UsageError(unknown_name_message(what, word, known));
}

Row row_of(const std::string& name, const metrics::LogLikelihood& estimate, double seconds) {
  const auto count = static_cast<double>(estimate.value.size(0));
  Row row{name, estimate.value.mean().item<double>(), estimate.error_of_mean(), 0, 0, seconds};
  const Tensor values = estimate.value.to(at::kCPU, at::kDouble).contiguous();
  row.values.assign(values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel());
  row.spread = count > 1 ? estimate.value.std().item<double>() / std::sqrt(count) : std::nan("");
  if (estimate.ess.defined()) row.ess = estimate.ess.mean().item<double>();
  return row;
}

struct TestData {
  Tensor x;            ///< as the model sees them [N,D], on its device
  Tensor images;       ///< float32 [N,·] on the CPU: pixels, also of a run on principal components
  int64_t tokens = 0;  ///< of text: words and ends of sequences; 0: images
  bool bits = false;   ///< bytes with noise, of which bits per dimension can be told
  double unigram = 0;  ///< their cross entropy under the frequencies of the training data, nats per token
};

/// Of text: the vocabulary is the run's, and the tokens are counted.
void count_tokens(const Dataset& data, const LoadedRun& run, TestData& test) {
  if (data.vocabulary != run.vocabulary)
    throw DataError(str(run.folder, "/vocabulary.txt: the data have another vocabulary than when the run was made"));
  test.tokens = (test.x >= 0).sum().item<int64_t>();
  test.unigram = unigram_cross_entropy(data.train, test.x, run.config.model.generator.seq.vocab_size);
}

/// Test data of the run's own configuration.
TestData test_data(const LoadedRun& run, const Common& common, int64_t count) {
  DatasetOptions options = run.config.data;
  if (!common.data_dir.empty() || std::getenv("KAEM_DATA_DIR") != nullptr) options.root = data_dir_of(common);
  options.offline = options.offline || common.offline;
  options.progress = show_progress();
  options.use_pca = false;  // the run's own components count
  // Without a test file the run held out as many as it was told to, and trained on all others.
  Dataset data = make_dataset(options);
  if (!data.test_from_training && data.test.size(0) < count) {
    options.test_size = count;
    data = make_dataset(options);
  }
  log::set_status_line("");
  if (data.test.size(0) == 0) throw DataError(str(data.name, ": no test records ([TRAINING] N_test = 0)"));
  if (data.test.size(0) < count) log::warn(str("only ", data.test.size(0), " test records"));
  const int64_t size = std::min(count, data.test.size(0));
  TestData test;
  test.images = Dataset::to_float(data.test, at::arange(size, at::kLong));
  test.bits = options.dequantize && data.test.scalar_type() == at::kByte;
  test.x = run.pca ? run.pca->project(test.images) : test.images;
  if (test.bits) {
    const auto noise = Rng(run.config.run.seed).uniform(Stream::kDequantize, -1, test.x.sizes());
    test.x = (test.x * 255 + noise) / 256;  // what the density is of, as in training
  }
  test.x = test.x.to(at::Device(run.device));
  if (data.is_text()) count_tokens(data, run, test);
  return test;
}

double per_token(const Row& row, const TestData& test) {
  return -row.value * static_cast<double>(test.x.size(0)) / static_cast<double>(test.tokens);
}

void print_per_token(const std::vector<Row>& rows, const TestData& test) {
  std::cout << "per token, " << std::left << std::setw(13) << grouped(test.tokens) << std::right << std::setw(12)
            << "nats" << std::setw(12) << "perplexity\n";
  const auto line = [](const std::string& name, double nats) {
    std::cout << std::left << std::setw(24) << name << std::right << std::fixed << std::setprecision(4) << std::setw(12)
              << nats << std::setprecision(1) << std::setw(11) << std::exp(nats) << "\n";
  };
  for (const auto& row : rows) line(row.name, per_token(row, test));
  line("unigram frequencies", test.unigram);
}

/// Two digits; `-` where there is no number: one draw, or one datum, has no standard error.
std::string number_or_dash(double value) {
  if (std::isnan(value)) return "-";
  std::ostringstream text;
  text << std::fixed << std::setprecision(2) << value;
  return text.str();
}

nlohmann::ordered_json number_or_null(double value) {
  return std::isnan(value) ? nlohmann::ordered_json() : nlohmann::ordered_json(value);
}

void print_table(const std::vector<Row>& rows, const TestData& test, const LoadedRun& run) {
  const Tensor& x = test.x;
  std::cout << "log p(x) of " << x.size(0) << " test data, nats: " << run.folder << " after update " << run.step << "\n"
            << std::left << std::setw(24) << "method" << std::right << std::setw(12) << "mean" << std::setw(10)
            << "s.e." << std::setw(12) << "over data" << std::setw(10) << "ESS" << std::setw(10) << "seconds\n";
  for (const auto& row : rows)
    std::cout << std::left << std::setw(24) << row.name << std::right << std::fixed << std::setprecision(2)
              << std::setw(12) << row.value << std::setw(10) << number_or_dash(row.error) << std::setw(12)
              << number_or_dash(row.spread) << std::setw(10) << number_or_dash(row.ess) << std::setw(9)
              << std::setprecision(1) << row.seconds << "\n";
  std::cout
      << "lower bounds in expectation, but for a right sum; s.e. of the draws, beside that of the choice of data\n";
  constexpr double kFew = 3;
  for (const auto& row : rows)
    if (row.ess < kFew)
      std::cout << row.name << " rests on " << std::setprecision(2) << row.ess
                << " draws a datum: it may lie far below log p(x), and its s.e. does not show it\n";
  if (test.tokens > 0) print_per_token(rows, test);
  if (!test.bits) return;
  for (const auto& row : rows)
    std::cout << "bits per dimension, " << row.name << ": " << std::setprecision(4)
              << 8 - row.value / (static_cast<double>(x.size(1)) * std::numbers::ln2) << "\n";
}

/// Posterior means act(g(z)) under the weights: [B,D].
Tensor reconstructions(ModelImpl& model, const metrics::Annealed& posterior) {
  Tensor sum;
  for (int64_t n = 0; n < posterior.z.size(1); ++n) {
    const Tensor xhat = model.likelihood->activate(model.generate_raw(posterior.z.select(1, n)));
    const Tensor part = posterior.weight.select(1, n).unsqueeze(1).to(xhat.scalar_type()) * xhat;
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

/// x, xhat [N,C,H,W].
void write_reconstructions(const std::string& path, const Tensor& x, const Tensor& xhat) {
  const int64_t shown = std::min<int64_t>(32, x.size(0)), row = std::min<int64_t>(8, shown);
  std::vector<Tensor> parts;
  for (int64_t from = 0; from < shown; from += row)
    for (const auto* t : {&x, &xhat}) {
      const Tensor part = t->slice(0, from, std::min(from + row, shown));
      parts.push_back(at::constant_pad_nd(part, {0, 0, 0, 0, 0, 0, 0, row - part.size(0)}));  // whole rows
    }
  io::write_png_grid(path, at::cat(parts), row);
  std::cout << path << ": rows of test data, each above its posterior means\n";
}

nlohmann::ordered_json to_json(const std::vector<Row>& rows, const LoadedRun& run, const TestData& test, double mse) {
  nlohmann::ordered_json json = {{"run", run.folder}, {"step", run.step}, {"test_data", test.x.size(0)}};
  if (test.tokens > 0) json["tokens"] = test.tokens, json["unigram_per_token"] = test.unigram;
  for (const auto& row : rows) {
    json["log_likelihood"][row.name] = {{"mean", row.value},
                                        {"standard_error", number_or_null(row.error)},
                                        {"over_data", number_or_null(row.spread)},
                                        {"ess", number_or_null(row.ess)},
                                        {"seconds", row.seconds},
                                        {"values", row.values}};
    if (test.tokens > 0) json["log_likelihood"][row.name]["per_token"] = per_token(row, test);
  }
  if (mse >= 0) json["reconstruction_mse"] = mse;
  return json;
}

void evaluate(const EvaluateArguments& a, const Common& common) {
  for (const auto& metric : words_of(a.metrics)) check_word("metric", metric, {"loglik"});
  const auto methods = words_of(a.methods);
  if (methods.empty()) throw UsageError("--methods: expected at least one of is, ss, ais");
  for (const auto& method : methods) check_word("method", method, {"is", "ss", "ais"});
  check_word("kernel", a.kernel, mcmc::exact_kernel_names());
  if (!a.reconstructions.empty() && std::find(methods.begin(), methods.end(), "ais") == methods.end())
    throw UsageError("--reconstructions: they are posterior means of AIS; expected ais among --methods");
  check_target("--json", a.json);
  check_target("--reconstructions", a.reconstructions);
  const int64_t count = integer_of("-n", a.count, 1, 1000000),
                samples = integer_of("--samples", a.samples, 1, 100000000),
                chains = integer_of("--chains", a.chains, 1, 100000),
                levels = integer_of("--levels", a.levels, 2, 1000000);
  prepare_threads(common);
  const at::NoGradGuard no_grad;
  LoadedRun run = load_run(a.run, common.device.empty() ? "auto" : common.device);
  const Rng rng(seed_of(common, run.config.run.seed));
  const bool text = run.config.model.generator.seq.use();
  if (text && !a.reconstructions.empty()) throw UsageError("--reconstructions is a picture, but this run is on text");
  const TestData test = test_data(run, common, count);
  const Tensor& x = test.x;
  const DataShape& shape = run.model->shape;

  std::vector<Row> rows;
  double mse = -1;
  for (const auto& method : methods) {
    const auto start = std::chrono::steady_clock::now();
    const auto seconds = [&] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    if (method == "is") {
      const auto estimate = metrics::importance_log_likelihood(*run.model, x, samples, rng);
      rows.push_back(row_of("importance sampling", estimate, seconds()));
    } else if (method == "ss") {
      metrics::SteppingStoneOptions options;
      options.kernel = a.kernel, options.chains = std::max<int64_t>(2, chains);
      const auto estimate = metrics::stepping_stone_log_likelihood(*run.model, x, options, rng);
      rows.push_back(row_of("stepping stone", estimate.ss, seconds()));
      metrics::LogLikelihood left{estimate.left, estimate.left_error, {}},
          right{estimate.right, estimate.right_error, {}};
      rows.push_back(row_of("  left sum (below)", left, seconds()));
      rows.push_back(row_of("  right sum (above)", right, seconds()));
    } else {
      const metrics::PathOptions options{.kernel = a.kernel, .levels = levels, .chains = chains};
      const auto estimate = metrics::annealed_log_likelihood(*run.model, x, options, rng);
      rows.push_back(row_of("annealed importance", estimate, seconds()));
      if (text) continue;
      const Tensor xhat =
          run.to_images(reconstructions(*run.model, estimate).reshape({x.size(0), shape[0], shape[1], shape[2]}));
      const Tensor images = test.images.reshape(xhat.sizes());
      mse = (xhat - images).square().mean().item<double>();
      if (!a.reconstructions.empty()) write_reconstructions(a.reconstructions, images, xhat);
    }
  }
  print_table(rows, test, run);
  if (mse >= 0) std::cout << "reconstruction through AIS' posterior means: MSE " << std::setprecision(5) << mse << "\n";
  if (!a.json.empty()) {
    io::write_file_atomic(a.json, to_json(rows, run, test, mse).dump(2) + "\n");
    std::cout << a.json << ": the same as JSON\n";
  }
}

}  // namespace

Command add_evaluate(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("evaluate", "Measure a trained run on test data");
  const auto a = std::make_shared<EvaluateArguments>();
  app->add_option("RUN", a->run, "Folder of a run, or last");
  app->add_option("--metrics", a->metrics, "What to measure: loglik");
  app->add_option("--methods", a->methods, "Estimates of log p(x): is, ss, ais, separated by commas (is,ais)");
  app->add_option("-n,--count", a->count, "Test data (100)")->type_name("N");
  app->add_option("--samples", a->samples, "Draws of importance sampling (10000)")->type_name("N");
  app->add_option("--chains", a->chains, "Chains of each datum (10)")->type_name("N");
  app->add_option("--levels", a->levels, "Temperatures of AIS (500)")->type_name("N");
  app->add_option("--kernel", a->kernel, str("Moves of ss and ais: ", listed(mcmc::exact_kernel_names()), " (mala)"));
  app->add_option("--reconstructions", a->reconstructions, "Picture of test data and posterior means")
      ->type_name("F.png");
  app->add_option("--json", a->json, "The table as JSON")->type_name("F");
  app->footer(kEvaluateExamples);
  const auto run = [a, &common] {
    if (a->run.empty())
      throw UsageError("kaem evaluate: expected a RUN (a run's folder, or last); see kaem evaluate --help");
    evaluate(*a, common);
  };
  return {app,
          run,
          {"device", "threads", "seed", "data-dir", "offline", "log", "deterministic", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
