#include "kaem/data/dataset.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isin.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "data/loaders.h"
#include "data/registry.h"
#include "kaem/core/error.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/data/pca.h"

namespace kaem {
namespace {

constexpr int64_t kMaxSide = 4096;  // of a resized image

void check_options(const DatasetOptions& options) {
  if (options.train_size < 1)
    throw ConfigError(str("[TRAINING] N_train = ", options.train_size, ": expected at least 1"));
  if (options.test_size < 0) throw ConfigError(str("[TRAINING] N_test = ", options.test_size, ": expected at least 0"));
  if (options.resize.empty()) return;
  bool good = options.resize.size() == 2;
  for (const int64_t side : options.resize) good = good && side >= 1 && side <= kMaxSide;
  if (good) return;
  std::string got;
  for (const int64_t side : options.resize) got += str(got.empty() ? "" : "x", side);
  throw ConfigError(str("[DATA] resize = ", got, ": expected HxW, two numbers from 1 to ", kMaxSide));
}

/// Rows of `from` over `divisor`. One pass: as tensor operations a batch would be walked through three times, and
/// threads would be woken for less work than that costs.
template <class T>
void gather(const T* from, int64_t records, const at::Tensor& rows, int64_t width, float divisor, float* out) {
  const int64_t* const index = rows.const_data_ptr<int64_t>();
  at::parallel_for(
      0, rows.size(0), (int64_t{1} << 20) / std::max<int64_t>(width, 1) + 1, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          TORCH_CHECK_INDEX(index[r] >= 0 && index[r] < records, "to_float: row ", index[r], " of ", records);
          const T* const row = from + index[r] * width;
          for (int64_t p = 0; p < width; ++p) out[r * width + p] = static_cast<float>(row[p]) / divisor;
        }
      });
}

/// Mirrors the images x [B, C·H·W] whose `chance` is below 1/2 left to right.
void flip_rows(at::Tensor& x, const std::array<int64_t, 3>& shape, const at::Tensor& chance) {
  const int64_t width = shape[2], lines = shape[0] * shape[1];
  const float* const coin = chance.const_data_ptr<float>();
  float* const pixels = x.mutable_data_ptr<float>();
  for (int64_t b = 0; b < x.size(0); ++b) {
    if (!(coin[b] < 0.5f)) continue;
    for (float* line = pixels + b * lines * width; line < pixels + (b + 1) * lines * width; line += width)
      std::reverse(line, line + width);
  }
}

/// [DATA] leave_out.
void leave_out_classes(Dataset& data, const std::vector<int64_t>& classes) {
  std::string names;
  for (const int64_t label : classes) names += str(names.empty() ? "" : ",", label);
  const std::string key = str("[DATA] leave_out = ", names);
  if (!data.train_labels.defined()) throw ConfigError(str(key, ": the records of ", data.name, " have no labels"));
  for (const int64_t label : classes)
    if (rows_of_classes(data.train_labels, {label}).size(0) == 0)
      throw ConfigError(str(key, ": no training record of ", data.name, " has the label ", label));
  const auto keep = [&](at::Tensor& records, at::Tensor& labels) {
    const at::Tensor rows = rows_of_classes(labels, classes, /*others=*/true);
    const int64_t gone = labels.size(0) - rows.size(0);
    records = records.index_select(0, rows), labels = labels.index_select(0, rows);
    return gone;
  };
  const int64_t train = keep(data.train, data.train_labels);
  if (data.train.size(0) == 0) throw ConfigError(str(key, ": no training record of ", data.name, " is left"));
  const int64_t test = data.test_labels.defined() ? keep(data.test, data.test_labels) : 0;
  data.notes.push_back(str(data.name, ": ", grouped(train), " training and ", grouped(test),
                           " test records of the classes left out (", names, ") are not taken"));
}

}  // namespace

at::Tensor rows_of_classes(const at::Tensor& labels, const std::vector<int64_t>& classes, bool others) {
  return at::isin(labels, at::tensor(classes, labels.options()), /*assume_unique=*/false, others).nonzero().squeeze(1);
}

int64_t Dataset::steps_per_epoch(int64_t batch_size) const {
  const int64_t records = train.size(0);
  if (batch_size < 1 || batch_size > records)
    throw ConfigError(str("[TRAINING] batch_size = ", batch_size, ": expected 1 to ", records,
                          ", the number of training records of ", name));
  return records / batch_size;
}

at::Tensor Dataset::batch_index(int64_t step, int64_t batch_size, const Rng& rng) const {
  const int64_t steps = steps_per_epoch(batch_size), epoch = step / steps, records = train.size(0);
  if (epoch_order.epoch != epoch || epoch_order.seed != rng.seed() || epoch_order.size != records)
    epoch_order = {rng.seed(), epoch, records, rng.permutation(Stream::kData, epoch, records)};
  return epoch_order.index.narrow(0, step % steps * batch_size, batch_size);
}

at::Tensor Dataset::batch(int64_t step, int64_t batch_size, const Rng& rng) const {
  const at::Tensor index = batch_index(step, batch_size, rng);
  if (prepare_rows) prepare_rows(index);
  at::Tensor x = to_float(train, index);
  if (flip) flip_rows(x, shape, rng.uniform(Stream::kFlip, step, {batch_size}));
  if (!dequantize) return x;
  // byte/255 -> (byte + U)/256: bins of width 1/256 that fill [0,1].
  return x.mul_(255).add_(rng.uniform(Stream::kDequantize, step, x.sizes())).div_(256);
}

at::Tensor Dataset::to_float(const at::Tensor& split, const at::Tensor& index) {
  TORCH_CHECK_VALUE(split.dim() >= 1 && split.is_cpu() && split.is_contiguous(),
                    "to_float: expected a contiguous CPU split");
  TORCH_CHECK_VALUE(index.dim() == 1 && index.scalar_type() == at::kLong, "to_float: expected index int64 [n], got ",
                    index.sizes());
  const at::Tensor rows = index.to(at::kCPU).contiguous();
  const int64_t width = split.numel() / std::max<int64_t>(split.size(0), 1);
  at::Tensor x = at::empty({rows.size(0), width}, at::kFloat);
  if (split.scalar_type() == at::kByte) {
    gather(split.const_data_ptr<uint8_t>(), split.size(0), rows, width, 255.0f, x.mutable_data_ptr<float>());
  } else if (split.scalar_type() == at::kInt) {
    gather(split.const_data_ptr<int32_t>(), split.size(0), rows, width, 1.0f, x.mutable_data_ptr<float>());
  } else {
    gather(split.const_data_ptr<float>(), split.size(0), rows, width, 1.0f, x.mutable_data_ptr<float>());
  }
  return x;
}

Dataset make_dataset(const DatasetOptions& options, std::shared_ptr<const Pca> pca) {
  check_options(options);
  const DataSet& set = find_data_set(options.name);
  Dataset data = set.load(set, options);
  if (!options.leave_out.empty()) leave_out_classes(data, options.leave_out);
  if (options.random_flip && !data.flip) data.notes.push_back(data.name + " holds no images: random_flip is ignored");
  if (!options.use_pca) return data;
  if (!pca) pca = std::make_shared<Pca>(fit_pca(data, options.pca_components, options.progress));
  return project(data, std::move(pca));
}

}  // namespace kaem
