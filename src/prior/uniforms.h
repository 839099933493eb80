#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "kaem/core/rng.h"

namespace kaem {

/// Uniforms [n,dimension] behind prior draws, in (0,1): `kind` independent, sobol (digitally shifted Sobol' points) or
/// latin (Latin hypercube). Each row is uniform on the cube; rows of the last two are dependent, which lowers the
/// variance of additive functionals. Rows are those with indices first_index, first_index + 1, ...
at::Tensor draw_uniforms(const std::string& kind, int64_t n, int64_t dimension, const Rng& rng, Stream stream,
                         int64_t step, at::TensorOptions options, int64_t first_index);

}  // namespace kaem
