#include "kaem/metrics/distance.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace kaem::metrics {
namespace {

using at::Tensor;

constexpr int64_t kBlock = 1024;  // rows whose pairs with all others are held at once

/// Σ^½ of a symmetric Σ without negative eigenvalues but for rounding.
Tensor root_of(const Tensor& covariance) {
  const auto [values, vectors] = at::linalg_eigh(covariance);
  return at::matmul(vectors * values.clamp_min(0).sqrt(), vectors.t());
}

/// Of the Gaussians of a, where factorᵀ factor = Σa, and of b, where root = Σb^½.
double distance_to(const Tensor& factor, const Moments& a, const Moments& b, const Tensor& root) {
  // tr (Σa^½ Σb Σa^½)^½ is the sum of the singular values of Σa^½ Σb^½: no root is taken of what rounding left of
  // zeros.
  const double shared = at::linalg_svdvals(at::matmul(factor, root)).sum().item<double>();
  return (a.mean() - b.mean()).square().sum().item<double>() + a.covariance().diagonal().sum().item<double>() +
         b.covariance().diagonal().sum().item<double>() - 2 * shared;
}

void check_rows(const char* what, const Tensor& a, const Tensor& b, int64_t least) {
  TORCH_CHECK_VALUE(a.dim() == 2 && b.dim() == 2 && a.size(1) == b.size(1), what, ": expected [N,F] and [M,F], got ",
                    a.sizes(), " and ", b.sizes());
  TORCH_CHECK_VALUE(a.size(0) >= least && b.size(0) >= least, what, ": expected at least ", least, " rows each, got ",
                    a.size(0), " and ", b.size(0));
}

/// Sums of the kernel over the rows of b for each row of a [N]; `same`: without its pair with itself.
Tensor kernel_sums(const Tensor& a, const Tensor& b, bool same) {
  const auto width = static_cast<double>(a.size(1));
  const auto kernel = [&](const Tensor& products) { return (products / width + 1).pow(3); };
  std::vector<Tensor> sums;
  for (const Tensor& rows : a.split(kBlock)) {
    Tensor sum = kernel(at::matmul(rows, b.t())).sum(1);
    if (same) sum = sum - kernel(rows.square().sum(1));
    sums.push_back(sum);
  }
  return at::cat(sums);
}

/// Squared distances [n,M] of rows to the rows of b, of which the squared norms are `norms`.
Tensor squared_distances(const Tensor& rows, const Tensor& b, const Tensor& norms) {
  return (rows.square().sum(1, true) + norms - 2 * at::matmul(rows, b.t())).clamp_min(0);
}

/// Squared distance of each row to its k-th neighbour among the others: [N].
Tensor reach_of(const Tensor& rows, int64_t k) {
  const Tensor norms = rows.square().sum(1);
  std::vector<Tensor> parts;
  for (int64_t from = 0; from < rows.size(0); from += kBlock) {
    Tensor d = squared_distances(rows.slice(0, from, from + kBlock), rows, norms);
    d.slice(1, from, from + d.size(0)).fill_diagonal_(std::numeric_limits<double>::infinity());
    parts.push_back(std::get<0>(d.kthvalue(k, 1)));
  }
  return at::cat(parts);
}

/// Share of `rows` within the reach of one of `support`.
Estimate covered(const Tensor& rows, const Tensor& support, const Tensor& reach) {
  const Tensor norms = support.square().sum(1);
  double inside = 0;
  for (const Tensor& part : rows.split(kBlock))
    inside += (squared_distances(part, support, norms) <= reach).any(1).sum().item<double>();
  const auto count = static_cast<double>(rows.size(0));
  const double share = inside / count;
  return {share, std::sqrt(share * (1 - share) / count)};
}

}  // namespace

Moments::Moments(Tensor mean, const Tensor& covariance, int64_t count) : count_(count), mean_(std::move(mean)) {
  scatter_ = count > 1 ? covariance * static_cast<double>(count - 1) : covariance;
}

void Moments::add(const Tensor& rows_in) {
  TORCH_CHECK_VALUE(rows_in.dim() == 2, "Moments: expected rows [n,F], got ", rows_in.sizes());
  if (rows_in.size(0) == 0) return;
  const Tensor rows = rows_in.to(at::kCPU, at::kDouble);
  const auto more = static_cast<double>(rows.size(0)), before = static_cast<double>(count_);
  const Tensor mean = rows.mean(0), centred = rows - mean, scatter = at::matmul(centred.t(), centred);
  if (count_ == 0) {
    mean_ = mean, scatter_ = scatter;
  } else {
    TORCH_CHECK_VALUE(mean.sizes() == mean_.sizes(), "Moments: expected rows of ", mean_.size(0), " numbers, got ",
                      mean.size(0));
    const Tensor step = mean - mean_;
    scatter_ = scatter_ + scatter + at::outer(step, step) * (before * more / (before + more));
    mean_ = mean_ + step * (more / (before + more));
  }
  count_ += rows.size(0);
}

