#include "kaem/generator/generator.h"

#include "generator/generators.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {

at::Tensor Generator::forward_given(const at::Tensor& u, const at::Tensor&) { return forward(u); }

std::shared_ptr<Generator> make_generator(const GeneratorOptions& options, int64_t latent_width, int64_t data_size,
                                          const Rng& rng) {
  if (options.widths.empty() || options.widths[0] != latent_width)
    throw ConfigError(str("[GeneratorModel] widths: the first must equal Q of [EbmModel] layer_widths, ", latent_width,
                          ", got ", options.widths.empty() ? std::string("nothing") : str(options.widths[0])));
  return make_kan_generator(options, data_size, rng);
}

}  // namespace kaem
