#pragma once

#include "kaem/generator/generator.h"

namespace kaem {

std::shared_ptr<Generator> make_kan_generator(const GeneratorOptions& options, int64_t data_size, const Rng& rng);
std::shared_ptr<Generator> make_cnn_generator(const GeneratorOptions& options, int64_t latent_width,
                                              const DataShape& shape, const Rng& rng);
/// Positions independent given the latent.
std::shared_ptr<Generator> make_sequence_generator(const GeneratorOptions& options, int64_t latent_width,
                                                   const Rng& rng);
/// A causal transformer.
std::shared_ptr<Generator> make_transformer_generator(const GeneratorOptions& options, int64_t latent_width,
                                                      const Rng& rng);

}  // namespace kaem
