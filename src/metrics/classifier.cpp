// A small convolutional network that is trained on the labels once: the features of data for which no network is at
// hand.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <torch/serialize/input-archive.h>  // which the optimisers need whole (cmake/quick)
#include <torch/serialize/output-archive.h>

#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "kaem/core/error.h"
#include "kaem/core/rng.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/io/safetensors.h"
#include "kaem/metrics/features.h"

namespace kaem::metrics {
namespace {

using at::Tensor;

constexpr int64_t kWidth = 128, kChannels = 16, kKernel = 5, kMostSide = 8;
constexpr int64_t kPasses = 5, kBatch = 100;
constexpr double kRate = 2e-3;
constexpr uint64_t kSeed = 20250614;
constexpr std::string_view kVersion = "1";  // of what is above and below: others' weights are not read

struct Classifier {
  io::NamedTensors weights;

  Classifier(const DataShape& shape, int64_t classes) {
    const InitialDraws draws(Rng(kSeed), "classifier");
    const auto add = [&](const std::string& name, const std::vector<int64_t>& size, int64_t fan_in) {
      const double bound = std::sqrt(6.0 / static_cast<double>(fan_in));
      weights.emplace_back(name, (draws.uniform(name, size) * 2 - 1) * bound);
      weights.emplace_back(name + ".bias", at::zeros({size[0]}));
    };
    const auto side = [](int64_t n) { return std::min(kMostSide, std::max<int64_t>(1, n / 4)); };
    add("first", {kChannels, shape[0], kKernel, kKernel}, shape[0] * kKernel * kKernel);
    add("second", {2 * kChannels, kChannels, kKernel, kKernel}, kChannels * kKernel * kKernel);
    const int64_t flat = 2 * kChannels * side(shape[1]) * side(shape[2]);
    add("third", {kWidth, flat}, flat);
    add("last", {classes, kWidth}, kWidth);
    rows_ = side(shape[1]), columns_ = side(shape[2]);
  }

  const Tensor& weight(size_t i) const { return weights[i].second; }

  Tensor features(const Tensor& x) const {
    const auto stage = [&](const Tensor& t, size_t i) {
      const Tensor made = at::relu(at::conv2d(t, weight(i), weight(i + 1), 1, kKernel / 2));
      return made.size(2) > 1 && made.size(3) > 1 ? at::max_pool2d(made, 2) : made;
    };
    const Tensor small = at::adaptive_avg_pool2d(stage(stage(x, 0), 2), {rows_, columns_});
    return at::relu(at::linear(small.flatten(1), weight(4), weight(5)));
  }

  Tensor logits(const Tensor& x) const { return at::linear(features(x), weight(6), weight(7)); }

  void to(const at::Device& device) {
    for (auto& [name, t] : weights) t = t.to(device);
  }

 private:
  int64_t rows_ = 1, columns_ = 1;
};

Tensor pictures_of(const Tensor& stored, const Tensor& index, const at::Device& device) {
  const Tensor x = stored.index_select(0, index).to(device, at::kFloat);
  return stored.scalar_type() == at::kByte ? x / 255 : x;
}

void train_on(Classifier& net, const Labelled& data, const at::Device& device,
              const std::function<void(int64_t, int64_t, double)>& progress) {
  const c10::AutoGradMode with_graph(true);
  std::vector<Tensor> parameters;
  for (auto& [name, t] : net.weights) parameters.push_back(t.requires_grad_());
  torch::optim::Adam adam(parameters, torch::optim::AdamOptions(kRate));
  const Rng rng(kSeed);
  const int64_t count = data.labels.size(0), batch = std::min(kBatch, count), steps = count / batch,
                total = kPasses * steps;
  for (int64_t pass = 0; pass < kPasses; ++pass) {
    const Tensor order = rng.permutation(Stream::kData, pass, count);
    Tensor sum = at::zeros({}, at::TensorOptions(device));
    for (int64_t i = 0; i < steps; ++i) {
      const double left = 1 - static_cast<double>(pass * steps + i) / static_cast<double>(total);
      static_cast<torch::optim::AdamOptions&>(adam.param_groups()[0].options()).lr(kRate * left);
      const Tensor index = order.slice(0, i * batch, (i + 1) * batch);
      const Tensor loss = at::cross_entropy_loss(net.logits(pictures_of(data.pictures, index, device)),
                                                 data.labels.index_select(0, index).to(device));
      adam.zero_grad();
      loss.backward();
      adam.step();
      sum += loss.detach();
    }
    if (progress) progress(pass + 1, kPasses, sum.item<double>() / static_cast<double>(std::max<int64_t>(1, steps)));
  }
  for (auto& [name, t] : net.weights) t = t.detach().requires_grad_(false);
}

double accuracy_of(const Classifier& net, const Labelled& data, const at::Device& device) {
  const c10::AutoGradMode no_grad(false);
  int64_t right = 0;
  for (const Tensor& index : at::arange(data.labels.size(0), at::kLong).split(1000))
    right +=
        (net.logits(pictures_of(data.pictures, index, device)).argmax(1).cpu() == data.labels.index_select(0, index))
            .sum()
            .item<int64_t>();
  return static_cast<double>(right) / static_cast<double>(data.labels.size(0));
}

std::string digest_of(const Labelled& data) {
  std::string all = str(kVersion, " ", at::toString(data.pictures.scalar_type()));
  for (const Tensor& t : {data.pictures.contiguous(), data.labels.contiguous()}) {
    for (const int64_t size : t.sizes()) all += str(" ", size);
    all += io::sha256({static_cast<const char*>(t.const_data_ptr()), t.nbytes()});
  }
  return io::sha256(all).substr(0, 16);
}

class ClassifierFeatures : public Features {
 public:
  ClassifierFeatures(Classifier net, double accuracy, std::string digest, at::Device device)
      : net_(std::move(net)), accuracy_(accuracy), digest_(std::move(digest)), device_(device) {}

