#pragma once

#include <torch/types.h>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "kaem/model/model.h"
#include "kaem/prior/prior.h"
#include "support/random_model.h"

/// Models small enough that log p(x), its gradient and the posterior are known: by closed form or by quadrature.
namespace kaem::test {

inline KanLayer generator_layer(ModelImpl& model, int64_t index = 0) {
  for (const auto& child : model.generator->named_children())
    if (child.key() == str("layer", index)) return KanLayer(std::dynamic_pointer_cast<KanLayerImpl>(child.value()));
  throw std::logic_error("the generator has no such layer");
}

/// x = zW + σε with z ~ N(0, I_2) (on ±8, f = 0, though its coefficients have gradients) and 4 pixels; float64.
inline Model linear_gaussian(double sigma, bool sigma_trainable = false) {
  ModelOptions options;
  options.prior.layer_widths = {1, 2};
  options.prior.reference = "gaussian";
  options.prior.basis = {.kind = "RBF", .grid_size = 4, .grid_range = {-8, 8}, .activation = "none"};
  options.generator.widths = {2};
  options.generator.sigma = sigma, options.generator.sigma_trainable = sigma_trainable;
  options.generator.noise = 0;
  options.generator.output_activation = "identity";
  options.generator.basis = {.kind = "RBF", .grid_size = 4, .grid_range = {-8, 8}, .activation = "identity"};
  Model model(options, DataShape{1, 2, 2}, Rng(5));
  model->to(torch::kDouble);
  const torch::NoGradGuard no_grad;
  const KanLayer prior = layer_of(model->prior), generator = generator_layer(*model);
  prior->coefficients.zero_(), prior->spline_weight.fill_(1);
  generator->spline_weight.zero_();
  generator->base_weight.copy_(torch::tensor({{0.9, -0.4, 0.3, 0.7}, {0.2, 0.8, -0.6, 0.5}}, torch::kDouble));
  return model;
}

/// n simulated data and the latents that they come from: x [n,4], z [n,2,1].
inline std::pair<at::Tensor, at::Tensor> linear_data(ModelImpl& model, int64_t n, uint64_t seed = 8) {
  const torch::NoGradGuard no_grad;
  const Rng rng(seed);
  const at::Tensor z = model.prior->view()->sample(n, rng, Stream::kTest, 0);
  const at::Tensor noise = rng.normal(Stream::kTest, 1, {n, model.data_size()}, torch::kDouble);
  return {model.generate_raw(z) + model.options.generator.sigma * noise, z};
}

/// log N(x; 0, WᵀW + σ²I) of rows x [n,4].
inline at::Tensor exact_log_likelihood(ModelImpl& model, const at::Tensor& x) {
  const torch::NoGradGuard no_grad;
  const at::Tensor weight = generator_layer(model)->base_weight;
  const double sigma = model.options.generator.sigma;
  const at::Tensor covariance = weight.t().matmul(weight) + sigma * sigma * torch::eye(4, torch::kDouble);
  const at::Tensor solved = at::linalg_solve(covariance, x.t()).t();
  const at::Tensor log_det = std::get<1>(at::linalg_slogdet(covariance));
  return -0.5 * ((x * solved).sum(1) + log_det + 4 * std::log(2 * std::numbers::pi));
}

/// log p(x|z_k) of one datum x [1,D] at many z [K, latent...]: [K], differentiable in all parameters.
inline at::Tensor log_likelihood_at(ModelImpl& model, const at::Tensor& x, const at::Tensor& z) {
  const at::Tensor own = model.likelihood->activate(model.generate_raw(z));
  const at::Tensor distance = (own - x).square().sum(1);
  for (const auto& p : model.likelihood->named_parameters())
    if (p.key() == "log_sigma")
      return -0.5 * distance * (-2 * p.value()).exp() -
             0.5 * static_cast<double>(x.size(1)) * (std::log(2 * std::numbers::pi) + 2 * p.value());
  const double variance = std::pow(model.options.generator.sigma, 2);
  return -0.5 * distance / variance - 0.5 * static_cast<double>(x.size(1)) * std::log(2 * std::numbers::pi * variance);
}

/// A grid of n points a coordinate over the prior's domain and the log of a cell's size: [n^d, latent...].
inline std::pair<at::Tensor, double> latent_grid(ModelImpl& model, int64_t n) {
  const auto [a, b] = model.prior->domain();
  const double width = (b - a) / static_cast<double>(n);
  const at::Tensor line = a + width * (torch::arange(n, torch::kDouble) + 0.5);
  auto shape = model.prior->latent_shape();
  int64_t dimensions = 1;
  for (const int64_t s : shape) dimensions *= s;
  at::Tensor points = dimensions == 1 ? line.unsqueeze(1) : torch::cartesian_prod({line, line});
  shape.insert(shape.begin(), points.size(0));
  return {points.reshape(shape), static_cast<double>(dimensions) * std::log(width)};
}

/// log p(x) of each datum by quadrature over the latent (midpoint rule), differentiable: [B].
inline at::Tensor quadrature_log_likelihood(ModelImpl& model, const at::Tensor& x, int64_t n = 400) {
  const auto [z, log_cell] = latent_grid(model, n);
  const at::Tensor log_prior = model.prior->view()->log_prob(z);
  std::vector<at::Tensor> values;
  for (int64_t b = 0; b < x.size(0); ++b)
    values.push_back((log_prior + log_likelihood_at(model, x.slice(0, b, b + 1), z)).logsumexp(0) + log_cell);
  return torch::stack(values);
}

/// All gradients of a module's parameters as one vector (zeros where there is none), then cleared.
inline at::Tensor take_gradient(torch::nn::Module& module) {
  std::vector<at::Tensor> parts;
  for (auto& p : module.named_parameters()) {
    const at::Tensor g = p.value().grad();
    parts.push_back(g.defined() ? g.flatten().clone() : torch::zeros({p.value().numel()}, p.value().options()));
    p.value().mutable_grad() = at::Tensor();
  }
  return torch::cat(parts).detach();
}

/// One latent coordinate (Q = P = 1), a random curve as energy, a curved generator into 2 pixels; float64.
inline Model one_dimensional(double sigma = 0.35) {
  ModelOptions options;
  options.prior.layer_widths = {1, 1};
  options.prior.basis = {.kind = "RBF", .grid_size = 6, .grid_range = {-1.2, 1.2}, .activation = "silu"};
  options.generator.widths = {1};
  options.generator.sigma = sigma;
  options.generator.noise = 0;
  options.generator.output_activation = "identity";
  options.generator.basis = {.kind = "RBF", .grid_size = 5, .grid_range = {-1.2, 1.2}, .activation = "identity"};
  Model model(options, DataShape{1, 1, 2}, Rng(6));
  model->to(torch::kDouble);
  const torch::NoGradGuard no_grad;
  const Rng rng(7);
  const KanLayer prior = layer_of(model->prior), generator = generator_layer(*model);
  prior->coefficients.copy_(rng.normal(Stream::kTest, 2, prior->coefficients.sizes(), torch::kDouble));
  prior->spline_weight.fill_(1);
  generator->coefficients.copy_(0.3 * rng.normal(Stream::kTest, 3, generator->coefficients.sizes(), torch::kDouble));
  generator->spline_weight.fill_(0.5), generator->base_weight.fill_(0.8);
  return model;
}

}  // namespace kaem::test
