#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kaem/core/rng.h"
#include "kaem/data/options.h"
#include "kaem/train/trainer.h"

/// How single latent components move what is generated. docs/mathematics.md section 7, "Walks through the latents".
namespace kaem::exports {

/// One latent component of a run on pictures.
struct Component {
  int64_t index = 0;         ///< in one latent, flattened: of z [Q,P], q·P + p
  double distance = 0;       ///< mean over prior draws of ‖x(z_95) - x(z_5)‖₂, the other components held
  double error = 0;          ///< standard error of that mean
  double low = 0, high = 0;  ///< the component's 5 % and 95 % quantile
};

/// Quantiles of components by number: u [K] in (0,1), components int64 [C] -> [K,C]. A prior without distribution
/// functions has those of `draws` [n, latent...].
at::Tensor quantiles(const LoadedRun& run, const PriorView& prior, const at::Tensor& draws, const at::Tensor& u,
                     const at::Tensor& components);

/// All components, that with the largest distance first, by `count` prior draws. `progress` is told of components.
std::vector<Component> components_by_distance(LoadedRun& run, const Rng& rng, int64_t count,
                                              const DataProgress& progress = {});

/// Pictures [rows·columns,C,H,W]: a row for each component, over its quantiles from 5 % to 95 %; the others are those
/// of the first prior draw.
at::Tensor traversals(LoadedRun& run, const Rng& rng, const std::vector<Component>& components, int64_t columns);

}  // namespace kaem::exports
