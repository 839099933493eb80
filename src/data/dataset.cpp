#include "kaem/data/dataset.h"

#include <ATen/ops/index_select.h>

#include "data/loaders.h"
#include "data/registry.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

constexpr int64_t kMaxSide = 4096;  // of a resized image

void check(const DatasetOptions& options) {
  if (options.train_size < 1) throw ConfigError(str("[TRAINING] N_train = ", options.train_size, ": want at least 1"));
  if (options.test_size < 0) throw ConfigError(str("[TRAINING] N_test = ", options.test_size, ": want at least 0"));
  if (options.resize.empty()) return;
  bool good = options.resize.size() == 2;
  for (const int64_t side : options.resize) good = good && side >= 1 && side <= kMaxSide;
  if (good) return;
  std::string got;
  for (const int64_t side : options.resize) got += str(got.empty() ? "" : "x", side);
  throw ConfigError(str("[DATA] resize = ", got, ": want HxW, two numbers from 1 to ", kMaxSide));
}

}  // namespace

int64_t Dataset::steps_per_epoch(int64_t batch_size) const {
  const int64_t records = train.size(0);
  if (batch_size < 1 || batch_size > records)
    throw ConfigError(str("[TRAINING] batch_size = ", batch_size, ": want 1 to ", records,
                          ", the number of training records of ", name));
  return records / batch_size;
}

at::Tensor Dataset::batch(int64_t step, int64_t batch_size, const Rng& rng) const {
  const int64_t steps = steps_per_epoch(batch_size), epoch = step / steps, records = train.size(0);
  if (epoch_order.epoch != epoch || epoch_order.seed != rng.seed() || epoch_order.size != records)
    epoch_order = {rng.seed(), epoch, records, rng.permutation(Stream::kData, epoch, records)};
  at::Tensor x = to_float(train, epoch_order.index.narrow(0, step % steps * batch_size, batch_size));
  if (!dequantize) return x;
  // byte/255 -> (byte + U)/256: bins of width 1/256 that fill [0,1].
  return x.mul_(255).add_(rng.uniform(Stream::kDequantize, step, x.sizes())).div_(256);
}

at::Tensor Dataset::to_float(const at::Tensor& split, const at::Tensor& index) {
  const at::Tensor rows = at::index_select(split, 0, index.to(split.device())).flatten(1);
  const at::Tensor x = rows.to(at::kFloat);
  return split.scalar_type() == at::kByte ? x.div(255) : x;
}

Dataset make_dataset(const DatasetOptions& options) {
  check(options);
  if (const IdxSet* const set = find_idx_set(options.name)) return load_idx_images(*set, options);
  if (is_darcy(options.name)) return load_darcy(options);
  refuse_dataset(options.name);
}

}  // namespace kaem
