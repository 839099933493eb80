#pragma once

// Launches of the CUDA kernels: device pointers and a stream, no header of LibTorch (nvcc reads those for half a
// minute).

#include <cstdint>

struct CUstream_st;

namespace kaem::ops::cuda {

using Stream = CUstream_st*;

/// A basis of `inputs` inputs. `knots` [rows, knot_count] and `tau` [] as kaem/ops/ops.h has them, `scales` [2,rows]:
/// all on the device. An input has one row of knots, or (row_stride Q) one for every edge, p·Q + q.
struct Basis {
  int64_t kind, degree, activation, intervals, functions, features, inputs, rows, row_stride;
  const float* knots;
  const float* tau;
  float* scales;  ///< filled by prepare()
};

/// Fills the scales from knots and tau; before any other launch.
void prepare(const Basis& basis, Stream stream);

/// x [N,I] (cell: null or as x) -> out [N,I,F]: features (order 0) or their derivatives (order 1).
void basis(const Basis& basis, const float* x, const float* cell, int64_t rows, int order, float* out, Stream stream);

/// grad [N,I,F] -> grad_x [N,I] (null: not wanted) and grad_tau [] (null: not wanted). `partial`: doubles for
/// partial_sums(N·I) blocks; they are added in one order, so that the result is the same every time.
void basis_backward(const Basis& basis, const float* x, const float* cell, const float* grad, int64_t rows,
                    float* grad_x, float* grad_tau, double* partial, Stream stream);

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

/// A layer's folded weights [I,F,O]: functions and, if F is one more, the base weight.
struct Fold {
  int64_t inputs, functions, features, outputs;
};

/// base [I,O] (null without), spline [I,O], coefficients [I,F',O] -> out [I,F,O].
void fold(const Fold& fold, const float* base, const float* spline, const float* coefficients, float* out,
          Stream stream);

/// grad [I,F,O] -> gradients of all three (null: not wanted).
void fold_backward(const Fold& fold, const float* grad, const float* spline, const float* coefficients, float* to_base,
                   float* to_spline, float* to_coefficients, Stream stream);

/// z [S,Q], weights [P,F,Q], constant [Q,P] -> out [S,Q]: mixture_score of kaem/ops/density.h.
void mixture_score(const Basis& basis, const float* z, const float* weights, const float* constant, int64_t samples,
                   int64_t outputs, float* out, Stream stream);

/// output_error of kaem/ops/density.h: `rows` generated of `width` numbers, `repeat` for each of `data` in turn.
struct Error {
  int64_t rows, width, repeat, data;
  float steepness, factor;
};

/// x [data,width], generated [rows,width], scale [] (null: 1), which multiplies `factor` -> distance [rows], gradient
/// [rows,width].
void output_error(const Error& error, const float* x, const float* generated, const float* scale, float* distance,
                  float* gradient, Stream stream);

/// cell_masses of kaem/ops/ops.h: log_density [C,K], widths [C/rows_per_width,M]; the outputs' `gradient` (or null)
/// [C,K] is that of log_normaliser.
struct Cells {
  const float *log_density, *widths;
  int64_t components, nodes, cells, rows_per_width;
  bool split;
  float *log_normaliser, *error, *cdf, *slope, *gradient;
};
void cell_masses(const Cells& cells, Stream stream);

/// Blocks of a launch over `count` elements.
int64_t partial_sums(int64_t count);

/// Which random numbers: kaem/core/rng.h. `later` (or null), on the device, is added to `step`.
struct Numbers {
  uint64_t seed;
  uint32_t stream;
  int64_t step;
  const int64_t* later;
};

/// Numbers first, first + 1, ... -> out [count]. `counter` (or null), on the device, is added to `first`.
void fill_random(const Numbers& numbers, int64_t first, int64_t count, bool normal, const int64_t* counter, float* out,
                 Stream stream);

/// langevin_move of kaem/ops/ops.h: `count` numbers, `level_size` of each temperature; `likelihood` (or null) holds one
/// gradient for every `repeat` of them.
struct Move {
  const float *z, *prior, *likelihood, *noise, *temperature;
  int64_t count, level_size, repeat, temperatures;
  float step, spread, lower, upper;
};
void langevin_move(const Move& move, float* out, Stream stream);

/// A table of inverse transforms, as InverseTable of kaem/ops/ops.h.
struct Table {
  const int64_t *cells, *cdf_offset, *slope_offset, *edge_offset;
  const float *cdf, *slope, *edges;
};

/// u [S,C] -> z [S,C].
void inverse_cdf(const Table& table, const float* u, int64_t samples, int64_t components, float* z, Stream stream);

/// z [S,C] -> u [S,C].
void forward_cdf(const Table& table, const float* z, int64_t samples, int64_t components, float* u, Stream stream);

}  // namespace kaem::ops::cuda
