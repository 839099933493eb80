#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kaem/core/rng.h"

namespace kaem::darcy {

/// Gaussian random fields N(0, (-Δ+9I)^-2) on the unit square with Neumann boundary and zero mean, at the centres of
/// n×n cells: -> [count,n,n] float64. A cosine series of 96×96 modes, so that field i is the same function at every n
/// (Li et al. 2021, "Fourier Neural Operator for Parametric PDEs", and its published generator).
at::Tensor gaussian_field(int64_t count, int64_t n, const Rng& rng, int64_t first_index = 0);

/// Permeability a at the centres of n×n cells: 12 where the Gaussian field is >= 0, else 3: -> [count,n,n] float64.
/// Field i of a seed does not depend on the count, the other fields, or the number of threads.
at::Tensor permeability(int64_t count, int64_t n, const Rng& rng, int64_t first_index = 0);

/// Solves -∇·(a∇u) = f on the unit square with u = 0 on the boundary, f = 1 unless `source` [count,n,n] is given:
/// a [count,n,n] > 0 at the centres of cells -> u [count,n,n] float64 there. Finite volumes with harmonic means at the
/// cell faces, second order where a is smooth; error against finer grids in docs/file-formats.md.
at::Tensor solve(const at::Tensor& a, const at::Tensor& source = {});

/// (a, u) as float32 [count,32,32] for `seed`, from the cache ${XDG_CACHE_HOME:-~/.cache}/kaem or solved (on a finer
/// grid) and cached. `notes` gets a line for what the user should know; `progress` is called with (solved, to solve).
std::pair<at::Tensor, at::Tensor> fields(int64_t count, uint64_t seed, std::vector<std::string>* notes = nullptr,
                                         const std::function<void(int64_t, int64_t)>& progress = {});

}  // namespace kaem::darcy
