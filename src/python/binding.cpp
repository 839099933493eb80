// Classes that LibTorch registers for Python: torch.classes.kaem.*. One library serves all versions of Python, as none
// of its headers are needed. python/kaem/ wraps them; what they take and return is documented there.
#include <torch/custom_class.h>

#include <ATen/core/grad_mode.h>

#include <memory>

#include "kaem/core/denormals.h"
#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/core/threads.h"
#include "kaem/data/dataset.h"
#include "kaem/data/text.h"
#include "kaem/evaluate/in_training.h"
#include "kaem/export/draws.h"
#include "kaem/io/file.h"
#include "kaem/kan/layer.h"
#include "kaem/metrics/log_likelihood.h"
#include "kaem/prior/curves.h"
#include "kaem/prior/prior.h"
#include "kaem/report/report.h"
#include "kaem/train/run.h"
#include "kaem/train/trainer.h"
#include "kaem/train/version.h"

namespace kaem::python {
namespace {

using at::Tensor;
using Tensors = c10::Dict<std::string, Tensor>;

Tensors curves_of_view(const PriorCurves& c) {
  Tensors all;
  all.insert("z", c.z), all.insert("energy", c.energy), all.insert("log_reference", c.log_reference);
  all.insert("density", c.density), all.insert("cdf", c.cdf);
  return all;
}

Rng seeded(int64_t seed) { return Rng(static_cast<uint64_t>(seed)); }

/// A trained run.
struct Run : torch::CustomClassHolder {
  LoadedRun run;

  Run(const std::string& path, const std::string& device) : run(load_run(path, device)) {}

  /// Data as the model takes them: [B,D] on its device, bytes as numbers in [0,1].
  Tensor flat(const Tensor& x) const {
    const int64_t expected = run.model->data_size();
    if (x.dim() < 2 || x.size(0) < 1 || x.numel() / x.size(0) != expected)
      throw UsageError(str("x: expected at least one data point of ", expected, " numbers, [B,C,H,W]"));
    const Tensor there = x.to(at::Device(run.device)).flatten(1);
    return x.scalar_type() == at::kByte ? there.to(at::kFloat) / 255 : there;
  }

  /// z [n, latent...] as the model takes it.
  const Tensor& checked(const Tensor& z) const {
    const auto shape = run.model->latent_shape();
    if (z.dim() != 1 + std::ssize(shape) || z.sizes().slice(1) != at::IntArrayRef(shape))
      throw UsageError("z: expected [n, latent...], latents of the shape latent_shape");
    return z;
  }

  Tensor sample(int64_t count, int64_t seed) {
    if (count < 1) throw UsageError("n: expected at least one sample");
    return exports::draw(run, seeded(seed), count).samples;
  }

  Tensor latents(int64_t count, int64_t seed) {
    const at::NoGradGuard no_grad;
    return run.model->prior->view()->sample(count, seeded(seed), Stream::kSample, 0);
  }

  std::vector<std::string> lines(int64_t count, int64_t seed) {
    if (run.vocabulary.empty()) throw UsageError("lines: " + run.folder + " is no run on text");
    return to_lines(sample(count, seed), run.vocabulary);
  }

  Tensor generate(const Tensor& z) {
    if (!run.vocabulary.empty()) throw UsageError("generate: a run on text makes words, which sample and lines draw");
    return run.model->likelihood->activate(run.model->generate_raw(checked(z))).reshape(pictures(z));
  }

  Tensor log_prior(const Tensor& z) { return run.model->prior->view()->log_prob(checked(z)); }

  Tensor score(const Tensor& z) { return run.model->prior->view()->score(checked(z)); }

  Tensor log_likelihood(const Tensor& x, const Tensor& z) { return run.model->log_likelihood(flat(x), checked(z)); }

  metrics::Annealed annealed(const Tensor& x, int64_t chains, int64_t levels, int64_t seed) {
    const at::NoGradGuard no_grad;
    if (chains < 1 || levels < 1) throw UsageError("chains, levels: expected at least 1");
    metrics::PathOptions options;
    options.chains = chains, options.levels = levels;
    return metrics::annealed_log_likelihood(*run.model, flat(x), options, seeded(seed));
  }

  std::tuple<Tensor, Tensor> log_prob(const Tensor& x, int64_t chains, int64_t levels, int64_t seed) {
    const auto found = annealed(x, chains, levels, seed);
    return {found.value, found.standard_error};
  }

  std::tuple<Tensor, Tensor> posterior(const Tensor& x, int64_t chains, int64_t levels, int64_t seed) {
    const auto found = annealed(x, chains, levels, seed);
    return {found.z, found.weight};
  }

  Tensors curves(int64_t points) {
    const auto found = curves_of(*run.model->prior, points);
    if (!found) throw UsageError("prior_curves: " + run.folder + " has no energies of single coordinates");
    return curves_of_view(*found);
  }

  Tensors tensors() {
    Tensors all;
    for (const auto& p : run.model->named_parameters()) all.insert(p.key(), p.value());
    for (const auto& b : run.model->named_buffers()) all.insert(b.key(), b.value());
    return all;
  }

