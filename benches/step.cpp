#include "step.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "kaem/core/str.h"

namespace kaem::bench {

std::unique_ptr<Trainer> make_trainer(Config config, const Dataset& data, const Options& options) {
  config.run.device = options.device, config.run.threads = at::get_num_threads();
  return std::make_unique<Trainer>(std::move(config), data);
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
