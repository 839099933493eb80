#include "kaem/data/pca.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/io/safetensors.h"

namespace kaem {
namespace {

using at::Tensor;

constexpr int64_t kRows = 512;        // records at a time: 50 MB of float64 at 64x64 in colour
constexpr int64_t kMostExact = 4096;  // numbers of a record whose covariance is decomposed as a whole
constexpr int64_t kPasses = 7;        // of subspace iteration
constexpr int64_t kSpare = 10;        // directions that are iterated beyond those asked for

/// Calls f with all training records, kRows at a time, as float32 [n,D].
template <class F>
void each_part(const Dataset& data, const F& f) {
  const int64_t records = data.train.size(0);
  for (int64_t first = 0; first < records; first += kRows) {
    const Tensor index = at::arange(first, std::min(first + kRows, records), at::kLong);
    if (data.prepare_rows) data.prepare_rows(index);
    f(Dataset::to_float(data.train, index));
  }
}

Tensor mean_of(const Dataset& data) {
  Tensor sum;
  each_part(data, [&](const Tensor& x) {
    const Tensor part = x.sum(0, false, at::kDouble);
    sum = sum.defined() ? sum.add_(part) : part;
  });
  return sum / static_cast<double>(data.train.size(0));
}

/// The directions [K,D] of the largest `count` eigenvalues of the covariance.
Tensor exact_components(const Dataset& data, const Tensor& mean, int64_t count) {
  Tensor covariance = at::zeros({mean.size(0), mean.size(0)}, at::kDouble);
  each_part(data, [&](const Tensor& x) {
    const Tensor centred = x.to(at::kDouble) - mean;
    covariance.addmm_(centred.t(), centred);
  });
  const Tensor vectors = std::get<1>(at::linalg_eigh(covariance));  // columns, by ascending eigenvalue
  return vectors.narrow(1, vectors.size(1) - count, count).flip(1).t().contiguous();
}

/// The same by subspace iteration: Q <- orthonormal basis of XᵀX Q, then the eigenvectors of Qᵀ XᵀX Q.
Tensor iterated_components(const Dataset& data, const Tensor& mean, int64_t count, const DataProgress& progress) {
  const int64_t width = std::min({count + kSpare, mean.size(0), data.train.size(0)});
  const auto covariance_times = [&](const Tensor& q) {
    Tensor product = at::zeros_like(q);
    each_part(data, [&](const Tensor& x) {
      const Tensor centred = x.to(at::kDouble) - mean;
      product.addmm_(centred.t(), centred.matmul(q));
    });
    return product;
  };
  Tensor q = Rng(1).normal(Stream::kPca, 0, {mean.size(0), width}, at::TensorOptions(at::kDouble));
  for (int64_t pass = 0; pass < kPasses; ++pass) {
    q = std::get<0>(at::linalg_qr(covariance_times(q)));
    if (progress) progress("principal components", pass + 1, kPasses + 1);
  }
  const Tensor small = q.t().matmul(covariance_times(q));
  const Tensor vectors = std::get<1>(at::linalg_eigh((small + small.t()) / 2));
  if (progress) progress("principal components", kPasses + 1, kPasses + 1);
  return q.matmul(vectors.narrow(1, width - count, count).flip(1)).t().contiguous();
}

/// Eigenvectors have no sign of their own: the largest entry becomes positive, so that the same data give the same.
Tensor with_signs(const Tensor& components) {
  const Tensor largest = components.gather(1, components.abs().argmax(1, true));
  return components * at::where(largest < 0, -1.0, 1.0);
}

double explained_share(const Dataset& data, const Tensor& mean, const Tensor& components) {
  double all = 0, carried = 0;
  each_part(data, [&](const Tensor& x) {
    const Tensor centred = x.to(at::kDouble) - mean;
    all += centred.square().sum().item<double>();
    carried += centred.matmul(components.t()).square().sum().item<double>();
  });
  return all > 0 ? carried / all : 1;
}

void check(const Dataset& data, int64_t count) {
  if (data.is_text()) throw ConfigError("[PCA] use_pca = true: " + data.name + " holds text");
  const int64_t size = data.shape[0] * data.shape[1] * data.shape[2], most = std::min(size, data.train.size(0) - 1);
  if (count >= 1 && count <= most) return;
  throw ConfigError(str("[PCA] pca_components = ", count, ": expected 1 to ", most, " (", data.name, " has ", size,
                        " numbers a record, ", data.train.size(0), " training records)"));
}

std::string percent(double share) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << 100 * share;
  return text.str();
}

}  // namespace