Tensor Moments::covariance() const { return count_ > 1 ? scatter_ / static_cast<double>(count_ - 1) : scatter_; }

double frechet_distance(const Moments& a, const Moments& b) {
  TORCH_CHECK_VALUE(a.mean().defined() && b.mean().defined() && a.mean().sizes() == b.mean().sizes(),
                    "frechet_distance: expected moments of as many features, got ",
                    a.mean().defined() ? a.mean().size(0) : 0, " and ", b.mean().defined() ? b.mean().size(0) : 0);
  return distance_to(root_of(a.covariance()), a, b, root_of(b.covariance()));
}

Frechet frechet_distance(const Tensor& rows, const Moments& reference, const Rng& rng, int64_t parts) {
  TORCH_CHECK_VALUE(rows.dim() == 2 && parts >= 2 && rows.size(0) >= 2 * parts,
                    "frechet_distance: expected at least 2 rows for each of ", parts, " parts, got ", rows.sizes());
  TORCH_CHECK_VALUE(reference.mean().defined() && reference.mean().size(0) == rows.size(1),
                    "frechet_distance: expected rows and reference of as many features, got ", rows.sizes());
  const Tensor root = root_of(reference.covariance());
  const auto of_rows = [&](const Tensor& part) {
    Moments moments;
    moments.add(part);
    // Any F with FᵀF = Σ stands for Σ^½, so that the rows themselves do: no eigenvalues, and few rows are quick.
    const Tensor centred = part.to(at::kCPU, at::kDouble) - moments.mean();
    const Tensor factor = centred / std::sqrt(static_cast<double>(part.size(0) - 1));
    return distance_to(factor.size(0) > factor.size(1) ? std::get<1>(at::linalg_qr(factor, "r")) : factor, moments,
                       reference, root);
  };
  const Tensor order = rng.permutation(Stream::kEvaluate, 0, rows.size(0)).to(rows.device());
  std::vector<double> of_parts;
  for (const Tensor& index : order.tensor_split(parts)) of_parts.push_back(of_rows(rows.index_select(0, index)));
  const Tensor values = at::tensor(of_parts, at::kDouble);
  const auto count = static_cast<double>(parts);
  const double all = of_rows(rows), error = values.std().item<double>() / std::sqrt(count);
  return {{all, error}, {all - (values.mean().item<double>() - all) / (count - 1), error}};
}

Estimate kernel_distance(const Tensor& a_in, const Tensor& b_in) {
  check_rows("kernel_distance", a_in, b_in, 2);
  const Tensor a = a_in.to(at::kDouble), b = b_in.to(at::kDouble);
  const auto n = static_cast<double>(a.size(0)), m = static_cast<double>(b.size(0));
  const Tensor with_a = kernel_sums(a, a, true) / (n - 1), with_b = kernel_sums(b, b, true) / (m - 1),
               across_a = kernel_sums(a, b, false) / m, across_b = kernel_sums(b, a, false) / n;
  const double value = (with_a.mean() + with_b.mean() - 2 * across_a.mean()).item<double>();
  const double spread_a = (with_a - across_a).var().item<double>(), spread_b = (with_b - across_b).var().item<double>();
  return {value, 2 * std::sqrt(spread_a / n + spread_b / m)};
}

PrecisionRecall precision_recall(const Tensor& real_in, const Tensor& generated_in, int64_t k) {
  TORCH_CHECK_VALUE(k >= 1, "precision_recall: expected k of at least 1, got ", k);
  check_rows("precision_recall", real_in, generated_in, k + 1);
  // In float64: a squared distance as a difference of squares loses the digits of near neighbours.
  const Tensor real = real_in.to(at::kDouble), generated = generated_in.to(at::kDouble);
  return {covered(generated, real, reach_of(real, k)), covered(real, generated, reach_of(generated, k))};
}

std::pair<Tensor, Tensor> nearest_rows(const Tensor& a_in, const Tensor& b_in, int64_t k) {
  check_rows("nearest_rows", a_in, b_in, 1);
  TORCH_CHECK_VALUE(k >= 1 && k <= b_in.size(0), "nearest_rows: expected k of 1 to ", b_in.size(0), ", got ", k);
  const Tensor a = a_in.to(at::kDouble);
  std::vector<Tensor> rows, distances;
  for (const Tensor& part : a.split(kBlock)) {
    // The other set a block at a time too: it may be all training images, which are float32.
    std::vector<Tensor> best, best_index;
    for (int64_t from = 0; from < b_in.size(0); from += 4 * kBlock) {
      const Tensor b = b_in.slice(0, from, from + 4 * kBlock).to(at::kDouble);
      const auto [d, index] = squared_distances(part, b, b.square().sum(1)).topk(std::min(k, b.size(0)), 1, false);
      best.push_back(d), best_index.push_back(index + from);
    }
    const auto [d, order] = at::cat(best, 1).topk(k, 1, false);
    distances.push_back(d.sqrt()), rows.push_back(at::cat(best_index, 1).gather(1, order));
  }
  return {at::cat(rows), at::cat(distances)};
}

}  // namespace kaem::metrics
