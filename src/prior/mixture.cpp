#include "prior/mixture.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "kaem/core/error.h"
#include "kaem/ops/density.h"
#include "prior/uniforms.h"
#include "prior/white.h"

namespace kaem {

using at::Tensor;

constexpr double kMomentum = 0.99;        ///< of the running second moment
constexpr int64_t kStatisticDraws = 256;  ///< prior draws that move it
constexpr int64_t kFewFeatures = 4;

namespace {

/// The rows of z [n, ...] that carry weight [n], with their weights: resampled draws leave few. All of them where
/// leaving out the others would not pay, and on a GPU, which would have to be waited for.
std::pair<Tensor, Tensor> in_use(const Tensor& z, const Tensor& weight) {
  if (!weight.is_cpu()) return {z, weight};
  const Tensor rows = weight.nonzero().squeeze(1);
  if (4 * rows.size(0) > 3 * weight.size(0)) return {z, weight};
  return {z.index_select(0, rows), weight.index_select(0, rows)};
}

}  // namespace

MixturePrior::MixturePrior(const PriorOptions& prior_options, const Rng& rng) : ComponentPrior(prior_options, rng) {
  const MixtureOptions& o = options.mixture;
  if (o.train_proportions && o.use_attention_kernel)
    throw ConfigError("[MixtureModel] train_proportions and use_attention_kernel: expected one of them at most");
  const int64_t q = layer->outputs, p = layer->inputs;
  if (o.train_proportions) logits = register_parameter("logits", at::zeros({q, p}));
  if (!o.use_attention_kernel) return;
  const InitialDraws draws(rng, "prior");
  const double spread = std::sqrt(2.0 / static_cast<double>(p + q));
  query = register_parameter("query", spread * draws.normal("query", {q, p}));
  key = register_parameter("key", spread * draws.normal("key", {q, p}));
  const auto [a, b] = reference->domain;
  second_moment = register_buffer("second_moment", at::full({q}, (a * a + a * b + b * b) / 3));  // a flat density's
}

Tensor MixturePrior::log_proportions() const {
  if (logits.defined()) return logits.log_softmax(1);
  if (query.defined()) return (query * key * second_moment.unsqueeze(1)).log_softmax(1);
  return at::full({layer->outputs, layer->inputs}, -std::log(static_cast<double>(layer->inputs)),
                  layer->coefficients.options());
}

void MixturePrior::invalidate() {
  ComponentPrior::invalidate();
  mixture_table_.reset();
  constant_ = Tensor();
}

bool MixturePrior::shared_knots() {
  if (layer->has_trainable_knots()) return false;
  const Tensor knots = layer->knots();
  return shared_.get(knots, [&] { return knots.eq(knots.slice(0, 0, 1)).all().item<bool>(); });
}

Tensor MixturePrior::energies(const Tensor& z) {
  const int64_t n = z.size(0), q = layer->outputs, p = layer->inputs;
  const Tensor weights = layer->weights(), knots = layer->knots(), tau = layer->bandwidth();
  if (shared_knots()) {
    const Tensor features = ops::basis(z.reshape({-1, 1}), knots.slice(0, 0, 1), tau, layer->spec).reshape({n, q, -1});
    return at::bmm(features.transpose(0, 1), weights.permute({2, 1, 0})).transpose(0, 1);
  }
  const Tensor all = z.unsqueeze(-1).expand({n, q, p}).contiguous();
  if (!c10::GradMode::is_enabled()) return ops::edge_values(all, knots, tau, weights, layer->spec, 0);
  return at::einsum("sqpf,pfq->sqp", {ops::edge_features(all, knots, tau, layer->spec), weights});
}

Tensor MixturePrior::energy_slopes(const Tensor& z) {
  const int64_t n = z.size(0), q = layer->outputs, p = layer->inputs;
  const auto& [knots, tau, weights] = frozen();
  if (!shared_knots())
    return ops::edge_values(z.unsqueeze(-1).expand({n, q, p}).contiguous(), knots, tau, weights, layer->spec, 1);
  const Tensor slopes =
      ops::basis_derivative(z.reshape({-1, 1}), knots.slice(0, 0, 1), tau, layer->spec).reshape({n, q, -1});
  return at::bmm(slopes.transpose(0, 1), weights.permute({2, 1, 0})).transpose(0, 1);
}

Tensor MixturePrior::joint(const Tensor& z, const Tensor& log_z) {
  const Tensor constant = log_proportions() - log_z.t();
  const Tensor tilted = energies(z) + constant;
  return reference->is_flat() ? tilted : tilted + reference->log_density(z.unsqueeze(-1));
}

const ops::InverseTable& MixturePrior::inverse() {
  if (mixture_table_) return mixture_table_->inverse;
  const Tensor constant = (log_proportions() - table().log_normaliser.t()).detach();  // [Q,P]
  const c10::AutoGradMode no_grad(false);
  const ComponentDensity component(*layer, *reference);
  const auto at_nodes = [&](const Tensor& x, const Tensor& cell, std::optional<int64_t>, const Tensor& which) {
    const auto spread = [&](const Tensor& t) {
      return t.defined() ? t.expand({t.size(0), layer->inputs}).contiguous() : t;
    };
    const Tensor density = component(spread(x), spread(cell), {}, which);  // [P,n,K]
    const Tensor chosen = which.defined() ? constant.index_select(0, which) : constant;
    return (density + chosen.t().unsqueeze(-1)).logsumexp(0).unsqueeze(0);
  };
  const Tensor knots = layer->knots();
  const TableDensity density = {1, layer->outputs, jumps_at_knots(layer->spec), knots.options(), at_nodes};
  mixture_table_ = tabulate(density, mixture_cells_.get(cells_source(*layer), [&] {
    const Tensor wide = cells_source(*layer).to(at::kDouble);
    // Where pieces differ between inputs, the mixture has all of them. The ends are the domain's.
    const bool one = layer->spec.kind != ops::BasisKind::kBSpline || shared_knots();
    const Tensor breaks = one ? wide.slice(0, 0, 1) : std::get<0>(at::_unique(wide)).unsqueeze(0);
    return lay_out(density, cell_edges(breaks, layer->spec, layer->options.grid_size, options.quadrature_nodes));
  }));
  return mixture_table_->inverse;
}

Tensor MixturePrior::sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) {
  return icdf(draw_uniforms(options.uniforms, n, layer->outputs, rng, stream, step, layer->coefficients.options(),
                            first_index));
}