  std::string description() const override {
    return str("features of a classifier trained here on the labels (", digest_, ", ", kWidth, " features, ",
               std::round(accuracy_ * 10000) / 100, " % of the test data right)");
  }

  std::string digest() const override { return digest_; }
  std::string prefix() const override { return "classifier "; }

 protected:
  Tensor of_batch(const Tensor& pictures) const override {
    const c10::AutoGradMode no_grad(false);
    return net_.features(pictures.to(device_, at::kFloat));
  }

 private:
  Classifier net_;
  double accuracy_;
  std::string digest_;
  at::Device device_;
};

/// True if the file's weights were taken.
bool read_weights(const std::string& path, Classifier& net) {
  try {
    const auto content = io::parse_safetensors(io::read_file(path), path);
    for (auto& [name, t] : net.weights) {
      const Tensor& kept = content.tensors.at(name);
      if (kept.sizes() != t.sizes() || kept.scalar_type() != t.scalar_type()) return false;
    }
    for (auto& [name, t] : net.weights) t = content.tensors.at(name);
    return true;
  } catch (const std::exception&) {  // not there, or damaged: it is made again
    return false;
  }
}

}  // namespace

std::unique_ptr<Features> classifier_features(const Labelled& train, const Labelled& test, const std::string& folder,
                                              const std::string& device,
                                              const std::function<void(int64_t, int64_t, double)>& progress) {
  TORCH_CHECK_VALUE(train.pictures.dim() == 4 && train.labels.sizes() == at::IntArrayRef(train.pictures.size(0)) &&
                        test.labels.sizes() == at::IntArrayRef(test.pictures.size(0)),
                    "classifier_features: expected pictures [N,C,H,W] with labels [N], got ", train.pictures.sizes(),
                    " with ", train.labels.sizes());
  const int64_t classes = train.labels.numel() > 0 ? train.labels.max().item<int64_t>() + 1 : 0;
  if (classes < 2) throw DataError("a classifier needs data of at least two classes");
  const DataShape shape = {train.pictures.size(1), train.pictures.size(2), train.pictures.size(3)};
  const std::string digest = digest_of(train),
                    path = folder.empty() ? "" : str(folder, "/classifier_", digest, ".safetensors");
  Classifier net(shape, classes);
  const at::Device where(device);
  if (path.empty() || !read_weights(path, net)) {
    net.to(where);
    train_on(net, train, where, progress);
    if (!path.empty()) {
      std::filesystem::create_directories(folder);
      io::write_file_atomic(path, io::to_safetensors(net.weights, {{"version", std::string(kVersion)}}));
    }
  }
  net.to(where);
  const double accuracy = accuracy_of(net, test, where);
  return std::make_unique<ClassifierFeatures>(std::move(net), accuracy, digest, where);
}

}  // namespace kaem::metrics
