#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kaem {

/// π0 of the univariate prior: one density per input p, on a domain that all share. Densities are not normalised on the
/// domain: the table's Z does that. docs/mathematics.md section 2.
struct ReferenceDensity : torch::nn::Module {
  /// Ends [a,b] of the domain.
  std::pair<double, double> domain;

  /// log π0 of z [..., P] -> the same shape; differentiable.
  virtual at::Tensor log_density(const at::Tensor& z) const = 0;

  /// d log π0 / dz of z [..., P], without a graph.
  virtual at::Tensor score(const at::Tensor& z) const = 0;

  /// Inverse distribution function on the domain, u [..., P] in (0,1); of Gaussians on the whole line. No gradient.
  virtual at::Tensor quantile(const at::Tensor& u) const = 0;

  /// Mean and scale (each [] or [P]) of Gaussians, whose densities need no bounds; nothing for the others.
  virtual std::optional<std::pair<at::Tensor, at::Tensor>> gaussian() const { return {}; }

  /// True if the density is constant, so that nothing need be added.
  virtual bool is_flat() const { return false; }
};

/// `grid_range` is the domain of those that have none of their own; throws ConfigError for an unknown name.
std::shared_ptr<ReferenceDensity> make_reference_density(const std::string& name, const std::vector<double>& grid_range,
                                                         int64_t inputs);

/// Mean of π0 on its domain, over all inputs; exactly 0 where it is symmetric about 0.
double mean_of(const ReferenceDensity& reference, int64_t inputs);

}  // namespace kaem
