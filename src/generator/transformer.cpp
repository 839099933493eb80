#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "generator/generators.h"
#include "generator/network.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

using at::Tensor;

constexpr int64_t kBlocks = 2, kHeadWidth = 32, kExpansion = 4;
constexpr double kEpsilon = 1e-5;  // of layer norm, PyTorch's

struct LayerNorm {
  Tensor weight, bias;
  Tensor operator()(const Tensor& x) const { return at::layer_norm(x, {x.size(-1)}, weight, bias, kEpsilon); }
  template <class F>
  void each(F&& f) {
    f(weight), f(bias);
  }
};

LayerNorm add_norm(torch::nn::Module& parent, const std::string& name, int64_t width) {
  torch::nn::Module& child = network::add_child(parent, name);
  return {child.register_parameter("weight", at::ones({width})), child.register_parameter("bias", at::zeros({width}))};
}

/// Keys and values of the positions seen so far, [n,heads,L,width] with the first `size` filled.
struct Cache {
  Tensor keys, values;
  int64_t size = 0;
};

/// Pre-norm block: x + attention(norm(x)), then x + dense(act(dense(norm(x)))).
struct Block {
  LayerNorm attention_norm, dense_norm;
  network::Dense qkv, out, up, down;
  int64_t heads = 1;
  ops::Activation activation = ops::Activation::kRelu;

  /// x [n,m,d]: positions 0..m-1, or with a cache the one position that comes next.
  Tensor run(const Tensor& x, Cache* cache) const {
    const Tensor seen = x + out(attention(attention_norm(x), cache));
    return seen + down(network::activate(up(dense_norm(seen)), activation));
  }

  template <class F>
  void each(F&& f) {
    attention_norm.each(f), dense_norm.each(f), qkv.each(f), out.each(f), up.each(f), down.each(f);
  }

 private:
  Tensor attention(const Tensor& x, Cache* cache) const {
    const int64_t n = x.size(0), m = x.size(1), d = x.size(2);
    const Tensor parts = qkv(x).reshape({n, m, 3, heads, d / heads}).permute({2, 0, 3, 1, 4});  // [3,n,heads,m,width]
    Tensor keys = parts[1], values = parts[2];
    if (cache != nullptr) {
      cache->keys.narrow(2, cache->size, m).copy_(keys), cache->values.narrow(2, cache->size, m).copy_(values);
      cache->size += m;
      keys = cache->keys.narrow(2, 0, cache->size), values = cache->values.narrow(2, 0, cache->size);
    }
    const Tensor mixed = at::scaled_dot_product_attention(parts[0], keys, values, /*attn_mask=*/{}, /*dropout_p=*/0,
                                                          /*is_causal=*/cache == nullptr);
    return mixed.transpose(1, 2).reshape({n, m, d});
  }
};

/// The latent is the first token; the word of position l sees it and the words before l.
struct Transformer {
  network::Dense latent, head;
  Tensor words, position;  ///< [V+1,d], the last row for what is no word; [L,d]
  std::vector<Block> blocks;
  LayerNorm norm;

  /// u [n,q], x [n,L] -> logits [n,L·V]
  Tensor run(const Tensor& u, const Tensor& x) const {
    const int64_t length = position.size(0);
    const Tensor tokens = at::cat({latent(u).unsqueeze(1), embed(x.narrow(1, 0, length - 1))}, 1);
    return logits(tokens + position, nullptr).flatten(1);
  }

  /// x [n,m] -> [n,m,d]
  Tensor embed(const Tensor& x) const {
    const Tensor index = x.to(at::kLong), nothing = at::full({}, words.size(0) - 1, index.options());
    return at::embedding(words, at::where(index < 0, nothing, index));
  }

  Tensor logits(Tensor tokens, std::vector<Cache>* caches) const {
    for (size_t b = 0; b < blocks.size(); ++b) tokens = blocks[b].run(tokens, caches ? &caches->at(b) : nullptr);
    return head(norm(tokens));
  }

  template <class F>
  void each(F&& f) {
    latent.each(f), head.each(f), f(words), f(position), norm.each(f);
    for (auto& block : blocks) block.each(f);
  }
};

