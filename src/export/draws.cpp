#include "kaem/export/draws.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "kaem/prior/prior.h"

namespace kaem::exports {
namespace {

using at::Tensor;

constexpr int64_t kChunk = 256;  // draws generated at a time: only their results are kept

/// Samples of latents that `latents_of(first, size)` gives.
template <class LatentsOf>
Draws in_chunks(LoadedRun& run, const Rng& rng, int64_t count, bool keep_latents, LatentsOf latents_of) {
  std::vector<Tensor> samples, latents;
  for (int64_t first = 0; first < count; first += kChunk) {
    const Tensor z = latents_of(first, std::min(kChunk, count - first));
    // Each chunk takes words of its own, the first those of the run's own samples.
    const Tensor made =
        is_text(run) ? run.model->generate_sequences(z, rng, Stream::kWords, first) : run.model->generate(z);
    samples.push_back(run.to_images(made));
    if (keep_latents) latents.push_back(z.cpu().to(at::kFloat));
  }
  return {at::cat(samples), keep_latents ? at::cat(latents) : Tensor()};
}

}  // namespace

bool is_text(const LoadedRun& run) { return run.config.model.generator.seq.use(); }

Draws draw(LoadedRun& run, const Rng& rng, int64_t count, bool keep_latents) {
  const auto prior = run.model->prior->view();
  return in_chunks(run, rng, count, keep_latents,
                   [&](int64_t first, int64_t size) { return prior->sample(size, rng, Stream::kSample, 0, first); });
}

Draws draw_from(LoadedRun& run, const Rng& rng, const Tensor& z, bool keep_latents) {
  return in_chunks(run, rng, z.size(0), keep_latents,
                   [&](int64_t first, int64_t size) { return z.narrow(0, first, size); });
}

}  // namespace kaem::exports
