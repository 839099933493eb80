#pragma once

#include <string>
#include <string_view>
#include <vector>

/// What [POST_LANGEVIN] sampler may be, without LibTorch.
namespace kaem {

/// How samples of p(z|x) are made: prior draws with weights, draws of an encoder and of the prior with weights, Markov
/// chains (each kernel of kaem/mcmc/kernels.h), or draws of an encoder as they are.
enum class SamplerKind { kImportance, kProposal, kChains, kEncoder };

/// ConfigError for an unknown name.
SamplerKind sampler_kind(std::string_view name);

std::vector<std::string> sampler_names();

}  // namespace kaem
