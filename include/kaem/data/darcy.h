#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>

#include "kaem/core/rng.h"

namespace kaem::darcy {

/// Permeability fields a on an n×n grid of cell centres: 12 where a Gaussian random field N(0, (-Δ+9I)^-2) with Neumann boundary is
/// ≥ 0, else 3: -> [count,n,n] float64.
at::Tensor permeability(int64_t count, int64_t n, const Rng& rng, int64_t first_index = 0);

/// Solves -∇·(a∇u) = 1 on the unit square with u = 0 on the boundary: a [count,n,n] -> u [count,n,n] float64.
at::Tensor solve(const at::Tensor& a);

/// (a, u) as float32 [count,32,32] for `seed`, from the cache ${XDG_CACHE_HOME:-~/.cache}/kaem or solved and cached.
std::pair<at::Tensor, at::Tensor> fields(int64_t count, uint64_t seed, std::string* note = nullptr);

}  // namespace kaem::darcy
