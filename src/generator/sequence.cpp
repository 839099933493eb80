#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "generator/generators.h"
#include "generator/network.h"

namespace kaem {
namespace {

using at::Tensor;

/// logits_l = W act(latent(u) + position_l) + b: words are independent given u. docs/mathematics.md section 3.
struct DenseNetwork {
  ops::Activation activation;
  network::Dense latent, head;
  Tensor position;  ///< [L,d]

  /// u [n,q] -> [n,L·V]
  Tensor run(const Tensor& u) const {
    return head(network::activate(latent(u).unsqueeze(1) + position, activation)).flatten(1);
  }
  template <class F>
  void each(F&& f) {
    latent.each(f), head.each(f), f(position);
  }
};

struct SequenceGenerator : Generator {
  SequenceGenerator(const GeneratorOptions& all, int64_t latent_width, const Rng& rng) : options(all.seq) {
    const auto precision = all.precision.of_products();
    const InitialDraws draws(rng, "generator");
    net.activation = ops::parse_activation(options.activation);
    net.latent = network::add_dense(*this, "latent", latent_width, options.d_model, draws, precision);
    net.position = register_parameter("position", draws.normal("position", {options.sequence_length, options.d_model}));
    net.head = network::add_dense(*this, "head", options.d_model, options.vocab_size, draws, precision);
  }

  Tensor forward(const Tensor& u) override { return net.run(u); }

  Tensor sample_sequence(const Tensor& u, const Rng& rng, Stream stream, int64_t step) override {
    const c10::AutoGradMode no_grad(false);
    const int64_t n = u.size(0), length = options.sequence_length;
    const Tensor logits = forward(u).reshape({n, length, options.vocab_size});
    const Tensor uniforms = rng.uniform(stream, step, {n, length}, u.options());
    std::vector<Tensor> words;
    for (int64_t l = 0; l < length; ++l)
      words.push_back(network::draw_words(logits.select(1, l), options.temperature, uniforms.select(1, l)));
    return at::stack(words, 1);
  }

  std::unique_ptr<FrozenGenerator> freeze() override {
    return std::make_unique<network::Frozen>(
        [frozen = network::detached(net)](const Tensor& u, const Tensor&) { return frozen.run(u); });
  }

  ops::Recordable recordable() const override { return ops::Recordable::kNothing; }

  SeqOptions options;
  DenseNetwork net;
};

}  // namespace

std::shared_ptr<Generator> make_sequence_generator(const GeneratorOptions& options, int64_t latent_width,
                                                   const Rng& rng) {
  return std::make_shared<SequenceGenerator>(options, latent_width, rng);
}

}  // namespace kaem
