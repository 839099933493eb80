#pragma once

// What several baselines are made of.

#include <memory>
#include <string>
#include <vector>

#include "kaem/baseline/options.h"
#include "kaem/generator/generator.h"
#include "kaem/generator/likelihood.h"
#include "kaem/model/options.h"

namespace kaem {
struct Prior;
}

namespace kaem::baseline {

inline constexpr double kSlope = 0.2;  ///< of leaky ReLUs (Radford et al. 2016)

/// N(0,I) on `width` coordinates.
std::shared_ptr<Prior> make_gaussian_prior(int64_t width);

/// Dense layers of these hidden widths with leaky ReLUs between them: u [n,latent] -> [n,outputs].
std::shared_ptr<Generator> make_dense_generator(const std::vector<int64_t>& widths, int64_t latent, int64_t outputs,
                                                const Rng& rng);

/// Only what generated data look like: x = (g + 1)/2 of g in [-1,1], or (tanh g + 1)/2.
std::shared_ptr<Likelihood> make_implicit_likelihood(bool tanh);

/// A decoder that a section describes.
struct Decoder {
  std::string_view section, keys;  ///< for messages: its section, and what the keys of its layers begin with
  std::string_view kind;           ///< cnn | dense | kan
  const ConvolutionOptions& layers;
  const std::vector<int64_t>& widths;
  bool batchnorm = false;
  bool extra_layer = false;  ///< a layer after those of `channels` gives the image; else their last does
};

/// The latent's width: `wanted`, or where that is 0 the first of the KAN decoder's widths, which must agree.
int64_t latent_of(int64_t wanted, const Decoder& decoder, const GeneratorOptions& shared);

/// [CNN] as the decoder's layers say, for images of no size yet.
void settle_layers(const Decoder& decoder, GeneratorOptions& shared);

/// The generator for images of `shape`. ConfigError names the section's keys.
std::shared_ptr<Generator> make_decoder(const Decoder& decoder, const GeneratorOptions& shared, int64_t latent,
                                        const DataShape& shape, const Rng& rng);

/// One of a list that has one entry for each layer, or one for all.
int64_t entry(const std::vector<int64_t>& values, size_t layer, size_t layers, std::string_view key);

/// Parameters of linear layers and convolutions as PyTorch starts them, uniform within 1/√(fan-in), but from these
/// draws: a run is its seed's alone.
void initialise(torch::nn::Module& module, const InitialDraws& draws);

}  // namespace kaem::baseline
