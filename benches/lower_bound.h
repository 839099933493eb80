#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "bench.h"
#include "kaem/config/config.h"
#include "kaem/model/model.h"

namespace kaem::bench {

/// What a task cannot do without: bare products, convolutions, exponentials, draws, Adam. Each is timed by itself, and
/// counts as often as the task needs it.
class LowerBound {
 public:
  explicit LowerBound(at::Device device) : device_(device) {}

  void add(const std::string& name, std::function<void()> call, double count = 1);

  /// a [N,K] times b [K,O] by the library that multiplies here.
  void product(const std::string& name, const at::Tensor& a, const at::Tensor& b, double count = 1);
  /// One vectorised exponential over so many values, which stay in the processor's caches.
  void exponentials(const std::string& name, int64_t values, double count = 1);
  /// LibTorch's fused Adam over as many parameters.
  void adam(const torch::nn::Module& module);

  /// The generator on `rows` latents: what it computes, and what carries gradients to its inputs or to its weights.
  void generator_forward(const ModelImpl& model, int64_t rows, double count = 1);
  /// `of_parameters`: only what gradients of parameters need; a first layer without a trained bandwidth needs none.
  void generator_inputs(const ModelImpl& model, int64_t rows, double count = 1, bool of_parameters = false);
  void generator_weights(const ModelImpl& model, int64_t rows);

  /// Exponentials of the prior's basis functions at `rows` latents.
  void prior_values(const PriorOptions& prior, int64_t rows, double count = 1);
  /// The prior's table with its gradient: basis functions at the nodes, products with the weights, densities.
  void prior_table(const PriorOptions& prior);
  /// The products of a deep prior with its input gradient at `rows` latents.
  void deep_prior(const PriorOptions& prior, int64_t rows, double count = 1);
  /// `rows` exact draws of the prior, uniforms given.
  void draws(const PriorOptions& prior, int64_t rows, double count = 1);

  /// Runs every part once and notes the times; returns their sum in milliseconds.
  double run();

  /// Name and median of each part, as often as it counts.
  std::vector<std::pair<std::string, double>> medians();

 private:
  struct Part {
    std::string name;
    std::function<void()> call;
    double count = 1;
    std::vector<double> times = {};
  };
  at::Tensor random(at::IntArrayRef shape) const;

  at::Device device_;
  std::vector<Part> parts_;
};

/// Waits for the device.
void finish(const at::Tensor& t);

/// Features of an input.
int64_t features_of(const BasisOptions& basis);

/// Medians of the task and of its bound, measured in turn so that a busy machine slows them alike: for `seconds`, but
/// `least` times at least and 200 times at most.
Result measure(const std::function<void()>& task, LowerBound& bound, double seconds = 8, int64_t least = 9);

}  // namespace kaem::bench
