#include <ATen/ops/aminmax.h>

#include <algorithm>
#include <string_view>

#include "data/darcy_file.h"
#include "data/loaders.h"
#include "data/registry.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/darcy.h"
#include "kaem/io/file.h"
#include "kaem/io/image.h"

namespace kaem {
namespace {

struct Split {
  at::Tensor train, test;  ///< float64 [N,H,W]
};

std::string digest_of_field(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.contiguous();
  return io::sha256({static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()});
}

Split solved(const DatasetOptions& options, Dataset& data) {
  const int64_t count = options.train_size + options.test_size;
  const auto report = [&](int64_t done, int64_t total) {
    if (options.progress) options.progress("Darcy fields", done, total);
  };
  const auto [a, u] = darcy::fields(count, options.seed, &data.notes, report);
  const at::Tensor field = data.name == "DARCY_PERM" ? a.gt(6).to(at::kDouble) : u.to(at::kDouble);
  data.sources.emplace_back("solver", digest_of_field(field));
  return {field.narrow(0, 0, options.train_size), field.narrow(0, options.train_size, options.test_size)};
}

/// 1 above the middle of the smallest and the greatest permeability, else 0.
at::Tensor to_phases(const at::Tensor& field, const std::string& path, Dataset& data) {
  const auto [least, greatest] = at::aminmax(field);
  const at::Tensor high = field.gt(least.add(greatest).div(2));
  if (!field.eq(least).logical_or(field.eq(greatest)).all().item<bool>())
    data.notes.push_back(str(path, ": the permeability has more than two values; above ",
                             least.add(greatest).div(2).item<double>(), " it is 1, else 0"));
  return high.to(at::kDouble);
}

Split from_file(const DatasetOptions& options, Dataset& data) {
  const std::string& path = options.darcy_file;
  const bool permeability = data.name == "DARCY_PERM";
  at::Tensor field = darcy::read_fields(path, permeability);
  if (field.dim() == 4 && field.size(1) == 1) field = field.squeeze(1);  // neuraloperator's later files
  if (field.dim() != 3 || field.numel() == 0)
    throw DataError(kaem::str(path, ": expected fields of shape [N,H,W], found ", field.sizes()));
  field = field.to(at::kDouble);
  if (!field.isfinite().all().item<bool>()) throw DataError(path + ": holds values that are not finite numbers");
  if (permeability && darcy::holds_both(path)) field = to_phases(field, path, data);
  const int64_t records = field.size(0), rest = records - options.test_size;
  if (rest < 1)
    throw DataError(str(path, ": ", records, " records cannot give ", options.test_size,
                        " test records (N_test) and training data"));
  data.sources.emplace_back(path, io::sha256(io::read_file(path)));
  data.test_from_training = true;
  if (options.test_size > 0)
    data.notes.push_back(str(path, ": the last ", options.test_size, " of ", records, " records are the test set"));
  if (rest < options.train_size)
    data.notes.push_back(
        str(path, ": ", rest, " training records found, ", options.train_size, " asked for (N_train): all are used"));
  return {field.narrow(0, 0, std::min(rest, options.train_size)), field.narrow(0, rest, options.test_size)};
}

}  // namespace

Dataset load_darcy(const DataSet& set, const DatasetOptions& options) {
  Dataset data;
  data.name = set.name;
  if (options.dequantize) data.notes.push_back(data.name + " holds no bytes: dequantize is ignored");
  Split split = options.darcy_file.empty() ? solved(options, data) : from_file(options, data);
  for (auto* field : {&split.train, &split.test}) {
    *field = field->unsqueeze(1);
    if (!options.resize.empty() && options.resize != field->sizes().slice(2).vec())
      *field = resize_images(*field, options.resize);
  }
  const auto [least, greatest] = at::aminmax(split.train);
  data.scale_min = least.item<double>();
  data.scale_max = greatest.item<double>();
  if (!(data.scale_max > data.scale_min))
    throw DataError(str(options.darcy_file.empty() ? data.name : options.darcy_file, ": all training values are ",
                        data.scale_min, ", which cannot be scaled to [0,1]"));
  const auto scale = [&](const at::Tensor& field) {
    return field.to(at::kDouble).sub(data.scale_min).div(data.scale_max - data.scale_min).to(at::kFloat).contiguous();
  };
  data.train = scale(split.train);
  data.test = scale(split.test);
  data.shape = {1, data.train.size(2), data.train.size(3)};
  return data;
}

}  // namespace kaem
