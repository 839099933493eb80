#include "kaem/metrics/two_sample.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <torch/serialize/input-archive.h>  // which the optimisers need whole (cmake/quick)
#include <torch/serialize/output-archive.h>

#include <torch/optim/adamw.h>

#include <cmath>

namespace kaem::metrics {
namespace {

using at::Tensor;

constexpr int64_t kHidden = 64, kPasses = 60, kRowsAtOnce = 100;
constexpr double kLearningRate = 3e-3, kWeightDecay = 0.05;

/// Logits of a network of one hidden layer on rows that are scaled as the rows that it learnt from.
struct Network {
  Network(const Tensor& rows, const Rng& rng) : mean(rows.mean(0)), scale(rows.std(0).clamp_min(1e-12)) {
    const InitialDraws draws(rng, "two_sample");
    const auto add = [&](const char* name, int64_t outputs, int64_t inputs) {
      const double bound = 1 / std::sqrt(static_cast<double>(inputs));
      parameters.push_back((bound * (2 * draws.uniform(name, {outputs, inputs}) - 1)).requires_grad_());
      parameters.push_back(at::zeros({outputs}).requires_grad_());
    };
    add("hidden", kHidden, rows.size(1)), add("last", 1, kHidden);
  }

  Tensor logits(const Tensor& rows) const {
    const Tensor hidden = at::relu(at::linear((rows - mean) / scale, parameters[0], parameters[1]));
    return at::linear(hidden, parameters[2], parameters[3]).squeeze(1);
  }

  Tensor mean, scale;
  std::vector<Tensor> parameters;
};

void learn(Network& network, const Tensor& rows, const Tensor& labels, const Rng& rng) {
  const c10::AutoGradMode with_graph(true);
  torch::optim::AdamW adam(network.parameters, torch::optim::AdamWOptions(kLearningRate).weight_decay(kWeightDecay));
  for (int64_t pass = 0; pass < kPasses; ++pass)
    for (const Tensor& index : rng.permutation(Stream::kEvaluate, pass, rows.size(0)).split(kRowsAtOnce)) {
      const Tensor logits = network.logits(rows.index_select(0, index)), label = labels.index_select(0, index);
      adam.zero_grad();
      at::binary_cross_entropy_with_logits(logits, label).backward();
      adam.step();
    }
}

}  // namespace

Tensor uniform_distance(const Tensor& u) {
  const auto count = static_cast<double>(u.size(0));
  const Tensor sorted = std::get<0>(u.to(at::kDouble).sort(0));
  const Tensor below = (at::arange(u.size(0), sorted.options()) / count).unsqueeze(1);
  return at::maximum(below + 1 / count - sorted, sorted - below).amax(0);
}

Tensor uniform_divergence(const Tensor& u) {
  const auto count = static_cast<double>(u.size(0)), cells = std::ceil(std::cbrt(count));
  const Tensor cell = (u.to(at::kDouble) * cells).to(at::kLong).clamp(0, static_cast<int64_t>(cells) - 1);
  const Tensor hits =
      at::zeros({static_cast<int64_t>(cells), u.size(1)}, at::TensorOptions(at::kDouble).device(u.device()))
          .scatter_add_(0, cell, at::ones_like(u, at::kDouble));
  const Tensor share = hits / count;
  return at::xlogy(share, share * cells).sum(0) - (cells - 1) / (2 * count);
}

Estimate two_sample_accuracy(const Tensor& a, const Tensor& b, const Rng& rng) {
  TORCH_CHECK_VALUE(a.dim() == 2 && a.sizes() == b.sizes() && a.size(0) >= 8,
                    "two_sample_accuracy: expected two sets of the same sizes [N,F], N at least 8, got ", a.sizes(),
                    " and ", b.sizes());
  const int64_t half = a.size(0) / 2;
  const Tensor first = a.to(at::kCPU, at::kFloat), second = b.to(at::kCPU, at::kFloat);
  const auto rows_of = [&](int64_t from, int64_t to) {
    return at::cat({first.slice(0, from, to), second.slice(0, from, to)});
  };
  const auto labels_of = [](int64_t count) { return at::cat({at::zeros({count}), at::ones({count})}); };
  const Tensor rows = rows_of(0, half);
  Network network(rows, rng);
  learn(network, rows, labels_of(half), rng);
  const c10::AutoGradMode no_grad(false);
  const int64_t left = a.size(0) - half;
  const Tensor right = (network.logits(rows_of(half, a.size(0))) > 0).to(at::kFloat) == labels_of(left);
  const double accuracy = right.to(at::kDouble).mean().item<double>();
  return {accuracy, std::sqrt(std::max(accuracy * (1 - accuracy), 1e-12) / static_cast<double>(2 * left))};
}

}  // namespace kaem::metrics
