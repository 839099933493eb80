#include "kaem/generator/generator.h"

#include "generator/generators.h"
#include "generator/network.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

std::shared_ptr<Generator> make_sequences(const GeneratorOptions& options, int64_t latent_width, int64_t data_size,
                                          const Rng& rng) {
  if (data_size != options.seq.sequence_length)
    throw ConfigError(str("[SEQ] sequence_length = ", options.seq.sequence_length, ": the data have ", data_size,
                          " numbers in a record"));
  return (options.seq.autoregressive ? make_transformer_generator : make_sequence_generator)(options, latent_width,
                                                                                             rng);
}

}  // namespace

at::Tensor Generator::forward_given(const at::Tensor& u, const at::Tensor&) { return forward(u); }

at::Tensor Generator::sample_sequence(const at::Tensor&, const Rng&, Stream, int64_t) {
  throw Error("this generator makes no sequences ([SEQ] sequence_length)");
}

std::unique_ptr<FrozenGenerator> freeze_by_autograd(Generator& generator) {
  return std::make_unique<network::Frozen>(
      [&generator](const at::Tensor& u, const at::Tensor&) { return generator.forward(u); });
}

std::shared_ptr<Generator> make_generator(const GeneratorOptions& options, int64_t latent_width, const DataShape& shape,
                                          const Rng& rng) {
  const int64_t data_size = shape[0] * shape[1] * shape[2];
  if (options.cnn.use && options.seq.use())
    throw ConfigError("[CNN] use_cnn_lkhood = true: not with [SEQ] sequence_length > 0");
  if (options.cnn.use) return make_cnn_generator(options, latent_width, shape, rng);
  if (options.seq.use()) return make_sequences(options, latent_width, data_size, rng);
  if (options.widths.empty() || options.widths[0] != latent_width)
    throw ConfigError(str("[GeneratorModel] widths: the first must equal Q of [EbmModel] layer_widths, ", latent_width,
                          ", got ", options.widths.empty() ? std::string("nothing") : str(options.widths[0])));
  return make_kan_generator(options, data_size, rng);
}

}  // namespace kaem
