#include <ATen/ATen.h>

#include <chrono>
#include <memory>

#include "bench.h"
#include "kaem/config/config.h"
#include "kaem/core/str.h"
#include "kaem/objective/objective.h"
#include "kaem/posterior/posterior.h"
#include "kaem/train/optimizer.h"

namespace kaem::bench {
namespace {

using at::Tensor;

constexpr int64_t kWarmUp = 5, kLeast = 20, kMost = 200;
constexpr double kSeconds = 8;

/// The model, criterion and optimiser of a MNIST run, as the trainer puts them together, and its update.
struct Step {
  Step(const Config& c, Dataset dataset, at::Device where)
      : config(c),
        data(std::move(dataset)),
        device(where),
        rng(c.run.seed),
        model(c.model, data.shape, rng),
        posterior(make_posterior(c.posterior, *model, {}, rng)),
        objective(make_objective(c.objective)) {
    model->to(device);
    model->initialise_grids(rng, c.posterior.samples);
    std::vector<NamedParameter> parameters;
    for (const auto& p : model->named_parameters())
      if (p.value().requires_grad()) parameters.push_back({p.key(), p.value(), p.key().starts_with("prior.")});
    optimizer = make_optimizer(c.optimizer, std::move(parameters));
  }

  void operator()() {
    const Tensor x = data.batch(step, config.run.batch_size, rng).to(device);
    const Particles particles = posterior->sample(*model, {x, {}}, step, rng);
    const Terms terms = objective->evaluate(*model, x, particles, step, rng);
    optimizer->zero_grad();
    terms.total.backward();
    clip_gradients(optimizer->parameters, config.optimizer.max_grad_norm);
    optimizer->step(1);
    model->prior->invalidate();
    loss = terms.total.item<double>();  // waits for the device, as the trainer does
    ++step;
  }

  const Config& config;
  Dataset data;
  at::Device device;
  Rng rng;
  Model model;
  std::unique_ptr<Posterior> posterior;
  std::unique_ptr<Objective> objective;
  std::unique_ptr<Optimizer> optimizer;
  int64_t step = 0;
  double loss = 0;
};

/// One bare matrix product with its result in place.
struct Product {
  std::string name;
  Tensor a, b, out;
  std::vector<double> times = {};
  void operator()() {
    at::mm_out(out, a, b);
    if (!out.is_cpu()) out.select(0, 0).select(0, 0).item<float>();  // waits for the device
  }
};

/// The products that training cannot do without: per layer [S,I·F]x[I·F,O] and its two backward products, and the
/// distances [B,D]x[D,S] with the one that carries their gradient back.
std::vector<Product> products_of(const Config& c, int64_t data_size, at::Device device) {
  const int64_t samples = c.posterior.samples, batch = c.run.batch_size;
  const auto& options = c.model.generator;
  const int64_t features = ops::feature_count(make_basis_spec(options.basis), options.basis.grid_size);
  auto widths = options.widths;
  widths.push_back(data_size);
  std::vector<Product> products;
  const auto add = [&](const std::string& name, const Tensor& a, const Tensor& b) {
    products.push_back({str(name, " [", a.size(0), ",", a.size(1), "]x[", b.size(0), ",", b.size(1), "]"), a, b,
                        at::empty({a.size(0), b.size(1)}, device)});
  };
  const auto matrix = [&](int64_t rows, int64_t columns) { return at::rand({rows, columns}, device); };
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    const Tensor phi = matrix(samples, widths[i] * features), weight = matrix(widths[i] * features, widths[i + 1]),
                 gradient = matrix(samples, widths[i + 1]);
    add(str("layer ", i + 1, " forward"), phi, weight);
    add(str("layer ", i + 1, " weights"), phi.t(), gradient);
    add(str("layer ", i + 1, " inputs"), gradient, weight.t());
  }
  const Tensor x = matrix(batch, data_size), generated = matrix(samples, data_size), weights = matrix(batch, samples);
  add("likelihood", x, generated.t());
  add("likelihood backward", weights.t(), x);
  return products;
}

/// MNIST where it is found, else bytes of the same shape.
Dataset data_of(const Options& options, const Config& config, std::string& note) {
  for (const auto& info : list_datasets(options.data_dir))
    if (info.name == "MNIST" && info.complete) {
      DatasetOptions wanted = config.data;
      wanted.root = options.data_dir, wanted.train_size = 10000, wanted.offline = true;
      note = "on MNIST";
      return make_dataset(wanted);
    }
  note = "on synthetic data (MNIST was not found)";
  Dataset data;
  data.name = "synthetic", data.shape = {1, 28, 28};
  const auto uniform = Rng(1).uniform(Stream::kTest, 0, {10000, 1, 28, 28});
  data.train = ((uniform - 0.8).clamp_min(0) * (5 * 255)).to(at::kByte);  // mostly black, as digits are
  data.test = data.train.slice(0, 0, 100);
  return data;
}

}  // namespace

Result mnist_is_step(const Options& options) {
  const Config config = load_config("", {}, "MNIST", "vanilla");
  Result result;
  const at::Device device(options.device);
  Step step(config, data_of(options, config, result.note), device);
  auto products = products_of(config, step.model->data_size(), device);
  for (int64_t i = 0; i < kWarmUp; ++i) {
    step();
    for (auto& product : products) product();
  }
  // A step and each product in turn, so that a busy machine slows them alike.
  std::vector<double> times, floors;
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  for (int64_t i = 0; i < kMost && (i < kLeast || seconds() < kSeconds); ++i) {
    times.push_back(milliseconds(std::ref(step)));
    double sum = 0;
    const at::NoGradGuard no_grad;
    for (auto& product : products) sum += product.times.emplace_back(milliseconds(std::ref(product)));
    floors.push_back(sum);
  }
  result.note += str(", ", times.size(), " updates");
  result.median_ms = median(times), result.floor_ms = median(floors);
  for (auto& product : products) result.parts.emplace_back(product.name, median(product.times));
  return result;
}

}  // namespace kaem::bench
