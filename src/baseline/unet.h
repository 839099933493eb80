#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <vector>

#include "kaem/baseline/options.h"
#include "kaem/core/rng.h"

namespace kaem::baseline {

/// The noise in an image at a noise level: a U-Net of residual blocks, half the resolution from each to the next, with
/// self-attention at the lowest and the level's sinusoidal embedding in every block (Ho et al. 2020, appendix B; one
/// block a resolution).
struct UNet : torch::nn::Module {
  /// x [n,C,H,W], level [n] -> [n,C,H,W].
  virtual at::Tensor forward(const at::Tensor& x, const at::Tensor& level) = 0;
};

std::shared_ptr<UNet> make_unet(const DdpmOptions& options, int64_t image_channels, const Rng& rng);

}  // namespace kaem::baseline
