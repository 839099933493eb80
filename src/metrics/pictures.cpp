#include "kaem/metrics/pictures.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace kaem::metrics {
namespace {

using at::Tensor;

constexpr int64_t kWindow = 11, kMiddle = kWindow / 2;

void check_pair(const char* what, const Tensor& x, const Tensor& y) {
  TORCH_CHECK_VALUE(x.dim() == 4 && x.sizes() == y.sizes(), what, ": expected two sets of pictures [N,C,H,W], got ",
                    x.sizes(), " and ", y.sizes());
}

}  // namespace

Tensor squared_error(const Tensor& x, const Tensor& y) {
  check_pair("squared_error", x, y);
  return (x - y).square().flatten(1).mean(1);
}

Tensor peak_signal_to_noise(const Tensor& x, const Tensor& y) { return -10 * squared_error(x, y).log10(); }

Tensor structural_similarity(const Tensor& x, const Tensor& y) {
  check_pair("structural_similarity", x, y);
  TORCH_CHECK_VALUE(x.size(2) >= kWindow && x.size(3) >= kWindow,
                    "structural_similarity: expected pictures of at least ", kWindow, "x", kWindow, ", got ",
                    x.sizes());
  const Tensor distance = at::arange(kWindow, x.options()) - kMiddle;
  const Tensor bell = (-distance.square() / (2 * 1.5 * 1.5)).exp(), weights = bell / bell.sum();
  const auto smooth = [&](const Tensor& t) {
    const Tensor single = t.reshape({-1, 1, t.size(2), t.size(3)});
    return at::conv2d(at::conv2d(single, weights.reshape({1, 1, kWindow, 1})), weights.reshape({1, 1, 1, kWindow}));
  };
  const Tensor mean_x = smooth(x), mean_y = smooth(y);
  const Tensor var_x = smooth(x.square()) - mean_x.square(), var_y = smooth(y.square()) - mean_y.square(),
               both = smooth(x * y) - mean_x * mean_y;
  constexpr double kC1 = 0.01 * 0.01, kC2 = 0.03 * 0.03;
  const Tensor map = (2 * mean_x * mean_y + kC1) * (2 * both + kC2) /
                     ((mean_x.square() + mean_y.square() + kC1) * (var_x + var_y + kC2));
  return map.reshape({x.size(0), -1}).mean(1);
}

Tensor radial_spectrum(const Tensor& fields) {
  TORCH_CHECK_VALUE(fields.dim() == 4, "radial_spectrum: expected fields [N,C,H,W], got ", fields.sizes());
  const int64_t height = fields.size(2), width = fields.size(3), count = std::min(height, width) / 2 + 1;
  const Tensor wide = fields.to(at::kDouble), centred = wide - wide.mean(at::IntArrayRef({2, 3}), true);
  const Tensor power = at::fft_fft2(centred).abs().square() / static_cast<double>(height * width);
  const auto options = wide.options();
  const Tensor rows = at::fft_fftfreq(height, 1.0 / static_cast<double>(height), options),
               columns = at::fft_fftfreq(width, 1.0 / static_cast<double>(width), options);
  const Tensor ring = (rows.square().unsqueeze(1) + columns.square()).sqrt().round().to(at::kLong).flatten();
  const Tensor inside = ring < count, kept = ring.masked_select(inside), ones = at::ones(kept.sizes(), options);
  const Tensor sizes = at::zeros({count}, options).index_add(0, kept, ones);
  const Tensor picked = power.mean(1).flatten(1).index_select(1, inside.nonzero().flatten());
  return at::zeros({fields.size(0), count}, options).index_add(1, kept, picked) / sizes;
}

}  // namespace kaem::metrics