Tensor Pca::project(const Tensor& x) const { return (x.reshape({x.size(0), -1}) - mean).matmul(components.t()); }

Tensor Pca::reconstruct(const Tensor& y) const {
  return at::addmm(mean, y.reshape({y.size(0), -1}), components).reshape({y.size(0), shape[0], shape[1], shape[2]});
}

Pca fit_pca(const Dataset& data, int64_t count, const DataProgress& progress) {
  check(data, count);
  const Tensor mean = mean_of(data);
  const Tensor components = with_signs(mean.size(0) <= kMostExact ? exact_components(data, mean, count)
                                                                  : iterated_components(data, mean, count, progress));
  return {data.shape, mean.to(at::kFloat), components.to(at::kFloat), explained_share(data, mean, components)};
}

Dataset project(const Dataset& data, std::shared_ptr<const Pca> pca) {
  Dataset out = data;
  const int64_t count = pca->components.size(0);
  const auto coordinates = [&](int64_t records) { return at::empty({records, 1, 1, count}, at::kFloat); };
  out.train = coordinates(data.train.size(0));
  int64_t done = 0;
  each_part(data, [&](const Tensor& x) {
    out.train.narrow(0, done, x.size(0)).copy_(pca->project(x).reshape({-1, 1, 1, count}));
    done += x.size(0);
  });
  out.test = coordinates(data.test.size(0));
  const Tensor all = at::arange(data.test.size(0), at::kLong);
  out.test.copy_(pca->project(Dataset::to_float(data.test, all)).reshape({-1, 1, 1, count}));
  out.shape = {1, 1, count};
  out.prepare_rows = {}, out.flip = out.dequantize = false, out.epoch_order = {};
  out.notes.push_back(str(data.name, ": ", count, " principal components carry ", percent(pca->explained),
                          " % of the training images' variance"));
  out.pca = std::move(pca);
  return out;
}

void write_pca(const std::string& path, const Pca& pca) {
  const io::NamedTensors tensors = {{"mean", pca.mean},
                                    {"components", pca.components},
                                    {"shape", at::tensor(at::IntArrayRef(pca.shape), at::kLong)},
                                    {"explained", at::scalar_tensor(pca.explained, at::kDouble)}};
  io::write_file_atomic(path, io::to_safetensors(tensors, {{"format", "1"}}));
}

Pca parse_pca(const std::string& image, const std::string& path) {
  const auto content = io::parse_safetensors(image, path);
  const auto tensor = [&](const char* name, int64_t dimensions, at::ScalarType type) {
    const auto found = content.tensors.find(name);
    if (found == content.tensors.end() || found->second.dim() != dimensions || found->second.scalar_type() != type)
      throw DataError(str(path, ": expected a tensor '", name, "' with ", dimensions, " dimensions"));
    return found->second;
  };
  Pca pca;
  pca.mean = tensor("mean", 1, at::kFloat), pca.components = tensor("components", 2, at::kFloat);
  pca.explained = tensor("explained", 0, at::kDouble).item<double>();
  const Tensor shape = tensor("shape", 1, at::kLong);
  if (shape.size(0) == 3) std::copy_n(shape.const_data_ptr<int64_t>(), 3, pca.shape.begin());
  const int64_t size = pca.shape[0] * pca.shape[1] * pca.shape[2];
  if (shape.size(0) != 3 || size != pca.mean.size(0) || size != pca.components.size(1))
    throw DataError(path + ": its tensors do not fit together");
  return pca;
}

}  // namespace kaem
