#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "diagnose/parts.h"
#include "kaem/core/error.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/prior/prior.h"

namespace kaem::diagnose {
namespace {

using at::Tensor;
using evaluate::Score;

constexpr int64_t kDecodedAtOnce = 256;
constexpr int64_t kGaussianDraws = 44, kTestOrder = 45, kFlatDraws = 46;

/// Pictures [n,C,H,W] of what the generator receives, u [n,Q].
Tensor decoded(Diagnosis& d, const Tensor& u) {
  ModelImpl& model = d.model();
  std::vector<Tensor> parts;
  for (const Tensor& part : u.split(kDecodedAtOnce)) {
    const Tensor x = model.likelihood->activate(model.generator->forward(part));
    parts.push_back(d.evaluation.run.to_images(x.reshape({-1, model.shape[0], model.shape[1], model.shape[2]})));
  }
  return at::cat(parts).to(at::kFloat).clamp(0, 1);
}

/// Draws of the Gaussian that has the mean and the covariance of these rows: [n,Q].
Tensor gaussian_like(const Tensor& rows, const Rng& rng) {
  const Tensor wide = rows.to(at::kCPU, at::kDouble), centred = wide - wide.mean(0);
  const Tensor covariance = centred.t().matmul(centred) / static_cast<double>(rows.size(0) - 1);
  const auto [values, vectors] = at::linalg_eigh(covariance);
  const Tensor root = vectors * values.clamp_min(0).sqrt();
  const Tensor noise = rng.normal(Stream::kEvaluate, kGaussianDraws, rows.sizes(), at::kDouble);
  return (wide.mean(0) + noise.matmul(root.t())).to(rows.options());
}

/// Draws with every energy at zero: the reference density π0 alone. Undefined for a prior that has no such energies.
Tensor draws_without_energies(Diagnosis& d) {
  Prior& prior = *d.model().prior;
  const auto latent = prior.latent_shape();
  if (is_baseline(d) || prior.view()->distribution() == nullptr) return {};
  std::vector<std::pair<Tensor, Tensor>> kept;
  for (auto& p : prior.parameters()) kept.emplace_back(p, p.clone());
  prior.set_flat(at::ones({latent[0], d.evaluation.run.config.model.prior.layer_widths[0]},
                          at::TensorOptions(at::kBool).device(at::Device(d.evaluation.run.device))));
  const Tensor z = prior.view()->sample(d.prior_draws().size(0), d.evaluation.rng, Stream::kEvaluate, kFlatDraws);
  for (auto& [parameter, value] : kept) parameter.copy_(value);
  return z;
}

/// Fréchet distance from the training data, and the squared MMD, which no number of pictures biases.
void add_distance(Diagnosis& d, const std::string& name, const Tensor& pictures, std::vector<Score>& scores) {
  evaluate::Evaluation& e = d.evaluation;
  const auto found = metrics::frechet_distance(e.features()(pictures), e.reference(), e.rng);
  scores.push_back({name, found.of_samples.value, found.of_samples.error});
}

/// What the numbers say: how much of the distance is there before the prior has a say, and how much it adds.
std::vector<std::string> conclusion(double floor, double posterior, double gaussian, double prior) {
  const auto number = [](double value) { return str(std::llround(value)); };
  std::vector<std::string> lines = {str("of ", number(prior), ": ", number(floor), " is what data themselves have, ",
                                        number(posterior - floor), " is added by posterior samples and generator, ",
                                        number(prior - posterior), " by the prior")};
  if (gaussian < prior)
    lines.push_back(str("a Gaussian fitted to the posterior draws would add ", number(gaussian - posterior),
                        ": this prior is further from them than that"));
  return lines;
}

evaluate::Section tell_pictures(Diagnosis& d) {
  evaluate::Evaluation& e = d.evaluation;
  const Tensor u = d.model().prior->features(d.aggregated());
  const int64_t count = u.size(0);
  const std::string name = e.features().prefix() + "FID of ";
  std::vector<Score> scores;
  const Tensor index = e.rng.permutation(Stream::kEvaluate, kTestOrder, e.data().test.size(0)).slice(0, 0, count);
  const DataShape& shape = e.data().shape;
  add_distance(d, name + "test data",
               Dataset::to_float(e.data().test, index).reshape({-1, shape[0], shape[1], shape[2]}).clamp(0, 1), scores);
  add_distance(d, name + "posterior draws", decoded(d, u), scores);
  add_distance(d, name + "a Gaussian fitted to them", decoded(d, gaussian_like(u, e.rng)), scores);
  add_distance(d, name + "prior draws", decoded(d, d.model().prior->features(d.prior_draws())), scores);
  if (const Tensor flat = draws_without_energies(d); flat.defined())
    add_distance(d, name + "draws with energies at zero", decoded(d, d.model().prior->features(flat)), scores);
  std::vector<std::string> lines = {e.features().description(), str(grouped(count), " pictures each")};
  for (const auto& line : conclusion(scores[0].value, scores[1].value, scores[2].value, scores[3].value))
    lines.push_back(line);
  evaluate::Section section;
  section.text = evaluate::text_of("Pictures of posterior and prior draws", lines, scores);
  section.scores = std::move(scores);
  return section;
}

std::string needs_pictures_and_posterior(Diagnosis& d) {
  if (const std::string why = evaluate::needs_features(d.evaluation); !why.empty()) return why;
  return needs_posterior(d);
}

}  // namespace

Part pictures_part() {
  return {"pictures", "Frechet distances of pictures made from posterior draws, from the prior, and from a Gaussian",
          needs_pictures_and_posterior, tell_pictures};
}

}  // namespace kaem::diagnose