  std::vector<int64_t> pictures(const Tensor& z) const {
    const auto& shape = run.model->shape;
    return {z.size(0), shape[0], shape[1], run.model->data_size() / (shape[0] * shape[1])};
  }
};

/// A run that is being trained, some updates at a time.
struct Training : torch::CustomClassHolder {
  std::unique_ptr<Dataset> data;
  std::unique_ptr<Trainer> trainer;

  Training(const std::string& ini, const std::vector<std::string>& settings, const std::string& dataset,
           const std::string& mode, const std::string& out, const std::string& name, const std::string& resume,
           const std::optional<Tensor>& train, const std::optional<Tensor>& test) {
    std::vector<Override> overrides;
    for (const auto& text : settings) overrides.push_back(parse_override(text));
    TrainOptions options;
    options.command_line = "Python";
    Config config;
    if (!resume.empty()) {
      const RunFolder folder = RunFolder::open(resume, out);
      options.resume = folder.path();
      config = parse_config(to_ini(folder.config()), folder.file("config.ini"), overrides);
    } else {
      const std::string path = ini.empty() ? default_config_path(dataset, mode) : ini;
      config = ini.find('\n') == std::string::npos ? load_config(path, overrides, dataset, mode)
                                                   : parse_config(ini, "the configuration", overrides, dataset, mode);
      config.run.name = name;
    }
    config.run.out = out;
    options.evaluator = evaluate::in_training(config);
    data = std::make_unique<Dataset>(train ? given(*train, test, config) : make_dataset(config.data));
    trainer = std::make_unique<Trainer>(options.resume.empty() ? within_budget(config, *data) : config, *data, options);
    trainer->begin();
  }

  /// What the trainer takes for granted of data, which files are checked for when they are read.
  static void check(const Tensor& t, const std::string& name) {
    if (t.dim() != 4 || t.numel() == 0 || (t.size(1) != 1 && t.size(1) != 3))
      throw UsageError(name + ": expected a tensor [N,C,H,W] with one or three channels");
    if (t.scalar_type() == at::kByte) return;
    if (!t.is_floating_point()) throw UsageError(name + ": expected bytes (uint8) or floating-point numbers in [0,1]");
    const double low = t.min().item<double>(), high = t.max().item<double>();
    if (!(low >= 0 && high <= 1)) throw UsageError(str(name, ": expected numbers in [0,1], found ", low, " to ", high));
  }

  /// A user's own data: [N,C,H,W], float in [0,1] or bytes.
  static Dataset given(const Tensor& train, const std::optional<Tensor>& test, const Config& config) {
    Dataset own;
    own.name = config.data.name;
    check(train, "data");
    if (test) check(*test, "test");
    if (test && test->sizes().slice(1) != train.sizes().slice(1))
      throw UsageError("test: expected the shape [N,C,H,W] of data");
    own.shape = {train.size(1), train.size(2), train.size(3)};
    const auto taken = [&](const Tensor& t) {
      return t.scalar_type() == at::kByte ? t.cpu().contiguous() : t.to(at::kCPU, at::kFloat).contiguous();
    };
    own.train = taken(train);
    const std::string_view bytes(static_cast<const char*>(own.train.const_data_ptr()), own.train.nbytes());
    own.sources = {{"a tensor", io::sha256(bytes)}};
    const int64_t count = std::min<int64_t>(config.data.test_size, train.size(0));
    own.test = test ? taken(*test) : own.train.slice(0, own.train.size(0) - count);
    own.test_from_training = !test;
    own.dequantize = config.data.dequantize && own.train.scalar_type() == at::kByte;
    own.flip = config.data.random_flip;
    return own;
  }

  bool advance(int64_t updates) { return trainer->advance(updates); }

  c10::Dict<std::string, double> numbers() {
    c10::Dict<std::string, double> all;
    const StepResult& last = trainer->last();
    all.insert("loss", last.loss), all.insert("grad_norm", last.gradient_norm), all.insert("lr", last.learning_rate);
    for (const auto& term : last.terms) all.insert(term.name, term.value);
    return all;
  }

  std::string end() {
    const std::string folder = trainer->end().folder;
    try {
      report::write_page(folder);
    } catch (const Error& e) {  // worth no run
      log::warn(std::string("there is no report of the run: ") + e.what());
    }
    return folder;
  }
};

BasisOptions basis_of(const std::string& kind, int64_t degree, int64_t grid, double low, double high,
                      const std::string& activation) {
  BasisOptions options;
  options.kind = kind, options.degree = degree, options.grid_size = grid, options.grid_range = {low, high};
  options.activation = activation;
  return options;
}

/// What parameters and buffers a module has, shared with it.
Tensors parameters_of(const torch::nn::Module& module) {
  Tensors all;
  for (const auto& p : module.named_parameters()) all.insert(p.key(), p.value());
  return all;
}

Tensors buffers_of(const torch::nn::Module& module) {
  Tensors all;
  for (const auto& b : module.named_buffers()) all.insert(b.key(), b.value());
  return all;
}

/// A KAN layer.
struct Layer : torch::CustomClassHolder {
  KanLayer layer;

