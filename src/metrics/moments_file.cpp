#include "kaem/metrics/moments_file.h"

#include <ATen/ATen.h>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/npy.h"

namespace kaem::metrics {
namespace {

using at::Tensor;

/// A word as an array of bytes, and back: what a file of arrays can keep.
Tensor bytes_of(const std::string& word) {
  return at::tensor(std::vector<int64_t>(word.begin(), word.end()), at::kLong).to(at::kByte);
}

std::string word_of(const Tensor& bytes) {
  const Tensor plain = bytes.to(at::kByte).flatten().contiguous();
  return {reinterpret_cast<const char*>(plain.const_data_ptr<uint8_t>()), static_cast<size_t>(plain.numel())};
}

/// DataError unless this can be a covariance matrix.
void check_covariance(const std::string& path, const Tensor& covariance) {
  constexpr double kRounding = 1e-5;  // of files in float32
  const double largest = covariance.abs().max().item<double>();
  if ((covariance - covariance.t()).abs().max().item<double>() > kRounding * largest)
    throw DataError(path + ": sigma is not symmetric");
  const double least = at::linalg_eigvalsh(covariance).min().item<double>();
  if (least < -kRounding * largest)
    throw DataError(str(path, ": sigma is no covariance matrix: it has the eigenvalue ", least));
}

}  // namespace

Moments read_moments(const std::string& path, const std::string& features, int64_t width) {
  const auto arrays = io::read_npz(path);
  const auto mean = arrays.find("mu"), covariance = arrays.find("sigma"), count = arrays.find("n"),
             network = arrays.find("kaem_features");
  if (mean == arrays.end() || covariance == arrays.end())
    throw DataError(str(path, ": expected arrays 'mu' [F] and 'sigma' [F,F]"));
  if (mean->second.sizes() != at::IntArrayRef({width}) || covariance->second.sizes() != at::IntArrayRef({width, width}))
    throw DataError(kaem::str(path, ": expected mu [", width, "] and sigma [", width, ",", width,
                              "], as the features have, got ", c10::str(mean->second.sizes()), " and ",
                              c10::str(covariance->second.sizes())));
  if (network != arrays.end() && word_of(network->second) != features)
    throw DataError(path + ": its features are another network's than these (" + features.substr(0, 16) +
                    "); name another file, which is then written");
  const Tensor mu = mean->second.to(at::kDouble), sigma = covariance->second.to(at::kDouble);
  if (!mu.isfinite().all().item<bool>() || !sigma.isfinite().all().item<bool>())
    throw DataError(path + ": mu or sigma has values that are not finite");
  check_covariance(path, sigma);
  const bool counted = count != arrays.end() && count->second.numel() == 1;
  return {mu, sigma, counted ? count->second.to(at::kLong).item<int64_t>() : 0};
}

void write_moments(const std::string& path, const Moments& moments, const std::string& features) {
  io::write_npz(path, {{"mu", moments.mean()},
                       {"sigma", moments.covariance()},
                       {"n", at::scalar_tensor(moments.count(), at::kLong)},
                       {"kaem_features", bytes_of(features)}});
}

}  // namespace kaem::metrics
