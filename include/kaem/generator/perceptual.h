#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>

#include "kaem/generator/generator.h"
#include "kaem/generator/likelihood.h"

namespace kaem {

namespace io {
class ScriptNetwork;
}

/// Pseudo-likelihood -scale · mean_f (φ(x)_f - φ(x̂)_f)², φ the features of a TorchScript network that the user names.
/// Chains and training may add it; it is no density, and never part of a reported log p(x). docs/mathematics.md section
/// 3. Letters as in Likelihood; `likelihood.activate` makes images of what is generated.
class Perceptual {
 public:
  /// Reads the network, which takes images [n,C,H,W] in [0,1] and gives a tensor of n rows. ConfigError if it cannot be
  /// read or does not take images of `shape`. Its parameters stay as they are.
  Perceptual(const std::string& path, double scale, const DataShape& shape);
  ~Perceptual();

  /// Moves the network.
  void to(const at::TensorOptions& device_and_dtype);

  /// Images [n,D] -> [n,F], differentiable in the images.
  at::Tensor features(const at::Tensor& images);

  /// Every datum against every sample: x [B,D], generated [S,D] -> [B,S], without a graph.
  at::Tensor all_pairs(const Likelihood& likelihood, const at::Tensor& x, const at::Tensor& generated);

  /// Each chain against its own datum, without a graph: x [B,D], generated [T,B,N,D] -> [T,B,N] and its gradient with
  /// respect to `generated` [T,B,N,D].
  std::pair<at::Tensor, at::Tensor> value_and_gradient(const Likelihood& likelihood, const at::Tensor& x,
                                                       const at::Tensor& generated);

  /// mean_b Σ_s w_bs of all_pairs, differentiable in `generated`: weight [B,S], x [B,D], generated [S,D] -> [].
  at::Tensor weighted_all_pairs(const Likelihood& likelihood, const at::Tensor& weight, const at::Tensor& x,
                                const at::Tensor& generated);

  /// mean_b Σ_tn w_tbn of each chain's own value, likewise: weight [T,B,N], x [B,D], generated [T,B,N,D] -> [].
  at::Tensor weighted_own(const Likelihood& likelihood, const at::Tensor& weight, const at::Tensor& x,
                          const at::Tensor& generated);

 private:
  at::Tensor own_pairs(const Likelihood& likelihood, const at::Tensor& x, const at::Tensor& generated);
  /// -scale/F ‖φ_b - φ_s‖².
  at::Tensor pairs(const Likelihood& likelihood, const at::Tensor& x, const at::Tensor& generated);

  std::unique_ptr<io::ScriptNetwork> network_;
  double scale_;
  DataShape shape_;
};

}  // namespace kaem
