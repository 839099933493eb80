// A model of one's own data, trained with the trainer: rings of random centre and radius.
#include <ATen/ATen.h>

#include <iostream>

#include "kaem/io/image.h"
#include "kaem/prior/prior.h"
#include "kaem/train/trainer.h"

namespace {

/// n grey images of 16x16 in [0,1].
at::Tensor rings(int64_t n, const kaem::Rng& rng) {
  const at::Tensor u = rng.uniform(kaem::Stream::kTest, 0, {n, 3});
  const at::Tensor line = at::arange(16, at::kFloat);
  const at::Tensor x = line - 16 * (0.35 + 0.3 * u.select(1, 0)).reshape({n, 1, 1});
  const at::Tensor y = line.unsqueeze(1) - 16 * (0.35 + 0.3 * u.select(1, 1)).reshape({n, 1, 1});
  const at::Tensor radius = 2 + 3 * u.select(1, 2).reshape({n, 1, 1});
  return (-((x.square() + y.square()).sqrt() - radius).square()).exp().unsqueeze(1);
}

}  // namespace

int main() {
  kaem::Dataset data;
  data.name = "rings", data.shape = {1, 16, 16};
  data.train = rings(2000, kaem::Rng(1)), data.test = rings(100, kaem::Rng(2));

  kaem::Config config;  // what no field says is the default of configuration files
  config.run.batch_size = 50, config.posterior.samples = 100;
  config.model.prior.layer_widths = {10, 21};  // P, Q
  config.model.generator.widths = {21, 42};
  config.optimizer.learning_rate = 2e-3;

  kaem::Trainer trainer(config, data);
  while (trainer.steps() < 300) {
    const kaem::StepResult result = trainer.step(trainer.next_batch());
    if (trainer.steps() % 100 == 0) std::cout << "update " << trainer.steps() << ": loss " << result.loss << "\n";
  }

  const at::NoGradGuard no_grad;
  kaem::ModelImpl& model = *trainer.model();
  const at::Tensor z = model.prior->view()->sample(64, kaem::Rng(3), kaem::Stream::kSample, 0);
  kaem::io::write_png_grid("rings.png", model.generate(z));
  std::cout << "rings.png: 64 samples\n";
}
