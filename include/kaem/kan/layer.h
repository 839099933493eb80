#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "kaem/core/rng.h"
#include "kaem/kan/basis.h"

namespace kaem {

/// What a grid update did.
struct GridUpdate {
  int64_t moved = 0;    ///< layers whose knots moved all the way
  int64_t halved = 0;   ///< halvings that were needed to keep the curves
  int64_t skipped = 0;  ///< layers left alone, as every halving changed the curves too much
  GridUpdate& operator+=(const GridUpdate& o) {
    moved += o.moved, halved += o.halved, skipped += o.skipped;
    return *this;
  }
};

/// Whose translations and scales wavelets have: an input's, which all outputs share, so that a layer is one matrix
/// product; or an edge's (layers whose edges are evaluated one by one; they have no `forward`).
enum class WaveletsOf { kInput, kEdge };

/// A Kolmogorov-Arnold layer: y_o = Σ_i w_base_io act(x_i) + w_spline_io Σ_g c_igo φ_g(x_i), computed as one matrix
/// product of features [N, I·F] and folded weights [I·F, O]. docs/mathematics.md section 1.
struct KanLayerImpl : torch::nn::Module {
  KanLayerImpl(int64_t inputs, int64_t outputs, BasisOptions options, const InitialDraws& draws,
               WaveletsOf wavelets = WaveletsOf::kInput);

  /// x [N,I] -> [N,O].
  at::Tensor forward(const at::Tensor& x);

  /// Folded weights [I,F,O]; differentiable.
  at::Tensor weights() const;

  /// Bandwidth [], not below kMinTau; differentiable.
  at::Tensor bandwidth() const;

  /// Knots [I,G+1], ascending, of every input. Fixed ones are a buffer; with `grid_trainable` they are computed from
  /// the parameter `gaps` and the fixed ends, differentiable. Of wavelets: translations and scales [I or I·O, 2G],
  /// parameters always (kaem/ops/ops.h), the scales not below kMinTau of the domain's G-th part.
  at::Tensor knots() const;

  /// True if the knots are parameters (`grid_trainable` and a basis that has inner knots; wavelets).
  bool has_trainable_knots() const { return gaps.defined() || translations.defined(); }

  /// What fixes the ends of every input's grid: the buffer of fixed knots [I,G+1], of trainable ones that of their ends
  /// [I,2]. It is written to only where grids are moved.
  const at::Tensor& ends_buffer() const { return has_trainable_knots() ? ends_ : knots_; }

  /// Moves the knots towards r·uniform + (1-r)·quantiles of x [N,I] and refits the coefficients (float64, ridge), with
  /// the domain fixed (`keep_ends`, priors) or taken from the inputs (generators). Trainable knots stay.
  /// docs/mathematics.md section 1, "Grid update".
  GridUpdate update_grid(const at::Tensor& x, bool keep_ends);

  /// Sets the grid from inputs before the first step: as update_grid, but the curves start anew on it.
  void initialise_grid(const at::Tensor& x, bool keep_ends);

  /// Moves the grid to [low, high] for every input and starts the curves anew (priors whose domain is not grid_range).
  void reset_domain(double low, double high);

  const int64_t inputs, outputs;
  BasisOptions options;
  ops::BasisSpec spec;
  ops::Precision precision = ops::Precision::kFull;  ///< of the operands of `forward`'s products
  at::Tensor gaps;  ///< [I,G]: softplus of it, normalised, are the knots' distances; undefined for fixed knots
  at::Tensor translations, scales;  ///< [I or I·O, G] c and s of wavelets; undefined for other bases
  at::Tensor base_weight;           ///< [I,O]; undefined if the base branch is off
  at::Tensor spline_weight;         ///< [I,O]
  at::Tensor coefficients;          ///< [I,G',O]
  at::Tensor tau;                   ///< []; a parameter if trainable, else a buffer

 private:
  void draw_coefficients();
  /// Puts the knots at [I,G+1], as they are or (trainable) by the gaps that give them; wavelets between their ends.
  void set_knots(const at::Tensor& knots);
  void place_wavelets();

  at::Tensor knots_;  ///< buffer "knots" [I,G+1] of fixed knots
  at::Tensor ends_;   ///< buffer "knot_ends" [I,2] of trainable ones and of wavelets
  InitialDraws draws_;
};
TORCH_MODULE(KanLayer);

/// A layer whose parameters stay as they are while this lives: what depends on them alone is made once. No graph;
/// chains use it.
struct FrozenKanLayer {
  explicit FrozenKanLayer(const KanLayer& layer);

  /// x [N,I] -> [N,O].
  at::Tensor forward(const at::Tensor& x) const;

  /// Vector-Jacobian product: x [N,I], grad [N,O] -> [N,I].
  at::Tensor pullback(const at::Tensor& x, const at::Tensor& grad) const;

  int64_t inputs;
  ops::BasisSpec spec;
  ops::Precision precision;
  at::Tensor weights, bandwidth, knots;  ///< folded [I·F,O], rounded to the precision; [], [I,G+1]
};

/// New coefficients so that Φ_new c_new ≈ Φ_old c_old at `points` [N,I]: per input, the float64 minimiser of
/// ‖Φ_new c - Φ_old c_old‖² + ridge ‖c‖². Returns c [I,G',O] of c_old's dtype. Knots are [I,G+1].
at::Tensor refit_coefficients(const at::Tensor& points, const at::Tensor& old_knots, const at::Tensor& new_knots,
                              const at::Tensor& tau, const at::Tensor& coefficients, const ops::BasisSpec& spec,
                              double ridge);

}  // namespace kaem
