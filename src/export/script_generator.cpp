// Generators of docs/mathematics.md section 3, as TorchScript.
#include "export/script_generator.h"

#include <ATen/ATen.h>

#include <memory>

#include "kaem/core/str.h"

namespace kaem::exports {
namespace {

using torch::jit::Module;

/// All tensors of a module under their own names.
void keep_all(Module& to, const torch::nn::Module& from) {
  for (const auto& p : from.named_parameters()) keep(to, p.key(), p.value());
  for (const auto& b : from.named_buffers())
    if (b.value().defined()) keep(to, b.key(), b.value());
}

std::string dense_source(const std::string& name, const std::string& x) {
  return str("(torch.matmul(", x, ", self.", name, "_weight) + self.", name, "_bias)");
}

Module kan_script(const torch::nn::Module& generator, bool layernorm, const ScriptUnit& unit) {
  Module module = new_module("Generator", unit);
  std::string source = "def forward(self, u: Tensor) -> Tensor:\n    x = u\n";
  for (const auto& child : generator.named_children()) {
    const auto layer = std::dynamic_pointer_cast<KanLayerImpl>(child.value());
    const std::string& name = child.key();
    if (layernorm) {
      const std::string index = name.substr(std::string("layer").size());
      for (const char* part : {"norm_scale", "norm_shift"})
        keep(module, part + index, generator.named_parameters(/*recurse=*/false)[part + index]);
      source += str("    x = torch.layer_norm(x, [", layer->inputs, "], self.norm_scale", index, ", self.norm_shift",
                    index, ", 1e-05)\n");
    }
    module.register_module(name, kan_layer_script(*layer, "Layer", unit));
    source += str("    x = self.", name, ".forward(x)\n");
  }
  module.define(source + "    return x\n");
  return module;
}

/// Source of one transposed convolution with what belongs to it: x -> y, or of hidden layers x -> x.
std::string convolution_source(const Module& module, const CnnOptions& o, size_t l, bool last) {
  const std::string name = str("self.layer", l, "_");
  const auto has = [&](const char* part) { return module.hasattr(str("layer", l, "_", part)); };
  const auto twice = [](int64_t n) { return str("[", n, ", ", n, "]"); };
  const std::string x =
      o.latent_concat && l > 0 ? "torch.cat([x, latent.expand([-1, -1, x.size(2), x.size(3)])], 1)" : std::string("x");
  std::string source = str("    y = torch.conv_transpose2d(", x, ", ", name, "weight, ", name, "bias, ",
                           twice(o.strides[l]), ", ", twice(o.paddings[l]), ")\n");
  if (last) return source;
  if (has("norm_weight"))
    source += str("    y = torch.batch_norm(y, ", name, "norm_weight, ", name, "norm_bias, ", name, "running_mean, ",
                  name, "running_var, False, 0.1, 1e-05, True)\n");
  if (o.residual)
    source += str("    y = y + torch.upsample_nearest2d(", has("skip") ? str("torch.conv2d(x, ", name, "skip)") : "x",
                  ", [y.size(2), y.size(3)])\n");
  return source + str("    x = ", activation_source(ops::parse_activation(o.activation), "y", o.leakyrelu_slope), "\n");
}

Module cnn_script(const torch::nn::Module& generator, const CnnOptions& o, const DataShape& shape,
                  const ScriptUnit& unit) {
  Module module = new_module("Generator", unit);
  keep_all(module, generator);
  std::string source = "def forward(self, u: Tensor) -> Tensor:\n    latent = u.unsqueeze(-1).unsqueeze(-1)\n";
  source += o.projection ? str("    x = ", dense_source("projection", "u"), ".reshape([u.size(0), ", o.dims[0], ", ",
                               o.init_spatial, ", ", o.init_spatial, "])\n")
                         : std::string("    x = latent\n");
  for (size_t l = 0; l < o.strides.size(); ++l) source += convolution_source(module, o, l, l + 1 == o.strides.size());
  source += str("    top = (y.size(2) - ", shape[1], ") // 2\n    left = (y.size(3) - ", shape[2], ") // 2\n",
                "    return y.narrow(2, top, ", shape[1], ").narrow(3, left, ", shape[2], ").flatten(1)\n");
  module.define(source);
  return module;
}

Module sequence_script(const torch::nn::Module& generator, const SeqOptions& o, const ScriptUnit& unit) {
  Module module = new_module("Generator", unit);
  keep_all(module, generator);
  const std::string hidden = activation_source(ops::parse_activation(o.activation),
                                               str("(", dense_source("latent", "u"), ".unsqueeze(1) + self.position)"));
  module.define(
      str("def forward(self, u: Tensor) -> Tensor:\n    return ", dense_source("head", hidden), ".flatten(1)\n"));
  return module;
}

std::string norm_source(const std::string& name, const std::string& x, int64_t width) {
  return str("torch.layer_norm(", x, ", [", width, "], self.", name, "_weight, self.", name, "_bias, 1e-05)");
}

/// Statements of a pre-norm block, x [n,m,d] -> x.
std::string block_source(const std::string& name, int64_t width, int64_t heads, ops::Activation activation) {
  const std::string up = dense_source(name + "_up", norm_source(name + "_dense_norm", "x", width));
  return str("    parts = ", dense_source(name + "_qkv", norm_source(name + "_attention_norm", "x", width)),
             ".reshape([x.size(0), x.size(1), 3, ", heads, ", ", width / heads, "]).permute([2, 0, 3, 1, 4])\n",
             "    mixed = torch.scaled_dot_product_attention(parts[0], parts[1], parts[2], None, 0.0, True)\n",
             "    mixed = mixed.transpose(1, 2).reshape([x.size(0), x.size(1), ", width, "])\n    x = x + ",
             dense_source(name + "_out", "mixed"), "\n    x = x + ",
             dense_source(name + "_down", activation_source(activation, up)), "\n");
}

/// Every position sees those before it: what is drawn is appended, and all positions are computed again.
constexpr const char* kSampleWords = R"(
def sample_words(self, u: Tensor, uniforms: Tensor) -> Tensor:
    tokens = LATENT.unsqueeze(1)
    drawn = []
    for l in range(uniforms.size(1)):
        word = self.draw(self.logits(tokens)[:, l], uniforms[:, l])
        drawn.append(word)
        tokens = torch.cat([tokens, torch.embedding(self.words, word).unsqueeze(1)], 1)
    return torch.stack(drawn, 1)
)";

}  // namespace

