#include <ATen/ATen.h>

#include <sstream>

#include "export/rows.h"
#include "export/script_generator.h"
#include "kaem/baseline/baselines.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/export/draws.h"
#include "kaem/io/file.h"
#include "kaem/ops/density.h"
#include "kaem/prior/prior.h"

namespace kaem::exports {

using torch::jit::Module;

namespace {

/// src/ops/inverse/reference.cpp in TorchScript: the cell by bisection, in it the inverse in closed form.
constexpr const char* kSamplePrior = R"(
def sample_prior(self, u: Tensor) -> Tensor:
    v = u.flatten(1)
    low = torch.zeros_like(v).type_as(self.cells)
    high = self.cells + low
    for i in range(HALVINGS):
        middle = torch.floor_divide(low + high, 2)
        below = torch.take(self.cdf, self.cdf_offset + middle) <= v
        low = torch.where(below & (middle > low), middle, low)
        high = torch.where(below, high, middle)
    cell = torch.minimum(low, self.cells - 1)
    start = torch.take(self.cdf, self.cdf_offset + cell)
    end = torch.take(self.cdf, self.cdf_offset + cell + 1)
    t = torch.clamp((v - start) / torch.clamp_min(end - start, 1e-30), 0.0, 1.0)
    d = torch.take(self.slope, self.slope_offset + cell)
    down = -torch.abs(d)
    t = torch.where(d > 0, 1 - t, t)
    flat = down > -1e-06
    safe = torch.where(flat, -torch.ones_like(down), down)
    y = torch.clamp(torch.where(flat, t, torch.log1p(t * torch.expm1(safe)) / safe), 0.0, 1.0)
    y = torch.where(d > 0, 1 - y, y)
    left = torch.take(self.edges, self.edge_offset + cell)
    right = torch.take(self.edges, self.edge_offset + cell + 1)
    return (left + y * (right - left)).reshape(u.size())
)";

void define_prior(Module& module, const CoordinateDistribution& distribution) {
  const ops::InverseTable& table = *distribution.table();
  keep(module, "cells", table.cells), keep(module, "cdf_offset", table.cdf_offset);
  keep(module, "slope_offset", table.slope_offset), keep(module, "edge_offset", table.edge_offset);
  keep(module, "cdf", table.cdf), keep(module, "slope", table.slope), keep(module, "edges", table.edges);
  int64_t halvings = 0;
  for (int64_t span = table.cells.max().item<int64_t>(); span > 0; span /= 2) ++halvings;
  module.define(filled(kSamplePrior, "HALVINGS", std::to_string(halvings)));
}

/// Uniforms in the open (0,1), on the grid that the program draws from.
std::string uniforms_source(at::IntArrayRef sizes) {
  std::string shape = "[n";
  for (const int64_t size : sizes) shape += str(", ", size);
  return "(torch.floor(self.cdf.new_empty(" + shape + "]).uniform_(0.0, 1.0) * 8388608) + 0.5) / 8388608";
}

/// What the generator receives of latents.
void define_features(Module& module, const Prior& prior) {
  const auto latent = prior.latent_shape();
  if (latent.size() < 2) {
    module.define("def features(self, z: Tensor) -> Tensor:\n    return z\n");
    return;
  }
  const double offset = prior.features(at::zeros({1, latent[0], latent[1]})).select(0, 0)[0].item<double>();
  module.define(str("def features(self, z: Tensor) -> Tensor:\n    return z.sum(-1) + ", number_of(offset), "\n"));
}

/// The likelihood's activation of x.
std::string output_source(const GeneratorOptions& o) {
  if (same_name(o.likelihood, "bernoulli") || same_name(o.output_activation, "sigmoid")) return "torch.sigmoid(x)";
  return same_name(o.output_activation, "tanh") ? "torch.sigmoid(2 * x)" : "x";
}

void define_pictures(Module& module, const LoadedRun& run) {
  const ModelImpl& model = *run.model;
  std::string source = "def generate(self, z: Tensor) -> Tensor:\n    x = self.generator.forward(self.features(z))\n";
  source += str("    x = ", output_source(model.options.generator), "\n");
  DataShape shape = model.shape;
  if (run.pca) {
    keep(module, "pca_mean", run.pca->mean), keep(module, "pca_components", run.pca->components);
    source += "    x = torch.addmm(self.pca_mean, x, self.pca_components)\n";
    shape = run.pca->shape;
  }
  module.define(str(source, "    return x.reshape([z.size(0), ", shape[0], ", ", shape[1], ", ", shape[2], "])\n"));
}

void define_words(Module& module, const SeqOptions& o) {
  if (o.autoregressive) {
    module.define(
        str("def log_probabilities(self, z: Tensor, words: Tensor) -> Tensor:\n    x = "
            "self.generator.forward(self.features(z), words)\n    return torch.log_softmax(x.reshape([z.size(0), ",
            o.sequence_length, ", ", o.vocab_size, "]), -1)\n"));
    module.define(
        "def sample_words(self, z: Tensor, uniforms: Tensor) -> Tensor:\n    return "
        "self.generator.sample_words(self.features(z), uniforms)\n");
    return;
  }
  define_draw(module, o.temperature);
  const std::string logits =
      str("self.generator.forward(self.features(z)).reshape([z.size(0), ", o.sequence_length, ", ", o.vocab_size, "])");
  module.define(str("def generate(self, z: Tensor) -> Tensor:\n    return torch.softmax(", logits, ", -1)\n"));
  module.define(str("def sample_words(self, z: Tensor, uniforms: Tensor) -> Tensor:\n    return self.draw(", logits,
                    ", uniforms)\n"));
}

/// forward(n): n samples. A deep prior, which is drawn from by chains, has none.
void define_forward(Module& module, const ModelImpl& model) {
  const SeqOptions& seq = model.options.generator.seq;
  const std::string latents = "self.sample_prior(" + uniforms_source(model.prior->latent_shape()) + ")";
  module.define("def forward(self, n: int) -> Tensor:\n    " +
                (seq.use()
                     ? str("return self.sample_words(", latents, ", ", uniforms_source({seq.sequence_length}), ")\n")
                     : str("return self.generate(", latents, ")\n")));
}

std::string words_of(const std::vector<std::string>& vocabulary) {
  std::string text;
  for (const auto& word : vocabulary) text.append(word).append("\n");
  return text;
}

std::string is_baseline(const LoadedRun& run) {
  return find_baseline(run.config.run.mode) ? "a baseline has layers of its own; --to safetensors has their tensors"
                                            : "";
}

std::string write_module(LoadedRun& run, const Options& options, const Rng&) {
  const auto unit = std::make_shared<torch::jit::CompilationUnit>();
  ModelImpl& model = *run.model;
  const SeqOptions& seq = model.options.generator.seq;
  const bool transformer = seq.use() && seq.autoregressive;
  Module module = new_module("Model", unit);
  module.register_module("generator", transformer ? transformer_script(model, unit) : generator_script(model, unit));
  define_features(module, *model.prior);
  if (seq.use())
    define_words(module, seq);
  else
    define_pictures(module, run);
  const auto prior = model.prior->view();
  const CoordinateDistribution* const distribution = prior->distribution();
  if (distribution != nullptr) {
    define_prior(module, *distribution);
    define_forward(module, model);
  }
  module.eval();
  torch::jit::ExtraFilesMap extra = {{"config.ini", to_ini(run.config)}};
  if (seq.use()) extra["vocabulary.txt"] = words_of(run.vocabulary);
  std::ostringstream image;
  module.save(image, extra);
  io::write_file_atomic(options.out, image.str());
  std::string methods;
  for (const auto& method : module.get_methods())
    if (method.name() != "features" && method.name() != "draw")
      methods += (methods.empty() ? "" : ", ") + method.name();
  return str(
      "TorchScript with the methods ", methods, ": latents ", sizes_text(model.prior->latent_shape()), " each\n",
      distribution == nullptr ? "note: a deep prior is drawn from by chains: no sample_prior and forward\n" : "");
}

}  // namespace

Format torchscript_format() {
  return {"torchscript",
          "the model for torch.jit.load: generate(z), sample_prior(u), forward(n)",
          {".pt", ".ts"},
          "model",
          {},
          is_baseline,
          write_module};
}

}  // namespace kaem::exports
