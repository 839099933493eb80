#include <ATen/ATen.h>

#include <algorithm>

#include "evaluate/rows.h"
#include "kaem/core/str.h"
#include "kaem/io/image.h"
#include "kaem/metrics/pictures.h"

namespace kaem::evaluate {
namespace {

using at::Tensor;

/// x, xhat [N,C,H,W].
void write_reconstructions(const std::string& path, const Tensor& x, const Tensor& xhat) {
  const int64_t shown = std::min<int64_t>(32, x.size(0)), row = std::min<int64_t>(8, shown);
  std::vector<Tensor> parts;
  for (int64_t from = 0; from < shown; from += row)
    for (const auto* t : {&x, &xhat}) {
      const Tensor part = t->slice(0, from, std::min(from + row, shown));
      parts.push_back(at::constant_pad_nd(part, {0, 0, 0, 0, 0, 0, 0, row - part.size(0)}));  // whole rows
    }
  io::write_png_grid(path, at::cat(parts), row);
}

Section measure_reconstruction(Evaluation& e) {
  const Tensor xhat = e.posterior_means(), x = e.test().images.reshape(xhat.sizes());
  Section section;
  section.scores = {mean_of("reconstruction MSE", metrics::squared_error(x, xhat)),
                    mean_of("reconstruction PSNR, dB", metrics::peak_signal_to_noise(x, xhat))};
  constexpr int64_t kLeastSide = 11;
  if (x.size(2) >= kLeastSide && x.size(3) >= kLeastSide)
    section.scores.push_back(mean_of("reconstruction SSIM", metrics::structural_similarity(x, xhat)));
  std::vector<std::string> lines = {str(x.size(0), " test data through AIS' posterior means")};
  if (!e.options.reconstructions.empty()) {
    write_reconstructions(e.options.reconstructions, x, xhat);
    lines.push_back(e.options.reconstructions + ": rows of test data, each above its posterior means");
  }
  section.text = text_of("Reconstruction", lines, section.scores);
  return section;
}

}  // namespace

Metric reconstruction_metric() {
  const auto needs = [](Evaluation& e) {
    const std::string why = needs_pictures(e);
    return why.empty() ? needs_density(e) : why;
  };
  return {"reconstruction", "MSE, PSNR and SSIM of test data through posterior means", needs, measure_reconstruction};
}

}  // namespace kaem::evaluate
