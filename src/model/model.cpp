#include "kaem/model/model.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "kaem/prior/prior.h"

namespace kaem {

using at::Tensor;

ModelImpl::ModelImpl(const ModelOptions& model_options, DataShape data_shape, std::shared_ptr<Prior> model_prior,
                     std::shared_ptr<Generator> model_generator, std::shared_ptr<Likelihood> model_likelihood)
    : shape(data_shape), options(model_options) {
  prior = register_module("prior", std::move(model_prior));
  generator = register_module("generator", std::move(model_generator));
  likelihood = register_module("likelihood", std::move(model_likelihood));
  // Batch norm uses running statistics everywhere but where parameter gradients are taken.
  eval();
}

ModelImpl::ModelImpl(const ModelOptions& model_options, DataShape data_shape, const Rng& rng)
    : shape(data_shape), options(model_options) {
  prior = register_module("prior", make_prior(options.prior, rng));
  const int64_t latent_width = prior->latent_shape().front();
  generator = register_module("generator", make_generator(options.generator, latent_width, shape, rng));
  likelihood = register_module("likelihood", make_likelihood(options.generator));
  const auto& g = options.generator;
  if (g.use_perceptual_loss)
    perceptual = std::make_shared<Perceptual>(g.perceptual_features, g.perceptual_scale, shape);
  eval();
}

void ModelImpl::set_prior(std::shared_ptr<Prior> other) { prior = replace_module("prior", std::move(other)); }

std::vector<int64_t> ModelImpl::latent_shape() const { return prior->latent_shape(); }

ModelView ModelImpl::view() { return {*this, prior->view()}; }

Tensor ModelImpl::generate_raw(const Tensor& z) { return generator->forward(prior->features(z)); }

Tensor ModelImpl::generate_for_training(const Tensor& z, const Tensor& x, int64_t alike) {
  generator->train();
  generator->batch_share.alike = alike;
  const Tensor u = prior->features(z);
  const Tensor generated = generator->autoregressive() ? generator->forward_given(u, x) : generator->forward(u);
  generator->eval();
  return generated;
}

Tensor ModelImpl::generate(const Tensor& z) {
  return likelihood->activate(generate_raw(z)).reshape({z.size(0), shape[0], shape[1], shape[2]});
}

Tensor ModelImpl::generate_sequences(const Tensor& z, const Rng& rng, Stream stream, int64_t step) {
  return generator->sample_sequence(prior->features(z), rng, stream, step);
}

Tensor ModelImpl::log_likelihood(const Tensor& x, const Tensor& z) {
  const c10::AutoGradMode no_grad(false);
  return likelihood->all_pairs(x, generate_raw(z));
}

ops::Recordable ModelImpl::recordable() const {
  if (perceptual) return ops::Recordable::kNothing;  // its network is anybody's
  return std::min(prior->recordable(), generator->recordable());
}

void ModelImpl::initialise_grids(const Rng& rng, int64_t draws) {
  const c10::AutoGradMode no_grad(false);
  prior->initialise_grid();
  generator->initialise_grid(prior->features(prior->view()->sample(draws, rng, Stream::kGrid, -1)));
}

GridUpdate ModelImpl::update_grids(const Tensor& z, bool prior_too, bool generator_too) {
  const c10::AutoGradMode no_grad(false);
  GridUpdate done;
  if (prior_too) done += prior->update_grid(z);
  if (generator_too) done += generator->update_grid(prior->features(z));
  return done;
}

}  // namespace kaem
