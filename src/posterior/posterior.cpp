#include "kaem/posterior/posterior.h"

#include <algorithm>
#include <array>

#include "kaem/core/table.h"
#include "kaem/mcmc/kernels.h"
#include "kaem/posterior/samplers.h"
#include "posterior/posteriors.h"

namespace kaem {
namespace {

using MakePosterior = std::unique_ptr<Posterior> (*)(const PosteriorOptions&, ModelImpl&, const PosteriorContext&,
                                                     const Rng&);

struct PosteriorRow {
  SamplerKind kind;
  MakePosterior make;
};

/// Those that are no Markov chains.
constexpr auto kPosteriors =
    std::to_array<Named<PosteriorRow>>({{"importance", {SamplerKind::kImportance, make_importance}},
                                        {"proposal", {SamplerKind::kProposal, make_proposal}},
                                        {"encoder", {SamplerKind::kEncoder, make_encoder_posterior}}});

PosteriorRow find_posterior(std::string_view name) {
  for (const auto& row : mcmc::kernels())
    if (same_name(row.name, name)) return {SamplerKind::kChains, make_langevin};
  for (const auto& row : kPosteriors)
    if (same_name(row.name, name)) return row.value;
  throw ConfigError(unknown_name_message("sampler", name, sampler_names()));
}

}  // namespace

bool PosteriorOptions::uses(std::string_view key) const {
  constexpr auto kOfChains =
      std::to_array<std::string_view>({"ula_η", "pcnl_δ", "step_size_bounds", "autoMALA_η_changerate", "iters",
                                       "N_unadjusted", "chain_start", "preconditioner"});
  const SamplerKind kind = sampler_kind(sampler);
  if (key == "kept_draws") return kind == SamplerKind::kProposal;
  if (key == "defensive_share") return proposes();
  if (key == "replay_share") return kind == SamplerKind::kChains && chain_start == "persistent";
  return kind == SamplerKind::kChains || std::find(kOfChains.begin(), kOfChains.end(), key) == kOfChains.end();
}

SamplerKind sampler_kind(std::string_view name) { return find_posterior(name).kind; }

std::vector<std::string> sampler_names() {
  std::vector<std::string> names = names_of(kPosteriors);
  const auto kernels = mcmc::kernel_names();
  names.insert(names.begin() + 2, kernels.begin(), kernels.end());
  return names;
}

std::unique_ptr<Posterior> make_posterior(const PosteriorOptions& options, ModelImpl& model,
                                          const PosteriorContext& context, const Rng& rng) {
  return find_posterior(options.sampler).make(options, model, context, rng);
}

}  // namespace kaem
