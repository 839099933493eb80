#include "prior/mixture.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "kaem/core/error.h"
#include "kaem/ops/density.h"
#include "kaem/ops/rows.h"
#include "prior/uniforms.h"
#include "prior/white.h"

namespace kaem {

using at::Tensor;

constexpr double kMomentum = 0.99;        ///< of the running second moment
constexpr int64_t kStatisticDraws = 256;  ///< prior draws that move it
constexpr int64_t kFewFeatures = 4;

namespace {

/// The rows of z [n, ...] that carry weight [n], with their weights: resampled draws leave few.
std::pair<Tensor, Tensor> in_use(const Tensor& z, const Tensor& weight) {
  const Tensor rows = ops::rows_in_use(weight != 0);
  if (!rows.defined()) return {z, weight};
  return {z.index_select(0, rows), weight.index_select(0, rows)};
}

struct MixtureView final : PriorView, CoordinateDistribution, WhiteCoordinates {
  explicit MixtureView(MixturePrior& mixture)
      : prior(mixture),
        components(mixture),
        layer(*mixture.layer),
        reference(*mixture.reference),
        shared_knots(mixture.has_shared_knots()),
        log_proportions(mixture.log_proportions()) {}

  Tensor sample(int64_t n, const Rng& rng, Stream stream, int64_t step, int64_t first_index) const override {
    return icdf(draw_uniforms(prior.options.uniforms, n, layer.outputs, rng, stream, step, layer.coefficients.options(),
                              first_index));
  }

  Tensor log_prob(const Tensor& z) const override {
    const Tensor nearest = z.clamp(reference.domain.first, reference.domain.second);
    return minus_infinity_outside(z, joint(nearest, log_normaliser()).logsumexp(2).sum(1), reference.domain);
  }

  Tensor score(const Tensor& z) const override {
    const c10::AutoGradMode no_grad(false);
    const Tensor base = reference.is_flat() ? Tensor() : reference.score(z.unsqueeze(-1));  // [S,Q,1 or P]
    const auto& [knots, tau, weights] = components.constants();
    // Where all inputs have the same knots, one evaluation of the features serves all components; of few features, and
    // on a GPU, for which it is a single launch, the kernel that evaluates them for each is faster all the same.
    const bool fused = weights.size(1) <= kFewFeatures || z.is_cuda() || !shared_knots;
    if (fused && (!base.defined() || base.size(2) == 1)) {
      // A reference density of all components has no part in the responsibilities, which sum to 1.
      const Tensor score = ops::mixture_score(z, knots, tau, weights, constant(), layer.spec);
      return base.defined() ? score + base.squeeze(2) : score;
    }
    const Tensor responsibilities = joint(z, log_normaliser()).softmax(2);
    const Tensor slopes = energy_slopes(z);
    return (responsibilities * (base.defined() ? slopes + base : slopes)).sum(2);
  }

  Tensor sample_part(int64_t n, int64_t first, int64_t all, const Rng& rng, Stream stream, int64_t step,
                     int64_t first_index) const override {
    if (prior.options.uniforms != "latin") return sample(n, rng, stream, step, first_index + first);
    return sample(all, rng, stream, step, first_index).narrow(0, first, n);
  }

  Tensor weighted_log_prob(const Tensor& all, const Tensor& all_weights, const Rng& rng, int64_t step) const override {
    const auto [z, weight] = in_use(all, all_weights);
    if (!prior.options.contrastive_divergence) return (weight * joint(z, log_normaliser()).logsumexp(2).sum(1)).sum();
    // ∇ log p has -Σ_qp R_qp ∇ log Z_qp, R the weighted responsibilities, and ∇ log Z_qp = E[∇(f_qp + log π0)] under
    // the component alone: by fresh draws of every component. The value stays the table's.
    const Tensor terms = joint(z, log_normaliser().detach());
    const Tensor positive = (weight * terms.logsumexp(2).sum(1)).sum();
    const Tensor share = (weight.reshape({-1, 1, 1}) * terms.detach().softmax(2)).sum(0);  // R [Q,P]
    const int64_t draws = all.size(0);
    const Tensor negative_z = components.sample(draws, rng, Stream::kNegative, step, rng.first_of(draws));
    const auto& [knots, tau, folded] = components.edges();
    Tensor negative = ops::edge_sum(negative_z, knots, tau, folded * share.t().unsqueeze(1), layer.spec).mean();
    if (!reference.is_flat())
      negative = negative + (share * reference.log_density(negative_z)).sum() / static_cast<double>(draws);
    return positive - (negative - negative.detach());
  }

  const CoordinateDistribution* distribution() const override { return this; }
  const WhiteCoordinates* white() const override { return this; }

  Tensor cdf(const Tensor& z) const override { return ops::forward_cdf(z, inverse()); }
  Tensor icdf(const Tensor& u) const override { return ops::inverse_cdf(u, inverse()); }
  const ops::InverseTable* table() const override { return &inverse(); }
  PriorCurves curves(int64_t points) const override { return components.curves(points); }

  std::pair<Tensor, Tensor> to_latent(const Tensor& y) const override {
    const c10::AutoGradMode no_grad(false);
    const Tensor z = icdf(uniform_of_normal(y));
    return {z, (log_standard_normal(y) - joint(z, log_normaliser()).logsumexp(2)).exp()};
  }

  Tensor to_white(const Tensor& z) const override {
    const c10::AutoGradMode no_grad(false);
    return normal_of_uniform(cdf(z));
  }

