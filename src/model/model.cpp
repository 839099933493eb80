#include "kaem/model/model.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace kaem {

using at::Tensor;

ModelImpl::ModelImpl(const ModelOptions& model_options, DataShape data_shape, const Rng& rng)
    : shape(data_shape), options(model_options) {
  prior = register_module("prior", make_prior(options.prior, rng));
  const int64_t latent_width = prior->latent_shape().front();
  generator = register_module("generator", make_generator(options.generator, latent_width, data_size(), rng));
  likelihood = {options.generator.sigma, options.generator.output_activation};
}

Tensor ModelImpl::generate_raw(const Tensor& z) { return generator->forward(prior->features(z)); }

Tensor ModelImpl::generate(const Tensor& z) {
  return likelihood.activate(generate_raw(z)).reshape({z.size(0), shape[0], shape[1], shape[2]});
}

Tensor ModelImpl::log_likelihood(const Tensor& x, const Tensor& z) {
  const Tensor xhat = likelihood.activate(generate_raw(z));
  return likelihood.log_prob(Likelihood::squared_distances(x, xhat), data_size());
}

void ModelImpl::initialise_grids(const Rng& rng, int64_t draws) {
  const c10::AutoGradMode no_grad(false);
  prior->initialise_grid();
  generator->initialise_grid(prior->features(prior->sample(draws, rng, Stream::kGrid, -1)));
}

GridUpdate ModelImpl::update_grids(const Tensor& z, bool prior_too, bool generator_too) {
  const c10::AutoGradMode no_grad(false);
  GridUpdate done;
  if (prior_too) done += prior->update_grid(z);
  if (generator_too) done += generator->update_grid(prior->features(z));
  return done;
}

}  // namespace kaem
