#include "kaem/evaluate/evaluation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>

#include "evaluate/rows.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/data/text.h"
#include "kaem/metrics/moments_file.h"
#include "kaem/prior/prior.h"

namespace kaem::evaluate {
namespace {

using at::Tensor;

constexpr int64_t kAtOnce = 256;  // samples generated, or data read, at a time
constexpr int64_t kAllRecords = int64_t{1} << 30;
constexpr int64_t kMostRows = 10000;  // training data that single features are kept of

/// Of text: the vocabulary is the run's, and the tokens are counted.
void count_tokens(const Dataset& data, const LoadedRun& run, TestData& test) {
  if (data.vocabulary != run.vocabulary)
    throw DataError(str(run.folder, "/vocabulary.txt: the data have another vocabulary than when the run was made"));
  test.tokens = (test.x >= 0).sum().item<int64_t>();
  test.unigram = unigram_cross_entropy(data.train, test.x, run.config.model.generator.seq.vocab_size);
}

}  // namespace

Evaluation::Evaluation(LoadedRun& run_in, DatasetOptions data, Options options_in, const Rng& rng_in)
    : run(run_in), options(std::move(options_in)), rng(rng_in), data_options_(std::move(data)) {
  data_options_.use_pca = false;  // the run's own components count
}

void Evaluation::forget_model() {
  posterior_.reset();
  generated_ = generated_features_ = Tensor();
}

bool Evaluation::is_text() const { return run.config.model.generator.seq.use(); }

DataShape Evaluation::picture_shape() { return run.pca ? run.pca->shape : run.model->shape; }

const Dataset& Evaluation::data() {
  if (data_) return *data_;
  const log::Status status("reading the data");
  // Without a test file the run held out as many as it was told to, and trained on all others. A file of labelled test
  // data is read whole; where the test data are computed, no more than are asked for.
  data_ = make_dataset(data_options_);
  DatasetOptions more = data_options_;
  more.test_size = data_->test_labels.defined() ? kAllRecords : options.count;
  if (!data_->test_from_training && data_->test.size(0) < more.test_size) data_ = make_dataset(more);
  if (data_->test.size(0) == 0) throw DataError(str(data_->name, ": no test records ([TRAINING] N_test = 0)"));
  if (!has_trained_on(run.folder, data_->sources))
    warnings.push_back(str("these are not the data that the run was trained on (see ", run.folder,
                           "/meta.json): its measures are against ", data_->name, " as it is found here"));
  if (data_->test.size(0) < options.count) warnings.push_back(str("only ", data_->test.size(0), " test records"));
  return *data_;
}

const TestData& Evaluation::test() {
  if (test_) return *test_;
  const Dataset& d = data();
  const int64_t size = std::min(options.count, d.test.size(0));
  TestData t;
  t.images = Dataset::to_float(d.test, at::arange(size, at::kLong));
  t.bits = data_options_.dequantize && d.test.scalar_type() == at::kByte;
  t.x = as_model_sees(t.images, t.bits);
  if (d.is_text()) count_tokens(d, run, t);
  return test_.emplace(std::move(t));
}

Tensor Evaluation::as_model_sees(const Tensor& pictures, bool bytes) {
  Tensor x = run.pca ? run.pca->project(pictures) : pictures.flatten(1);
  if (bytes && data_options_.dequantize) {
    const Tensor noise = Rng(run.config.run.seed).uniform(Stream::kDequantize, -1, x.sizes());
    x = (x * 255 + noise) / 256;  // what the density is of, as in training
  }
  return x.to(at::Device(run.device));
}

const metrics::Annealed& Evaluation::posterior() {
  if (posterior_) return *posterior_;
  const metrics::PathOptions path{.kernel = options.kernel, .levels = options.levels, .chains = options.chains};
  return posterior_.emplace(metrics::annealed_log_likelihood(*run.model, test().x, path, rng));
}

Tensor Evaluation::posterior_means() {
  const metrics::Annealed& p = posterior();
  Tensor sum;
  for (int64_t n = 0; n < p.z.size(1); ++n) {
    const Tensor xhat = run.model->likelihood->activate(run.model->generate_raw(p.z.select(1, n)));
    const Tensor part = p.weight.select(1, n).unsqueeze(1).to(xhat.scalar_type()) * xhat;
    sum = sum.defined() ? sum + part : part;
  }
  const DataShape& shape = run.model->shape;
  return run.to_images(sum.reshape({sum.size(0), shape[0], shape[1], shape[2]}));
}

const Tensor& Evaluation::generated() {
  if (generated_.defined()) return generated_;
  const auto prior = run.model->prior->view();
  std::vector<Tensor> parts;
  for (int64_t first = 0; first < options.generated; first += kAtOnce) {
    const int64_t size = std::min(kAtOnce, options.generated - first);
    parts.push_back(run.to_images(run.model->generate(prior->sample(size, rng, Stream::kSample, 0, first))));
  }
  return generated_ = at::cat(parts).to(at::kFloat).clamp(0, 1);
}

Tensor Evaluation::train_pictures(const Tensor& index) {
  const Dataset& d = data();
  if (d.prepare_rows) d.prepare_rows(index);
  return Dataset::to_float(d.train, index).reshape({index.size(0), d.shape[0], d.shape[1], d.shape[2]}).clamp(0, 1);
}

const metrics::Features& Evaluation::features() {
  if (features_) return *features_;
  if (!options.features.empty()) {
    features_ = metrics::network_features(options.features, picture_shape(), run.device);
  } else {
    const Dataset& d = data();
    const log::Status status("looking for a classifier of features");
    const auto show = [](int64_t done, int64_t all, double loss) {
      log::set_status_line(str("training a classifier for features: pass ", done, " of ", all, ", loss ", loss));
    };
    if (!d.train_labels.defined())
      throw UsageError(str(d.name, " has no labels to train a classifier on: name a network with --features"));
    features_ = metrics::classifier_features({d.train, d.train_labels}, {d.test, d.test_labels}, options.cache,
                                             run.device, show);
  }
  return *features_;
}

const Tensor& Evaluation::generated_features() {
  if (!generated_features_.defined()) generated_features_ = features()(generated());
  return generated_features_;
}

const Tensor& Evaluation::train_features() {
  if (train_features_.defined()) return train_features_;
  const int64_t all = data().train.size(0), count = std::min(all, kMostRows);
  const Tensor index = rng.permutation(Stream::kEvaluate, 1, all).slice(0, 0, count);
  std::vector<Tensor> parts;
  for (const Tensor& part : index.split(kAtOnce)) parts.push_back(features()(train_pictures(part)));
  return train_features_ = at::cat(parts);
}

const metrics::Moments& Evaluation::reference() {
  if (reference_) return *reference_;
  const std::string& path = options.statistics;
  if (!path.empty() && std::filesystem::exists(path)) {
    const Tensor probe = features()(generated().slice(0, 0, 2));
    return reference_.emplace(metrics::read_moments(path, features().digest(), probe.size(1)));
  }
  metrics::Moments moments;
  const log::Status status("features of the training data");
  const int64_t all = data().train.size(0);
  for (const Tensor& index : at::arange(all, at::kLong).split(4 * kAtOnce)) {
    log::set_status_line(str("features of the training data: ", moments.count(), " of ", all));
    moments.add(features()(train_pictures(index)));
  }
  if (!path.empty()) metrics::write_moments(path, moments, features().digest());
  return reference_.emplace(std::move(moments));
}

std::string needs_features(Evaluation& e) {
  if (const std::string text = needs_pictures(e); !text.empty()) return text;
  if (e.options.features.empty() && !e.data().train_labels.defined())
    return str(e.data().name, " has no labels to train a classifier on: name a network with --features");
  return "";
}

std::vector<std::string> feature_lines(Evaluation& e) {
  const int64_t count = e.reference().count();
  return {e.features().description(), str(grouped(e.options.generated), " samples against ",
                                          count > 0 ? grouped(count) + " training data" : "statistics",
                                          e.options.statistics.empty() ? "" : " of " + e.options.statistics)};
}

}  // namespace kaem::evaluate
