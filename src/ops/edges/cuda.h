#pragma once

#include <cstdint>

#include "ops/basis/cuda.h"

namespace kaem::ops::cuda {

/// z [S,Q,P], weights [P,F,Q] -> out [S].
void edge_sum(const Basis& basis, const float* z, const float* weights, int64_t samples, int64_t outputs, float* out,
              Stream stream);

/// f (order 0) or f' (order 1) -> out [S,Q,P]; with `grad` [S] (or null) every value is multiplied by its sample's.
void edge_values(const Basis& basis, const float* z, const float* weights, const float* grad, int64_t samples,
                 int64_t outputs, int order, float* out, Stream stream);

/// grad [S] -> grad_weights [P,F,Q].
void edge_weight_gradient(const Basis& basis, const float* z, const float* grad, int64_t samples, int64_t outputs,
                          float* grad_weights, Stream stream);

/// grad [S] -> grad_tau []; `partial`: doubles for partial_sums(S·Q·P) blocks.
void edge_tau_gradient(const Basis& basis, const float* z, const float* weights, const float* grad, int64_t samples,
                       int64_t outputs, float* grad_tau, double* partial, Stream stream);

}  // namespace kaem::ops::cuda