  const Tensor& log_normaliser() const { return components.table().log_normaliser; }

  /// f_qp(z_q) [n,Q,P]; differentiable. And its derivative, which is not.
  Tensor energies(const Tensor& z) const {
    const int64_t n = z.size(0), q = layer.outputs, p = layer.inputs;
    const auto& [knots, tau, weights] = components.edges();
    if (shared_knots) {
      const Tensor features = ops::basis(z.reshape({-1, 1}), knots.slice(0, 0, 1), tau, layer.spec).reshape({n, q, -1});
      return at::bmm(features.transpose(0, 1), weights.permute({2, 1, 0})).transpose(0, 1);
    }
    const Tensor all = z.unsqueeze(-1).expand({n, q, p}).contiguous();
    if (!c10::GradMode::is_enabled()) return ops::edge_values(all, knots, tau, weights, layer.spec, 0);
    return at::einsum("sqpf,pfq->sqp", {ops::edge_features(all, knots, tau, layer.spec), weights});
  }
  Tensor energy_slopes(const Tensor& z) const {
    const int64_t n = z.size(0), q = layer.outputs, p = layer.inputs;
    const auto& [knots, tau, weights] = components.constants();
    if (!shared_knots)
      return ops::edge_values(z.unsqueeze(-1).expand({n, q, p}).contiguous(), knots, tau, weights, layer.spec, 1);
    const Tensor slopes =
        ops::basis_derivative(z.reshape({-1, 1}), knots.slice(0, 0, 1), tau, layer.spec).reshape({n, q, -1});
    return at::bmm(slopes.transpose(0, 1), weights.permute({2, 1, 0})).transpose(0, 1);
  }

  /// log α_qp + log p_qp(z_q) [n,Q,P] given log Z [P,Q]; differentiable.
  Tensor joint(const Tensor& z, const Tensor& log_z) const {
    const Tensor tilted = energies(z) + (log_proportions - log_z.t());
    return reference.is_flat() ? tilted : tilted + reference.log_density(z.unsqueeze(-1));
  }

  /// log α - log Z [Q,P] without a graph: a chain asks at every step.
  const Tensor& constant() const {
    if (!constant_.defined()) constant_ = (log_proportions - log_normaliser().t()).detach();
    return constant_;
  }

  /// The table of the mixture's distribution function, one component per q.
  const ops::InverseTable& inverse() const {
    const Edges& edges = components.constants();
    if (table_) return table_->inverse;
    const c10::AutoGradMode no_grad(false);
    const ComponentDensity component(edges, layer, reference);
    const auto at_nodes = [&](const Tensor& x, const Tensor& cell, std::optional<int64_t>, const Tensor& which) {
      const auto spread = [&](const Tensor& t) {
        return t.defined() ? t.expand({t.size(0), layer.inputs}).contiguous() : t;
      };
      const Tensor density = component(spread(x), spread(cell), {}, which);  // [P,n,K]
      const Tensor chosen = which.defined() ? constant().index_select(0, which) : constant();
      return (density + chosen.t().unsqueeze(-1)).logsumexp(0).unsqueeze(0);
    };
    const TableDensity density = {1, layer.outputs, jumps_at_knots(layer.spec), edges.knots.options(), at_nodes};
    table_ = tabulate(density, prior.mixture_cells.get(cells_source(edges, layer), [&] {
      const Tensor wide = cells_source(edges, layer).to(at::kDouble);
      // Where pieces differ between inputs, the mixture has all of them. The ends are the domain's.
      const bool one = layer.spec.kind != ops::BasisKind::kBSpline || shared_knots;
      const Tensor breaks = one ? wide.slice(0, 0, 1) : std::get<0>(at::_unique(wide)).unsqueeze(0);
      return lay_out(density, cell_edges(breaks, layer.spec, layer.options.grid_size, prior.options.quadrature_nodes));
    }));
    return table_->inverse;
  }

  MixturePrior& prior;
  Components components;
  const KanLayerImpl& layer;
  const ReferenceDensity& reference;
  bool shared_knots;
  Tensor log_proportions;  ///< [Q,P]

 private:
  mutable Tensor constant_;
  mutable std::optional<PriorTable> table_;
};

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

std::shared_ptr<const PriorView> MixturePrior::view() { return std::make_shared<MixtureView>(*this); }

bool MixturePrior::has_shared_knots() {
  if (layer->has_trainable_knots()) return false;
  const Tensor knots = layer->knots();
  return shared_.get(knots, [&] { return knots.eq(knots.slice(0, 0, 1)).all().item<bool>(); });
}

Tensor MixturePrior::penalty() {
  if (options.mixture.lambda_reg == 0) return {};
  const Tensor log_alpha = log_proportions();
  return -options.mixture.lambda_reg * (log_alpha.exp() * log_alpha).sum();
}

GridUpdate MixturePrior::update_grid(const Tensor& z) {
  // Every input sees all coordinates, so that the inputs' knots stay the same.
  return layer->update_grid(z.reshape({-1, 1}).expand({-1, layer->inputs}), /*keep_ends=*/true);
}

void MixturePrior::update_statistics(const Rng& rng, int64_t step) {
  if (!second_moment.defined()) return;
  const c10::AutoGradMode no_grad(false);
  const Tensor z = view()->sample(kStatisticDraws, rng, Stream::kStatistics, step, 0);
  second_moment.mul_(kMomentum).add_(z.square().mean(0), 1 - kMomentum);
}

}  // namespace kaem