Module generator_script(const ModelImpl& model, const ScriptUnit& unit) {
  const GeneratorOptions& o = model.options.generator;
  if (o.cnn.use) return cnn_script(*model.generator, o.cnn, model.shape, unit);
  if (o.seq.use()) return sequence_script(*model.generator, o.seq, unit);
  return kan_script(*model.generator, o.layernorm, unit);
}

Module transformer_script(const ModelImpl& model, const ScriptUnit& unit) {
  const SeqOptions& o = model.options.generator.seq;
  Module module = new_module("Generator", unit);
  keep_all(module, *model.generator);
  const auto activation = ops::parse_activation(o.activation);
  // Heads are known by the source alone: 32 wide, or one.
  const int64_t heads = o.d_model > 32 ? o.d_model / 32 : 1;
  std::string logits = "def logits(self, tokens: Tensor) -> Tensor:\n    x = tokens + self.position[:tokens.size(1)]\n";
  for (const auto& child : model.generator->named_children())
    if (child.key().starts_with("block")) logits += block_source(child.key(), o.d_model, heads, activation);
  module.define(logits + "    return " + dense_source("head", norm_source("norm", "x", o.d_model)) + "\n");
  define_draw(module, o.temperature);
  const std::string latent = dense_source("latent", "u");
  module.define(filled(kSampleWords, "LATENT", latent));
  module.define(
      str("def forward(self, u: Tensor, words: Tensor) -> Tensor:\n",
          "    before = words.narrow(1, 0, words.size(1) - 1)\n    before = torch.where(before < 0, "
          "torch.full_like(before, ",
          o.vocab_size, "), before)\n    tokens = torch.cat([", latent,
          ".unsqueeze(1), torch.embedding(self.words, before)], 1)\n    return self.logits(tokens).flatten(1)\n"));
  return module;
}

void define_draw(Module& module, double temperature) {
  if (temperature <= 0) {
    module.define("def draw(self, logits: Tensor, u: Tensor) -> Tensor:\n    return torch.argmax(logits, -1)\n");
    return;
  }
  keep(module, "temperature", at::full({}, temperature, at::kDouble));
  module.define(R"(
def draw(self, logits: Tensor, u: Tensor) -> Tensor:
    wide = logits.type_as(self.temperature) / self.temperature
    running = torch.cumsum(torch.softmax(wide, -1), -1)
    below = running <= u.type_as(self.temperature).unsqueeze(-1)
    return torch.clamp(torch.sum(below, -1), max=logits.size(-1) - 1)
)");
}

}  // namespace kaem::exports
