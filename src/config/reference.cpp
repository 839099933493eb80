// Keys whose meaning here is not the reference's: one line each, where a file of its making gives them.

#include <cmath>

#include "config/draft.h"
#include "kaem/core/str.h"

namespace kaem::config {
namespace {

constexpr double kGaussianEnds = 1.2;  // the reference's domain of π0 = gaussian

void note_basis(Draft& draft, const std::string& section, const BasisOptions& basis) {
  const std::string tau = section + ".init_τ";
  const bool given = draft.of_reference(tau);
  if (basis.kind == "FFT" && given)
    draft.note(str("[", section, "] init_τ = ", basis.tau,
                   " with FFT counts half periods a domain; the reference's τ, cos(2πkτx), is here 2(b - a)τ = ",
                   2 * (basis.grid_range[1] - basis.grid_range[0]) * basis.tau));
  if ((basis.kind == "RBF" || basis.kind == "RSWAF") && given && basis.tau != 1)
    draft.note(str("[", section, "] init_τ = ", basis.tau,
                   " is the functions' width in knot spacings: larger is wider, which in",
                   " the reference depends on its version"));
  if (basis.kind == "Cheby" && draft.of_reference(section + ".spline_function")) {
    if (basis.activation != "none")
      draft.note(str("[", section, "] base_activation = ", basis.activation,
                     " acts with Chebyshev polynomials too; the reference leaves it out (none does)"));
    if (given)
      draft.note(str("[", section, "] init_τ is without effect: Chebyshev polynomials are taken of the domain"));
  }
}

}  // namespace

void note_reference(Draft& draft) {
  const Config& c = draft.config;
  note_basis(draft, "EbmModel", c.model.prior.basis);
  if (!c.model.generator.cnn.use && !c.model.generator.seq.use())
    note_basis(draft, "GeneratorModel", c.model.generator.basis);
  const auto& range = c.model.prior.basis.grid_range;
  const bool other_ends = range[0] != -kGaussianEnds || range[1] != kGaussianEnds;
  if (c.model.prior.reference == "gaussian" && !c.model.prior.is_deep() && other_ends &&
      draft.of_reference("EbmModel.grid_range"))
    draft.note(str("[EbmModel] π_0 = gaussian lies on grid_range = ", range[0], ",", range[1],
                   "; the reference's on -1.2,1.2 whatever grid_range says"));
  if (c.model.generator.seq.use() && draft.of_reference("GeneratorModel.generator_variance"))
    draft.note(
        "[GeneratorModel] generator_variance is without effect on text; the reference divides the cross entropy by "
        "2σ²");
}

}  // namespace kaem::config