  Layer(int64_t inputs, int64_t outputs, const std::string& kind, int64_t degree, int64_t grid, double low, double high,
        const std::string& activation, int64_t seed)
      : layer(inputs, outputs, basis_of(kind, degree, grid, low, high, activation),
              InitialDraws(seeded(seed), "layer")) {}

  Tensor forward(const Tensor& x) { return layer->forward(x); }
  bool update_grid(const Tensor& x) {
    const GridUpdate update = layer->update_grid(x.detach(), /*keep_ends=*/false);
    return update.skipped == 0 && update.moved + update.halved > 0;
  }
  Tensors parameters() { return parameters_of(*layer); }
  Tensors buffers() { return buffers_of(*layer); }
  void to(const std::string& device) { layer->to(at::Device(device)); }
};

/// A prior of univariate energies.
struct EnergyPrior : torch::CustomClassHolder {
  std::shared_ptr<Prior> prior;

  EnergyPrior(int64_t q, int64_t p, bool mixture, const std::string& reference, const std::string& kind, int64_t grid,
              double low, double high, int64_t seed) {
    PriorOptions options;
    options.layer_widths = {p, q}, options.reference = reference, options.mixture.enabled = mixture;
    options.basis = basis_of(kind, options.basis.degree, grid, low, high, options.basis.activation);
    prior = make_prior(options, seeded(seed));
  }

  Tensor sample(int64_t count, int64_t seed) { return prior->view()->sample(count, seeded(seed), Stream::kSample, 0); }
  Tensor log_prob(const Tensor& z) { return prior->view()->log_prob(z); }
  Tensor features(const Tensor& z) { return prior->features(z); }
  Tensors curves(int64_t points) { return curves_of_view(*curves_of(*prior, points)); }
  Tensors parameters() { return parameters_of(*prior); }
  Tensors buffers() { return buffers_of(*prior); }
  void to(const std::string& device) { prior->to(at::Device(device)); }
};

void prepare(int64_t threads) {
  set_threads(threads);
  flush_denormals();
}

void set_messages(bool on) { log::set_level(on ? log::Level::kInfo : log::Level::kWarn); }

}  // namespace

TORCH_LIBRARY_FRAGMENT(kaem, m) {
  m.class_<Run>("Run")
      .def(torch::init<std::string, std::string>())
      .def("sample", &Run::sample)
      .def("latents", &Run::latents)
      .def("lines", &Run::lines)
      .def("generate", &Run::generate)
      .def("log_prior", &Run::log_prior)
      .def("score", &Run::score)
      .def("log_likelihood", &Run::log_likelihood)
      .def("log_prob", &Run::log_prob)
      .def("posterior", &Run::posterior)
      .def("curves", &Run::curves)
      .def("tensors", &Run::tensors)
      .def("config", [](const c10::intrusive_ptr<Run>& self) { return to_ini(self->run.config); })
      .def("folder", [](const c10::intrusive_ptr<Run>& self) { return self->run.folder; })
      .def("device", [](const c10::intrusive_ptr<Run>& self) { return self->run.device; })
      .def("step", [](const c10::intrusive_ptr<Run>& self) { return self->run.step; })
      .def("latent_shape", [](const c10::intrusive_ptr<Run>& self) { return self->run.model->latent_shape(); });
  m.class_<Training>("Training")
      .def(torch::init<std::string, std::vector<std::string>, std::string, std::string, std::string, std::string,
                       std::string, std::optional<Tensor>, std::optional<Tensor>>())
      .def("advance", &Training::advance)
      .def("numbers", &Training::numbers)
      .def("end", &Training::end)
      .def("step", [](const c10::intrusive_ptr<Training>& self) { return self->trainer->steps(); })
      .def("updates", [](const c10::intrusive_ptr<Training>& self) { return self->trainer->length().last; });
  m.class_<Layer>("Layer")
      .def(torch::init<int64_t, int64_t, std::string, int64_t, int64_t, double, double, std::string, int64_t>())
      .def("forward", &Layer::forward)
      .def("update_grid", &Layer::update_grid)
      .def("parameters", &Layer::parameters)
      .def("buffers", &Layer::buffers)
      .def("to", &Layer::to);
  m.class_<EnergyPrior>("EnergyPrior")
      .def(torch::init<int64_t, int64_t, bool, std::string, std::string, int64_t, double, double, int64_t>())
      .def("sample", &EnergyPrior::sample)
      .def("log_prob", &EnergyPrior::log_prob)
      .def("features", &EnergyPrior::features)
      .def("curves", &EnergyPrior::curves)
      .def("parameters", &EnergyPrior::parameters)
      .def("buffers", &EnergyPrior::buffers)
      .def("to", &EnergyPrior::to);
  m.def("prepare(int threads) -> ()", prepare);
  m.def("set_messages(bool on) -> ()", set_messages);
  m.def("version() -> str", [] { return std::string(version()); });
}

}  // namespace kaem::python
