#pragma once

#include <cstdint>
#include <string>

#include "kaem/core/options.h"

namespace kaem {

/// Penalty on the size of KAN layers ([SYMBOLIC_REG]). docs/mathematics.md section 6.
struct RegulariserOptions {
  double total = 0;  ///< λ_total, the factor on all of it
  double l1 = 1, entropy = 1, coefficient = 0, difference = 0;
  bool prior = false, generator = false;  ///< layers that it is applied to

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "λ_total", .help = "Factor on the whole penalty", .aliases = {"lambda_total"}, .min = 0}, o.total);
    v(Key{.name = "λ_l1", .help = "Factor on the sum of the edges' magnitudes", .aliases = {"lambda_l1"}, .min = 0},
      o.l1);
    v(Key{.name = "λ_entropy",
          .help = "Factor on the entropy of the magnitudes' shares",
          .aliases = {"lambda_entropy"},
          .min = 0},
      o.entropy);
    v(Key{.name = "λ_coef",
          .help = "Factor on the mean magnitude of coefficients",
          .aliases = {"lambda_coef"},
          .min = 0},
      o.coefficient);
    v(Key{.name = "λ_coefdiff",
          .help = "Factor on the mean difference of neighbouring coefficients",
          .aliases = {"lambda_coefdiff"},
          .min = 0},
      o.difference);
    v(Key{.name = "regularize_prior", .help = "Penalise the prior's layers"}, o.prior);
    v(Key{.name = "regularize_gen", .help = "Penalise the generator's layers"}, o.generator);
  }
};

/// Weight β of the KL term ([VARIATIONAL]): rises linearly over `annealing` of each cycle, 1 x beta after the last.
struct BetaOptions {
  double beta = 1;
  int64_t cycles = 0;
  int64_t cycle_length = 100;  ///< updates
  double annealing = 0.5;      ///< share of a cycle in which β rises

  template <class Self, class V>
  static void visit(Self& o, V&& v) {
    v(Key{.name = "beta", .help = "Weight β of the KL term of the evidence bound", .min = 0}, o.beta);
    v(Key{.name = "num_cycles", .help = "Cycles in which β rises from 0; constant after them", .min = 0, .max = 1e6},
      o.cycles);
    v(Key{.name = "cycle_length", .help = "Updates in a cycle", .min = 1, .max = 1e9}, o.cycle_length);
    v(Key{.name = "annealing_fraction", .help = "Share of a cycle in which β rises", .min = 0, .max = 1}, o.annealing);
  }

  double at(int64_t step) const;
};

struct ObjectiveOptions {
  std::string criterion = "maximum_likelihood";  ///< of criterion_names()
  std::string estimator = "ss";          ///< value of log p(x) that is reported: ss | ti_left | ti_right | ti_trapezoid
  std::string thermo_gradient = "mbar";  ///< mbar | posterior | path
  RegulariserOptions regulariser = {};
  BetaOptions beta = {};

  /// [THERMODYNAMIC_INTEGRATION], after the tempering keys.
  template <class Self, class V>
  static void visit_thermodynamic(Self& o, V&& v) {
    v(Key{.name = "estimator",
          .help =
              "Estimate of log p(x) that is reported: stepping-stone sampling or a sum of thermodynamic integration",
          .choices = {"ss", "ti_left", "ti_right", "ti_trapezoid"}},
      o.estimator);
    v(Key{.name = "thermo_gradient",
          .help = "Gradient: all levels reweighted to the posterior (mbar), the chains at t = 1 (posterior), or the "
                  "paper's code's rule (path), which is not the gradient of log p(x)",
          .choices = {"mbar", "posterior", "path"}},
      o.thermo_gradient);
  }
};

}  // namespace kaem
