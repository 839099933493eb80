#include "prior/deep.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/kan/norm.h"
#include "prior/reference_density.h"

namespace kaem {
namespace {

using at::Tensor;

constexpr size_t kMostLayers = 16;

const std::vector<int64_t>& checked(const std::vector<int64_t>& widths) {
  if (widths.size() < 3 || widths.size() > kMostLayers + 1)
    throw ConfigError(str("[EbmModel] layer_widths: expected 3 to ", kMostLayers + 1, " numbers for a deep prior, got ",
                          widths.size()));
  return widths;
}

}  // namespace

DeepPrior::DeepPrior(const PriorOptions& prior_options, const Rng& rng)
    : TiltedPrior(prior_options.reference, prior_options.basis.grid_range, checked(prior_options.layer_widths).front(),
                  prior_options.deep),
      options(prior_options),
      rng_(rng) {
  const auto& widths = options.layer_widths;
  for (size_t l = 0; l + 1 < widths.size(); ++l) {
    const KanLayer layer(widths[l], widths[l + 1], options.basis, InitialDraws(rng, str("prior.layer", l)));
    layers.push_back(register_module(str("layer", l), layer));
    if (!options.layernorm) continue;
    norm_scale.push_back(register_parameter(str("norm_scale", l), at::ones({widths[l]})));
    norm_shift.push_back(register_parameter(str("norm_shift", l), at::zeros({widths[l]})));
  }
  if (bounded() && !options.layernorm) layers[0]->reset_domain(reference->domain.first, reference->domain.second);
}

Tensor DeepPrior::energy(const Tensor& z) {
  Tensor h = z;
  for (size_t l = 0; l < layers.size(); ++l) h = layers[l]->forward(enter(l, h));
  return h.sum(1);
}

TiltedPrior::EnergyAndGradient DeepPrior::freeze() {
  return [this, frozen = std::vector<FrozenKanLayer>(layers.begin(), layers.end())](const Tensor& z) {
    const c10::AutoGradMode no_grad(false);
    std::vector<Tensor> values = {z}, entered;
    for (size_t l = 0; l < frozen.size(); ++l) {
      entered.push_back(enter(l, values[l]));
      values.push_back(frozen[l].forward(entered[l]));
    }
    Tensor grad = at::ones_like(values.back());
    for (size_t l = frozen.size(); l-- > 0;) grad = enter_pullback(l, values[l], frozen[l].pullback(entered[l], grad));
    return std::pair(values.back().sum(1), grad);
  };
}

Tensor DeepPrior::enter(size_t l, const Tensor& h) const {
  return options.layernorm ? layer_norm(h, norm_scale[l], norm_shift[l]) : h;
}

Tensor DeepPrior::enter_pullback(size_t l, const Tensor& h, const Tensor& grad) const {
  return options.layernorm ? layer_norm_pullback(h, norm_scale[l], grad) : grad;
}

GridUpdate DeepPrior::update_grid(const Tensor& z) {
  const c10::AutoGradMode no_grad(false);
  GridUpdate done;
  Tensor h = z;
  for (size_t l = 0; l < layers.size(); ++l) {
    const Tensor x = enter(l, h);
    done += layers[l]->update_grid(x, /*keep_ends=*/l == 0 && bounded() && !options.layernorm);
    h = layers[l]->forward(x);
  }
  return done;
}

void DeepPrior::initialise_grid() {
  const c10::AutoGradMode no_grad(false);
  constexpr int64_t kDraws = 1000;
  Tensor h = sample_reference(kDraws, rng_, Stream::kGrid, -1, 0);
  for (size_t l = 0; l < layers.size(); ++l) {
    const Tensor x = enter(l, h);
    if (l > 0 || !bounded() || options.layernorm) layers[l]->initialise_grid(x, /*keep_ends=*/false);
    h = layers[l]->forward(x);
  }
}

}  // namespace kaem
