#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <memory>

#include "kaem/generator/generator.h"
#include "kaem/generator/likelihood.h"
#include "kaem/generator/perceptual.h"
#include "kaem/model/options.h"

namespace kaem {

struct ModelImpl;
struct Prior;
struct PriorView;

/// A model at the parameters that it has now (PriorView): one update's, which ends with it. Refers to the model.
struct ModelView {
  ModelImpl& model;
  std::shared_ptr<const PriorView> prior;
};

/// KAEM: energy prior, generator and likelihood.
struct ModelImpl : torch::nn::Module {
  ModelImpl(const ModelOptions& options, DataShape shape, const Rng& rng);
  /// Of parts that were made elsewhere; the options are kept.
  ModelImpl(const ModelOptions& options, DataShape shape, std::shared_ptr<Prior> prior,
            std::shared_ptr<Generator> generator, std::shared_ptr<Likelihood> likelihood);

  /// Another prior over the same latents in the place of the present one.
  void set_prior(std::shared_ptr<Prior> other);

  ModelView view();

  /// Shape of one latent: of the univariate prior [Q,P].
  std::vector<int64_t> latent_shape() const;

  int64_t data_size() const { return shape[0] * shape[1] * shape[2]; }

  /// Generated data before the output activation: z [n, latent...] -> [n,D].
  at::Tensor generate_raw(const at::Tensor& z);

  /// The same where parameter gradients are taken: batch norm uses the batch. x [n,·]: the data of each row, for
  /// autoregressive generators only. Of several processes that share a batch all have the same first `alike` rows.
  at::Tensor generate_for_training(const at::Tensor& z, const at::Tensor& x, int64_t alike = 0);

  /// x̂ = act(g(z)): z [n, latent...] -> [n,C,H,W].
  at::Tensor generate(const at::Tensor& z);

  /// Sequences of words drawn from p(x|z): z [n, latent...] -> int64 [n,L].
  at::Tensor generate_sequences(const at::Tensor& z, const Rng& rng, Stream stream, int64_t step);

  /// log p(x_b|z_s) with its constant: x [B,D], z [S, latent...] shared by all data -> [B,S]. No gradient.
  at::Tensor log_likelihood(const at::Tensor& x, const at::Tensor& z);

  /// The least of what its parts allow.
  ops::Recordable recordable() const;

  /// Grids from prior draws before the first step (the generator's inputs reach far beyond its configured range).
  void initialise_grids(const Rng& rng, int64_t draws);

  /// Grid update of the parts asked for, on prior draws z [n, latent...].
  GridUpdate update_grids(const at::Tensor& z, bool prior_too, bool generator_too);

  const DataShape shape;
  ModelOptions options;
  std::shared_ptr<Prior> prior;
  std::shared_ptr<Generator> generator;
  std::shared_ptr<Likelihood> likelihood;
  std::shared_ptr<Perceptual> perceptual;  ///< null unless it is used; no parameters of the model
};
TORCH_MODULE(Model);

}  // namespace kaem
