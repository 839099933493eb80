#pragma once

#include <ATen/core/Tensor.h>

#include "kaem/core/rng.h"
#include "kaem/train/trainer.h"

/// What is made of a trained run for others to look at or to use: samples, walks through its latent space, files for
/// other programs.
namespace kaem::exports {

struct Draws {
  at::Tensor samples;  ///< pictures float32 [n,C,H,W] or, of text, word indices int64 [n,L]; on the CPU
  at::Tensor latents;  ///< float32 [n, latent...] on the CPU; undefined unless asked for
};

/// True for a run on text.
bool is_text(const LoadedRun& run);

/// `count` samples; draw i is the same whatever `count` is.
Draws draw(LoadedRun& run, const Rng& rng, int64_t count, bool keep_latents = false);

/// The same from latents z [n, latent...] that are given.
Draws draw_from(LoadedRun& run, const Rng& rng, const at::Tensor& z, bool keep_latents = false);

}  // namespace kaem::exports
