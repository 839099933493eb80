#include "baseline/training.h"

namespace kaem::baseline {
namespace {

struct NoPosterior : Posterior {
  Particles sample(const ModelView&, const Batch&, int64_t, const Rng&) override { return {}; }
};

}  // namespace

std::unique_ptr<Posterior> make_no_posterior(const PosteriorOptions&, ModelImpl&, const PosteriorContext&, const Rng&) {
  return std::make_unique<NoPosterior>();
}

}  // namespace kaem::baseline
