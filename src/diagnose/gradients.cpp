#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "diagnose/parts.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/prior/prior.h"

namespace kaem::diagnose {
namespace {

using at::Tensor;
using evaluate::Score;

/// The gradients of a loss with respect to a module's parameters, one row.
Tensor taken(const torch::nn::Module& module) {
  std::vector<Tensor> parts;
  for (const auto& p : module.parameters()) {
    parts.push_back(p.grad().defined() ? p.grad().flatten().to(at::kDouble) : at::zeros({p.numel()}, at::kDouble));
    p.mutable_grad() = Tensor();
  }
  return parts.empty() ? at::zeros({0}, at::kDouble) : at::cat(parts);
}

struct Gradients {
  Tensor prior, generator;  ///< [n] each
};

Gradients gradients_of(Diagnosis& d, Objective& objective, const ModelView& view, const Particles& particles,
                       int64_t step) {
  objective.evaluate(view, d.batch().x, particles, step, d.evaluation.rng).total.backward();
  return {taken(*d.model().prior), taken(*d.model().generator)};
}

/// Of annealed draws: what the criterion's own samples stand for.
Gradients reference_of(Diagnosis& d, size_t set) {
  const metrics::Annealed& annealed = d.annealed(set);
  const c10::AutoGradMode with_graph(true);
  const ModelView view = d.model().view();
  Particles particles;
  particles.weighted = Weighted{annealed.z, annealed.weight.log().to(annealed.z.scalar_type())};
  const auto likelihood = make_objective({});
  return gradients_of(d, *likelihood, view, particles, 0);
}

/// Signal and noise of rows [R,n], and how the mean lies to two independent estimates of the true gradient.
void add_ratios(const std::string& name, const Tensor& rows, const Tensor& first, const Tensor& second,
                std::vector<Score>& scores) {
  if (rows.size(1) == 0) return;
  const auto repeats = static_cast<double>(rows.size(0));
  const Tensor mean = rows.mean(0);
  const double noise = rows.var(0).sum().item<double>();
  // ‖mean‖² holds 1/R of the noise.
  const double signal = mean.square().sum().item<double>() - noise / repeats;
  scores.push_back({name + ": signal over noise of one update", std::sqrt(std::max(0.0, signal) / noise), std::nan(""),
                    "norm of the mean over norm of the deviation"});
  const double common = (first * second).sum().item<double>(),
               along = 0.5 * (mean * (first + second)).sum().item<double>();
  const bool known = common > 0 && signal > 0;
  scores.push_back({name + ": cosine with the gradient of log p(x)",
                    known ? along / std::sqrt(common * signal) : std::nan(""), std::nan(""),
                    known ? "by two sets of annealed draws; 1: unbiased in direction" : "lost in noise"});
}

evaluate::Section tell_gradients(Diagnosis& d) {
  for (auto& p : d.model().parameters()) p.set_requires_grad(true);
  const Gradients first = reference_of(d, 0), second = reference_of(d, 1);
  std::vector<Tensor> of_prior, of_generator;
  for (int64_t r = 0; r < d.options.repeats; ++r) {
    const c10::AutoGradMode with_graph(true);
    const ModelView view = d.model().view();
    const int64_t step = d.evaluation.run.step + r;
    const Particles particles = d.posterior().sample(view, d.batch(), step, d.evaluation.rng);
    const Gradients g = gradients_of(d, d.objective(), view, particles, step);
    of_prior.push_back(g.prior), of_generator.push_back(g.generator);
  }
  for (auto& p : d.model().parameters()) p.set_requires_grad(false);
  std::vector<Score> scores;
  add_ratios("prior", at::stack(of_prior), first.prior, second.prior, scores);
  add_ratios("generator", at::stack(of_generator), first.generator, second.generator, scores);
  evaluate::Section section;
  section.text = evaluate::text_of(
      "Gradients of the criterion on one batch",
      {str(d.batch().x.size(0), " training data, ", d.options.repeats, " updates' random numbers, parameters at rest")},
      scores);
  section.scores = std::move(scores);
  return section;
}

}  // namespace

Part gradients_part() {
  return {"gradients", "signal and noise of the criterion's gradient, and its direction against annealed draws",
          needs_sampler, tell_gradients};
}

}  // namespace kaem::diagnose
