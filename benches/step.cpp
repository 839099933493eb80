#include "step.h"
#include "kaem/prior/prior.h"

#include <ATen/ATen.h>

#include "kaem/core/str.h"

namespace kaem::bench {

using at::Tensor;

Step::Step(const Config& c, const Dataset& data, at::Device device)
    : config(c),
      rng(c.run.seed),
      model(c.model, data.shape, rng),
      posterior(make_posterior(c.posterior, *model,
                               {.shape = data.shape, .options = at::TensorOptions(device).dtype(at::kFloat)}, rng)),
      objective(make_objective(c.objective)) {
  model->to(device);
  model->initialise_grids(rng, c.posterior.samples);
  std::vector<NamedParameter> parameters;
  for (const auto& p : model->named_parameters())
    if (p.value().requires_grad()) parameters.push_back({p.key(), p.value(), p.key().starts_with("prior.")});
  optimizer = make_optimizer(c.optimizer, std::move(parameters));
  update = std::make_unique<Update>(config, *model, *posterior, *objective, *optimizer, rng);
}

void Step::operator()(const Tensor& x) {
  loss = update->gradients({x, {}}, step).front().second;
  optimizer->step(1);
  ++step;
}

Dataset data_or_synthetic(const Options& options, const Config& config, std::string& note) {
  constexpr int64_t kRecords = 10000;
  Dataset data;
  for (const auto& info : list_datasets(options.data_dir)) {
    if (info.name != config.data.name) continue;
    if (info.trainable) {
      DatasetOptions wanted = config.data;
      wanted.root = options.data_dir, wanted.train_size = kRecords, wanted.offline = true;
      note = "on " + info.name;
      return make_dataset(wanted);
    }
    data.shape = info.shape;
  }
  note = str("on synthetic data (", config.data.name, " was not found)");
  data.name = "synthetic";
  const auto uniform = Rng(1).uniform(Stream::kTest, 0, {kRecords, data.shape[0], data.shape[1], data.shape[2]});
  data.train = ((uniform - 0.8).clamp_min(0) * (5 * 255)).to(at::kByte);  // mostly black, as digits are
  data.test = data.train.slice(0, 0, 100);
  return data;
}

}  // namespace kaem::bench
