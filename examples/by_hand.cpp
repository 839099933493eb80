// An update without the trainer: its parts are values that one can replace.
#include <ATen/ATen.h>

#include <iostream>

#include "kaem/model/model.h"
#include "kaem/objective/objective.h"
#include "kaem/posterior/posterior.h"
#include "kaem/train/optimizer.h"

int main() {
  const kaem::Rng rng(1);
  const kaem::DataShape shape = {1, 1, 8};

  kaem::ModelOptions options;
  options.prior.layer_widths = {3, 7};  // P, Q
  options.generator.widths = {7};
  options.generator.output_activation = "identity";
  kaem::Model model(options, shape, rng);
  model->initialise_grids(rng, /*draws=*/100);

  // Langevin chains of each datum, from fresh draws of the prior.
  const kaem::PosteriorOptions chains = {.sampler = "ula", .step_size = 0.01, .iters = 10};
  const auto posterior = kaem::make_posterior(chains, *model, {.shape = shape, .options = at::kFloat}, rng);
  const auto objective = kaem::make_objective({.criterion = "maximum_likelihood"});

  std::vector<kaem::NamedParameter> parameters;
  for (const auto& p : model->named_parameters()) parameters.push_back({p.key(), p.value()});
  const auto optimizer = kaem::make_optimizer({.type = "adam", .learning_rate = 5e-3}, parameters);

  // Waves of random phase, 8 numbers each.
  const at::Tensor phase = rng.uniform(kaem::Stream::kTest, 0, {500, 1});
  const at::Tensor data = 0.5 + 0.4 * (6.2832 * (phase + at::arange(8) / 8.0)).sin();

  double first = 0, last = 0;
  for (int64_t step = 0; step < 200; ++step) {
    const kaem::Batch batch = {data.narrow(0, 50 * (step % 10), 50), {}};
    const kaem::ModelView view = model->view();  // the model at its present parameters: this update's
    const kaem::Particles particles = posterior->sample(view, batch, step, rng);
    const kaem::Terms terms = objective->evaluate(view, batch.x, particles, step, rng);
    optimizer->zero_grad();
    terms.total.backward();
    optimizer->step(/*factor=*/1);
    last = terms.total.item<double>();
    if (step == 0) first = last;
    if (step % 50 == 0) std::cout << "update " << step << ": loss " << last << "\n";
  }
  std::cout << "loss from " << first << " to " << last << "\n";
  return last < first ? 0 : 1;
}
