#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kaem/data/dataset.h"
#include "kaem/metrics/distance.h"
#include "kaem/metrics/features.h"
#include "kaem/metrics/log_likelihood.h"
#include "kaem/train/trainer.h"

/// What a trained model is worth: `kaem evaluate`. A metric is a file of src/evaluate/ and a row of its table.
namespace kaem::evaluate {

/// What kaem compare has measured of a run, in its folder: "STEP METRIC SETTINGS SEED" -> [number, error, remark] of
/// its columns.
inline constexpr const char* kComparedFile = "compared.json";

struct Options {
  int64_t count = 100;                               ///< test data of log p(x) and of reconstructions
  std::vector<std::string> methods = {"is", "ais"};  ///< estimates of log p(x): is, ss, ais
  int64_t samples = 10000;                           ///< draws of importance sampling
  int64_t chains = 10;                               ///< of each datum
  int64_t levels = 500;                              ///< temperatures of AIS
  std::string kernel = "mala";
  int64_t generated = 10000;  ///< samples that are compared with data
  std::string features;       ///< file of a TorchScript network; empty: a classifier, trained on the labels
  std::string
      statistics;  ///< .npz of a reference's mean and covariance, read if it is there and else written; empty: none
  std::string reconstructions;  ///< picture to write: test data above posterior means; empty: none
  std::string nearest;          ///< picture to write: samples beside their nearest training data; empty: none
  std::string against;          ///< data set that ood tells the run's own from
  std::string cache;            ///< folder for what is made once (the classifier); empty: nothing is kept
};

/// A number with its standard error, or (NaN) a note that says why it has none.
struct Score {
  std::string name;
  double value = 0;
  double error = 0;
  std::string note = {};
};

/// What a metric found.
struct Section {
  std::string text;           ///< as printed: lines
  std::vector<Score> scores;  ///< the same, a number each
  std::string json = "{}";    ///< members beside "scores" of the JSON file, as an object
  std::string remark = {};    ///< why the numbers may be worth less than their errors say: lines, as in `text`
};

/// The test data as the model sees them, and as they are.
struct TestData {
  at::Tensor x;        ///< [N,D], on the model's device
  at::Tensor images;   ///< float32 [N,·] on the CPU: pixels, also of a run on principal components
  int64_t tokens = 0;  ///< of text: words and ends of sequences; 0: images
  bool bits = false;   ///< bytes with noise, of which bits per dimension can be told
  double unigram = 0;  ///< their cross entropy under the frequencies of the training data, nats per token
};

/// A run with all that its metrics share, each made when it is first asked for.
class Evaluation {
 public:
  /// `data`: the run's own, but for the folder that they are looked for in. `run` is kept by reference.
  Evaluation(LoadedRun& run, DatasetOptions data, Options options, const Rng& rng);

  LoadedRun& run;
  const Options options;
  const Rng rng;
  std::vector<std::string> warnings;  ///< to be printed, a line each

  bool is_text() const;

  /// Pictures (float32 [N,·], of text indices of words) as the model's densities take them: components of a run that
  /// has them; with noise where they are `bytes` and the run trained so. [N,D], on the model's device.
  at::Tensor as_model_sees(const at::Tensor& pictures, bool bytes);

  /// Takes these data for the run's, instead of reading them.
  void use(const Dataset& data) { data_ = data; }
  /// Drops what depends on the model's parameters, which have changed.
  void forget_model();

  DataShape picture_shape();  ///< of what is generated and of the data, principal components undone

  const Dataset& data();
  const DatasetOptions& data_options() const { return data_options_; }
  const TestData& test();                ///< Options::count of them
  const metrics::Annealed& posterior();  ///< AIS of `test`
  at::Tensor posterior_means();          ///< of `test`, as pictures [N,C,H,W] on the CPU
  const at::Tensor& generated();         ///< float32 [Options::generated,C,H,W] on the CPU
  /// Training data of these numbers (int64 [n]) as pictures: float32 [n,C,H,W] in [0,1] on the CPU.
  at::Tensor train_pictures(const at::Tensor& index);
  const metrics::Features& features();
  const at::Tensor& generated_features();
  const at::Tensor& train_features();   ///< of at most 10,000 training data, chosen at random, in random order
  const metrics::Moments& reference();  ///< of all training data, or of the file of statistics

 private:
  DatasetOptions data_options_;
  std::optional<Dataset> data_;
  std::optional<TestData> test_;
  std::optional<metrics::Annealed> posterior_;
  std::unique_ptr<metrics::Features> features_;
  std::optional<metrics::Moments> reference_;
  at::Tensor generated_, generated_features_, train_features_;
};

/// A row: `obstacle` says why it cannot be measured of this run (empty: it can).
struct Metric {
  std::string_view name, help;
  std::string (*obstacle)(Evaluation& evaluation);
  Section (*measure)(Evaluation& evaluation);
  /// What metrics.csv calls the first of its scores; empty: the metric's name, and no more of them.
  std::vector<std::string_view> columns = {};
  bool higher_is_better = false;
};

/// The words of a list that commas separate, without the blanks around them; empty ones are left out.
std::vector<std::string> words_of(const std::string& list);

/// Short names of a metric's first scores: columns of metrics.csv and of comparisons.
std::vector<std::string> columns_of(const Metric& metric);

std::vector<Metric> all_metrics();
std::vector<std::string> metric_names();

/// The row of this name; UsageError with the nearest if there is none.
Metric metric_of(const std::string& name);

/// The mean of numbers [N] and its standard error.
Score mean_of(const std::string& name, const at::Tensor& values, const std::string& note = "");

/// A title, lines below it, and a table of the scores.
std::string text_of(const std::string& title, const std::vector<std::string>& lines, const std::vector<Score>& scores);

/// Why features cannot be had. Empty: they can.
std::string needs_features(Evaluation& evaluation);

/// JSON and CSV of all sections.
std::string to_json(const Evaluation& evaluation, const std::vector<Section>& sections);
std::string to_csv(const std::vector<Section>& sections);

}  // namespace kaem::evaluate
