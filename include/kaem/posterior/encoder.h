#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <utility>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/model/model.h"
#include "kaem/ops/batch_norm.h"
#include "kaem/posterior/options.h"

namespace kaem {

/// q(z|x): a diagonal Gaussian in y, mapped to the domain by z = a + (b - a)·sigmoid(y) (z = y where it is unbounded),
/// with the map's log-determinant. Of words it sees mean_l act(E[x_l] + position_l). docs/mathematics.md section 4.
struct EncoderImpl : torch::nn::Module {
  EncoderImpl(const EncoderOptions& options, const ModelImpl& model, const Rng& rng);

  /// n draws for each datum, differentiable (reparameterised): x [B,·], noise [B,n,latent...] ~ N(0,1) ->
  /// z [B,n,latent...] and log q(z|x) [B,n].
  std::pair<at::Tensor, at::Tensor> sample(const at::Tensor& x, const at::Tensor& noise);

  /// log q(z|x): z [B,n,latent...] -> [B,n], differentiable in the parameters.
  at::Tensor log_prob(const at::Tensor& x, const at::Tensor& z);

  /// Mean and log standard deviation of y: x [B,·] -> [B, latent...] each.
  std::pair<at::Tensor, at::Tensor> moments(const at::Tensor& x);

  /// Standard deviation of z to first order in that of y, |dz/dy| at the mean times it: x [B,·] -> [B, latent...].
  at::Tensor scales(const at::Tensor& x);

  ops::BatchShare batch_share;  ///< of the rows of x, for batch norm

 private:
  struct Dense {
    at::Tensor weight, bias;
  };
  struct Convolution {
    at::Tensor weight, bias;
    ops::BatchNorm norm;  ///< undefined tensors without batch norm
    int64_t stride, padding;
  };
  Dense add_dense(const std::string& name, int64_t inputs, int64_t outputs, const InitialDraws& draws);
  void add_words(const SeqOptions& options, const InitialDraws& draws);
  void add_convolutions(const EncoderOptions& options, const InitialDraws& draws);
  at::Tensor words(const at::Tensor& x) const;
  at::Tensor hidden(const at::Tensor& x);
  at::Tensor log_q(const at::Tensor& y, const at::Tensor& mean, const at::Tensor& log_scale) const;

  DataShape shape_;
  std::vector<int64_t> latent_;
  double lower_, upper_;
  ops::Activation activation_;
  at::Tensor word_, position_;  ///< [V,d], [L,d]: what a word says at a place; undefined for images
  std::vector<Convolution> convolutions_;
  std::vector<Dense> layers_;
  int64_t features_ = 0;  ///< width after the convolutions, or of what the words say
};
TORCH_MODULE(Encoder);

}  // namespace kaem