Tensor MixturePrior::cdf(const Tensor& z) { return ops::forward_cdf(z, inverse()); }

Tensor MixturePrior::icdf(const Tensor& u) { return ops::inverse_cdf(u, inverse()); }

Tensor MixturePrior::log_prob(const Tensor& z) {
  const Tensor nearest = z.clamp(reference->domain.first, reference->domain.second);
  return minus_infinity_outside(z, joint(nearest, log_normaliser()).logsumexp(2).sum(1));
}

Tensor MixturePrior::score(const Tensor& z) {
  const c10::AutoGradMode no_grad(false);
  const Tensor base = reference->is_flat() ? Tensor() : reference->score(z.unsqueeze(-1));  // [S,Q,1 or P]
  // Where all inputs have the same knots, one evaluation of the features serves all components; of few features, and on
  // a GPU, for which it is a single launch, the kernel that evaluates them for each is faster all the same.
  const bool fused = frozen().weights.size(1) <= kFewFeatures || z.is_cuda() || !shared_knots();
  if (fused && (!base.defined() || base.size(2) == 1)) {
    // A reference density of all components has no part in the responsibilities, which sum to 1.
    if (!constant_.defined()) constant_ = log_proportions() - log_normaliser().t();
    const auto& [knots, tau, weights] = frozen();
    const Tensor score = ops::mixture_score(z, knots, tau, weights, constant_, layer->spec);
    return base.defined() ? score + base.squeeze(2) : score;
  }
  const Tensor responsibilities = joint(z, log_normaliser()).softmax(2);
  const Tensor slopes = energy_slopes(z);
  return (responsibilities * (base.defined() ? slopes + base : slopes)).sum(2);
}

Tensor MixturePrior::weighted_log_prob(const Tensor& all, const Tensor& all_weights, const Rng& rng, int64_t step) {
  const auto [z, weight] = in_use(all, all_weights);
  if (!options.contrastive_divergence) return (weight * joint(z, log_normaliser()).logsumexp(2).sum(1)).sum();
  // ∇ log p has -Σ_qp R_qp ∇ log Z_qp, R the weighted responsibilities, and ∇ log Z_qp = E[∇(f_qp + log π0)] under the
  // component alone: by fresh draws of every component. The value stays the table's.
  const Tensor terms = joint(z, table().log_normaliser.detach());
  const Tensor positive = (weight * terms.logsumexp(2).sum(1)).sum();
  const Tensor share = (weight.reshape({-1, 1, 1}) * terms.detach().softmax(2)).sum(0);  // R [Q,P]
  const int64_t draws = all.size(0);
  const Tensor negative_z = sample_components(draws, rng, Stream::kNegative, step, 0);
  const Tensor weights = layer->weights() * share.t().unsqueeze(1);
  Tensor negative = ops::edge_sum(negative_z, layer->knots(), layer->bandwidth(), weights, layer->spec).mean();
  if (!reference->is_flat())
    negative = negative + (share * reference->log_density(negative_z)).sum() / static_cast<double>(draws);
  return positive - (negative - negative.detach());
}

Tensor MixturePrior::penalty() {
  if (options.mixture.lambda_reg == 0) return {};
  const Tensor log_alpha = log_proportions();
  return -options.mixture.lambda_reg * (log_alpha.exp() * log_alpha).sum();
}

GridUpdate MixturePrior::update_grid(const Tensor& z) {
  // Every input sees all coordinates, so that the inputs' knots stay the same.
  const GridUpdate done = layer->update_grid(z.reshape({-1, 1}).expand({-1, layer->inputs}), /*keep_ends=*/true);
  invalidate();
  return done;
}

void MixturePrior::update_statistics(const Rng& rng, int64_t step) {
  if (!second_moment.defined()) return;
  const c10::AutoGradMode no_grad(false);
  const Tensor z = sample(kStatisticDraws, rng, Stream::kStatistics, step, 0);
  second_moment.mul_(kMomentum).add_(z.square().mean(0), 1 - kMomentum);
  invalidate();
}

std::pair<Tensor, Tensor> MixturePrior::from_white(const Tensor& y) {
  const c10::AutoGradMode no_grad(false);
  const Tensor z = icdf(uniform_of_normal(y));
  return {z, (log_standard_normal(y) - joint(z, log_normaliser()).logsumexp(2)).exp()};
}

Tensor MixturePrior::to_white(const Tensor& z) {
  const c10::AutoGradMode no_grad(false);
  return normal_of_uniform(cdf(z));
}

}  // namespace kaem
