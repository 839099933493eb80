#pragma once

#include <string>
#include <vector>

#include "kaem/core/options.h"
#include "kaem/ops/spec.h"

namespace kaem {

/// The univariate functions of a KAN layer (docs/mathematics.md section 1). Both the prior and a KAN generator list
/// these keys in their own section of the configuration.
struct BasisOptions {
  std::string kind = "RBF";
  std::string wavelet = "Morlet";  ///< family when kind is "Wavelet"
  int64_t degree = 3;              ///< B-spline and Chebyshev degree
  int64_t grid_size = 20;          ///< intervals G
  std::vector<double> grid_range = {-1.2, 1.2};
  std::string activation = "silu";  ///< base branch; "none" switches it off
  double update_ratio = 0.05;       ///< r of a grid update: r·uniform + (1-r)·quantiles
  double eps_scale = 0.1;           ///< size of the initial noise in the curves
  double mu_scale = 1.0;
  double sigma_base = 1.0;
  double sigma_spline = 1.0;
  double tau = 1.0;  ///< bandwidth in units of the knot spacing; of the Morlet wavelet its frequency
  bool tau_trainable = true;
  bool grid_trainable = false;  ///< knots are parameters (bases with inner knots; wavelets are always trained); no grid
                                ///< updates then
  double ridge = 1e-4;          ///< ridge of refits ([TRAINING] eps)

  template <class Self, class V>
  static void visit(Self& o, V&& v);
};

/// Least bandwidth: below it the functions would fall between the knots.
inline constexpr double kMinTau = 0.05;

/// Configuration words of the bases, in the order of docs/mathematics.md; "Wavelet" (with `wavelet_type`) is accepted
/// too.
std::vector<std::string> basis_names();

/// Those that are wavelets, and the reference's short form of one.
std::vector<std::string> wavelet_names();

template <class Self, class V>
void BasisOptions::visit(Self& o, V&& v) {
  auto kinds = basis_names();
  kinds.insert(kinds.end(), {"Wavelet", "MH"});
  v(Key{.name = "spline_function", .help = "Basis of the univariate functions", .choices = kinds}, o.kind);
  v(Key{.name = "wavelet_type", .help = "Wavelet when spline_function = Wavelet", .choices = wavelet_names()},
    o.wavelet);
  v(Key{.name = "spline_degree",
        .help = "Degree of B-spline and Chebyshev bases; ignored by the others",
        .min = 0,
        .max = 30},
    o.degree);
  v(Key{.name = "grid_size", .help = "Number of grid intervals G; of wavelets, their number", .min = 1, .max = 4096},
    o.grid_size);
  v(Key{.name = "grid_range", .help = "Ends of the grid: two ascending numbers"}, o.grid_range);
  v(Key{.name = "base_activation",
        .help = "Activation of the base branch; none switches it off",
        .choices = ops::activation_names(),
        .reference = "no base branch with Cheby"},
    o.activation);
  v(Key{.name = "grid_update_ratio",
        .help = "Share of the uniform grid in a grid update; the rest are quantiles of the inputs",
        .min = 0,
        .max = 1},
    o.update_ratio);
  v(Key{.name = "ε_scale", .help = "Scale of the noise that the curves start from", .aliases = {"eps_scale"}, .min = 0},
    o.eps_scale);
  v(Key{.name = "μ_scale", .help = "Mean scale of the initial base weights", .aliases = {"mu_scale"}}, o.mu_scale);
  v(Key{.name = "σ_base", .help = "Spread of the initial base weights", .aliases = {"sigma_base"}, .min = 0},
    o.sigma_base);
  v(Key{.name = "σ_spline", .help = "Scale of the initial spline weights", .aliases = {"sigma_spline"}, .min = 0},
    o.sigma_spline);
  v(Key{.name = "init_τ",
        .help =
            "Initial bandwidth, in units of the knot spacing (FFT: half periods a domain); of the Morlet wavelet its "
            "initial frequency; of the other wavelets their initial scale",
        .aliases = {"init_tau"},
        .min = kMinTau,
        .reference = "FFT: cos(2πkτx) on x itself; RBF: larger is narrower in some versions",
        .absent = "1 (Morlet: 5)"},
    o.tau);
  v(Key{.name = "τ_trainable", .help = "Train the bandwidth (Morlet: the frequency)", .aliases = {"tau_trainable"}},
    o.tau_trainable);
  v(Key{.name = "grid_trainable",
        .help =
            "Train the knots, between fixed ends, instead of updating grids; wavelets always train their translations "
            "and scales"},
    o.grid_trainable);
}

}  // namespace kaem
