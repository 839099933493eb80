#include <ATen/ATen.h>

#include <chrono>

#include "kaem/core/str.h"
#include "kaem/ops/ops.h"
#include "step.h"

namespace kaem::bench {
namespace {

using at::Tensor;

constexpr int64_t kWarmUp = 5, kLeast = 20, kMost = 200;
constexpr double kSeconds = 8;

/// One bare matrix product, by the library that multiplies here.
struct Product {
  std::string name;
  Tensor a, b;
  std::vector<double> times = {};
  void operator()() {
    const Tensor out = ops::product(a, b);
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
    products.push_back({str(name, " [", a.size(0), ",", a.size(1), "]x[", b.size(0), ",", b.size(1), "]"), a, b});
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

}  // namespace

Result mnist_is_step(const Options& options) {
  const Config config = load_config("", {}, "MNIST", "vanilla");
  Result result;
  const at::Device device(options.device);
  const Dataset data = mnist_or_synthetic(options, config, result.note);
  Step step(config, data, device);
  const auto update = [&] { step(data.batch(step.step, config.run.batch_size, step.rng).to(device)); };
  auto products = products_of(config, step.model->data_size(), device);
  for (int64_t i = 0; i < kWarmUp; ++i) {
    update();
    for (auto& product : products) product();
  }
  // A step and each product in turn, so that a busy machine slows them alike.
  std::vector<double> times, floors;
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  for (int64_t i = 0; i < kMost && (i < kLeast || seconds() < kSeconds); ++i) {
    times.push_back(milliseconds(update));
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
