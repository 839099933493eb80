#pragma once

// What kernels.cpp exports, once per instruction set: plain pointers in, plain pointers out, no allocation, no torch.

#include <cstdint>

namespace kaem::ops::simd {

/// A basis with its tables, made by cpu/plan.cpp in float64. `kind` and `activation`: as in ops/math.h.
struct Basis {
  int64_t kind, degree, activation;
  int64_t intervals;       ///< G
  int64_t functions;       ///< φ of an input
  int64_t features;        ///< functions, and one for the activation
  int64_t knot_count;      ///< numbers of a row of `knots`: G+1; G+1+4·degree for B-splines; 2G of wavelets
  int64_t row_stride;      ///< rows of an input: 1, or Q where every edge (q,p) has its own, p·Q + q
  const float* knots;      ///< [rows,knot_count]; B-spline: extended by 2·degree knots on both sides
  const float* scale;      ///< [rows] radial: 1/(τh); FFT: the leading 12 bits of τ/(b-a); wavelets: [rows,G] 1/s
  const float* scale_low;  ///< [I] FFT: the rest of it
  const double* unit;      ///< [I] Chebyshev: 2/(b-a)
  float frequency;         ///< Morlet: τ

  int64_t row(int64_t p, int64_t q) const { return row_stride == 1 ? p : p * row_stride + q; }
};

/// Rows [row_begin,row_end) and inputs [input_begin,input_end) of x [*,inputs]; the basis' tables start at input 0.
struct BasisRange {
  const float* x;
  const float* cell;  ///< null, or as x: decides the B-spline piece
  int64_t inputs, row_begin, row_end, input_begin, input_end;
};

/// Edges q·P+p in [begin,end) of the prior: z [S,Q,P] row by row. `rows` lists the samples in use (null:
/// 0..row_count-1).
struct EdgeRange {
  const float* z;
  const float* weights;  ///< [P,F,Q]
  const int32_t* rows;
  int64_t row_count, q_count, p_count;
  int64_t begin, end;
};

/// Components q in [begin,end) of a mixture of P: z [S,Q]; constant [Q,P], what log-densities of components have beside
/// their energy.
struct MixtureRange {
  const float* z;
  const float* weights;  ///< [P,F,Q]
  const float* constant;
  int64_t samples, q_count, p_count, begin, end;
};

/// Rows [begin,end) of generated [*,width], each for the datum (row / chains) % data of x [data,width]. What is
/// compared is sigmoid(steepness·generated), or with steepness 0 generated itself.
struct ErrorRange {
  const float* x;
  const float* generated;
  int64_t width, chains, data, begin, end;
  float steepness, scale;
};

/// Cells of components [begin,end): log_density [C,K] -> the outputs of ops.h.
struct CellRange {
  const float* log_density;
  const float* widths;  ///< [C/rows_per_width, cells]
  int64_t nodes, cells, rows_per_width, begin, end;
  bool split;
  float* log_normaliser;
  float* error;
  float* cdf;
  float* slope;
  float* gradient;  ///< [C,K], or null
};

/// Components [begin,end) of a table of inverse transforms, for `samples` rows of u and z, `stride` floats apart.
struct InverseRange {
  const float* u;
  float* z;
  int64_t stride, samples, begin, end;
  const int64_t *cells, *cdf_offset, *slope_offset, *edge_offset;
  const float *cdf, *slope, *edges;
};

struct Kernels {
  const char* level;
  int64_t width;  ///< floats of a vector

  /// Floats of scratch that the basis kernels and the edge kernels need.
  int64_t (*basis_scratch)(const Basis&);
  int64_t (*edge_scratch)(const Basis&, const EdgeRange&);

  /// Features (order 0) or their derivatives (order 1) into out [*,inputs,F].
  void (*basis)(const Basis&, const BasisRange&, int64_t order, float* out, float* scratch);
  /// grad [*,inputs,F] -> grad_x [*,inputs] (null: not wanted); returns Σ grad·∂φ/∂x·(x-c), which is ∓τ times the
  /// gradient of τ (radial bases: c the knot, minus; FFT: c = a, plus).
  double (*basis_backward)(const Basis&, const BasisRange&, const float* grad, float* grad_x, float* scratch);

  /// Σ over the range's edges, into sums [row_count].
  void (*edge_sum)(const Basis&, const EdgeRange&, float* sums, float* scratch);
  /// grad [row_count], packed as `rows`; adds to grad_weights [P,F,Q] (null: not wanted), writes grad_z [S,Q,P] (null:
  /// not wanted) at the rows listed; returns the sum for τ as basis_backward does (0 unless `want_tau`).
  double (*edge_sum_backward)(const Basis&, const EdgeRange&, const float* grad, float* grad_weights, float* grad_z,
                              bool want_tau, float* scratch);
  /// f (order 0) or f' (order 1) into out [S,Q,P].
  void (*edge_values)(const Basis&, const EdgeRange&, int64_t order, float* out, float* scratch);

  /// Floats of scratch; Σ_p softmax_p(f_qp(z) + constant_qp) f'_qp(z) into out [S,Q].
  int64_t (*mixture_scratch)(const Basis&, const MixtureRange&);
  void (*mixture_score)(const Basis&, const MixtureRange&, float* out, float* scratch);
  /// ‖x - x̂‖² of the rows into distance [*], scale·(x - x̂) ∂x̂/∂generated into gradient [*,width].
  void (*output_error)(const ErrorRange&, float* distance, float* gradient);

  /// One input of the folding: out[g,o] = spline[o]·c[g,o], g < functions.
  void (*fold)(const float* spline, const float* coefficients, int64_t functions, int64_t outputs, float* out);
  /// grad [functions,outputs] of one input -> grad_coefficients, grad_spline (each null if not wanted).
  void (*fold_backward)(const float* grad, const float* spline, const float* coefficients, int64_t functions,
                        int64_t outputs, float* grad_coefficients, float* grad_spline);

  int64_t (*cell_scratch)(int64_t cells);
  void (*cell_masses)(const CellRange&, float* scratch);
  int64_t (*inverse_scratch)(int64_t components, int64_t samples);
  void (*inverse_cdf)(const InverseRange&, float* scratch);

  /// from [rows, columns] -> to [columns, rows]; rows of either are a stride of floats apart.
  void (*transpose)(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to,
                    int64_t to_stride);
};

#if defined(KAEM_SIMD_X86)
extern const Kernels kAvx2Kernels, kAvx512Kernels;
#endif
extern const Kernels kDefaultKernels;

/// The kernels of the instruction set that PyTorch uses (ATEN_CPU_CAPABILITY forces both).
const Kernels& kernels();

}  // namespace kaem::ops::simd