/// Π_l p(x_l|x_<l, u) by a causal transformer (Vaswani et al. 2017; norms before the blocks' parts).
/// docs/mathematics.md section 3.
struct TransformerGenerator : Generator {
  TransformerGenerator(const GeneratorOptions& all, int64_t latent_width, const Rng& rng)
      : options(all.seq), precision(all.precision.of_products()) {
    const int64_t d = options.d_model;
    if (d > kHeadWidth && d % kHeadWidth != 0)
      throw ConfigError(str("[SEQ] d_model = ", d, ": with autoregressive = true expected a multiple of ", kHeadWidth,
                            ", the width of a head"));
    const InitialDraws draws(rng, "generator");
    net.latent = network::add_dense(*this, "latent", latent_width, d, draws, precision);
    net.words = register_parameter("words", draws.normal("words", {options.vocab_size + 1, d}));
    net.position = register_parameter("position", draws.normal("position", {options.sequence_length, d}));
    for (int64_t b = 0; b < kBlocks; ++b) net.blocks.push_back(add_block(str("block", b), draws));
    net.norm = add_norm(*this, "norm", d);
    net.head = network::add_dense(*this, "head", d, options.vocab_size, draws, precision);
  }

  Tensor forward(const Tensor&) override {
    throw ConfigError(
        "[SEQ] autoregressive = true: importance sampling would need a pass for every datum and draw; "
        "choose another [POST_LANGEVIN] sampler, or autoregressive = false");
  }
  Tensor forward_given(const Tensor& u, const Tensor& x) override { return net.run(u, x); }
  bool autoregressive() const override { return true; }
  ops::Recordable recordable() const override { return ops::Recordable::kNothing; }

  Tensor sample_sequence(const Tensor& u, const Rng& rng, Stream stream, int64_t step) override {
    const c10::AutoGradMode no_grad(false);
    const int64_t n = u.size(0), length = options.sequence_length;
    const Tensor uniforms = rng.uniform(stream, step, {n, length}, u.options());
    std::vector<Cache> caches = empty_caches(u);
    Tensor token = net.latent(u).unsqueeze(1);
    std::vector<Tensor> words;
    for (int64_t l = 0; l < length; ++l) {
      if (l > 0) token = net.embed(words.back().unsqueeze(1));
      const Tensor logits = net.logits(token + net.position[l], &caches).squeeze(1);
      words.push_back(network::draw_words(logits, options.temperature, uniforms.select(1, l)));
    }
    return at::stack(words, 1);
  }

  std::unique_ptr<FrozenGenerator> freeze() override {
    return std::make_unique<network::Frozen>(
        [frozen = network::detached(net)](const Tensor& u, const Tensor& x) { return frozen.run(u, x); });
  }

  SeqOptions options;
  ops::Precision precision;
  Transformer net;

 private:
  Block add_block(const std::string& name, const InitialDraws& draws) {
    torch::nn::Module& child = network::add_child(*this, name);
    const int64_t d = options.d_model;
    Block block;
    block.attention_norm = add_norm(child, "attention_norm", d);
    block.qkv = network::add_dense(child, "qkv", d, 3 * d, draws.of(name), precision);
    block.out = network::add_dense(child, "out", d, d, draws.of(name), precision);
    block.dense_norm = add_norm(child, "dense_norm", d);
    block.up = network::add_dense(child, "up", d, kExpansion * d, draws.of(name), precision);
    block.down = network::add_dense(child, "down", kExpansion * d, d, draws.of(name), precision);
    block.heads = std::max<int64_t>(1, d / kHeadWidth);
    block.activation = ops::parse_activation(options.activation);
    return block;
  }

  std::vector<Cache> empty_caches(const Tensor& u) const {
    std::vector<Cache> caches;
    for (const auto& block : net.blocks) {
      const std::vector<int64_t> shape = {u.size(0), block.heads, options.sequence_length,
                                          options.d_model / block.heads};
      caches.push_back({at::empty(shape, u.options()), at::empty(shape, u.options())});
    }
    return caches;
  }
};

}  // namespace

std::shared_ptr<Generator> make_transformer_generator(const GeneratorOptions& options, int64_t latent_width,
                                                      const Rng& rng) {
  return std::make_shared<TransformerGenerator>(options, latent_width, rng);
}

}  // namespace kaem
