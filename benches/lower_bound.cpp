#include "lower_bound.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>

#include "kaem/core/str.h"
#include "kaem/ops/ops.h"
#include "kaem/prior/prior.h"

namespace kaem::bench {

using at::Tensor;

namespace {

constexpr int64_t kWarmUp = 3, kMost = 200;
constexpr int64_t kInCache = int64_t{1} << 17;  // values: half a megabyte for each of the input and the output

std::string sizes_text(const Tensor& t) {
  std::string text = "[";
  for (const int64_t size : t.sizes()) text += str(text.size() > 1 ? "," : "", size);
  return text + "]";
}

std::vector<int64_t> widths_of(const ModelImpl& model) {
  std::vector<int64_t> widths = model.options.generator.widths;
  widths.push_back(model.data_size());
  return widths;
}

/// A transposed convolution of the generator, on `rows` images.
struct Convolution {
  Tensor x, weight, y;
  int64_t stride, padding;
};

}  // namespace

void finish(const Tensor& t) {
  if (!t.is_cpu()) t.flatten()[0].item<float>();
}

int64_t features_of(const BasisOptions& basis) { return ops::feature_count(make_basis_spec(basis), basis.grid_size); }

Tensor LowerBound::random(at::IntArrayRef shape) const { return at::rand(shape, device_) + 0.1; }

void LowerBound::add(const std::string& name, std::function<void()> call, double count) {
  parts_.push_back({count == 1 ? name : str(name, " x", count), std::move(call), count});
}

void LowerBound::product(const std::string& name, const Tensor& a, const Tensor& b, double count) {
  add(
      str(name, " ", sizes_text(a), "x", sizes_text(b)), [a, b] { finish(ops::product(a, b)); }, count);
}

void LowerBound::exponentials(const std::string& name, int64_t values, double count) {
  const int64_t block = std::min(values, kInCache);
  const Tensor in = random({block});
  const int64_t blocks = (values + block - 1) / block;
  add(
      str("exp of ", name, " [", values, "]"),
      [in, out = at::empty_like(in), blocks]() mutable {
        for (int64_t i = 0; i < blocks; ++i) at::exp_out(out, in);
        finish(out);
      },
      count * static_cast<double>(values) / static_cast<double>(blocks * block));
}

void LowerBound::adam(const torch::nn::Module& module) {
  std::vector<Tensor> values, gradients, first, second, steps;
  int64_t numbers = 0;
  for (const auto& p : module.parameters()) {
    if (!p.requires_grad()) continue;
    numbers += p.numel();
    for (auto* list : {&values, &gradients, &first, &second}) list->push_back(at::rand_like(p.detach()));
    steps.push_back(at::ones({}, p.options().dtype(at::kFloat)));
  }
  add(str("Adam [", numbers, "]"), [=]() mutable {
    at::_fused_adam_(values, gradients, first, second, {}, steps, 1e-9, 0.9, 0.999, 0, 1e-8, false, false);
    finish(values.front());
  });
}

namespace {

/// The generator's transposed convolutions; empty for other generators.
std::vector<Convolution> convolutions(const ModelImpl& model, int64_t rows, at::Device device) {
  const auto& o = model.options.generator.cnn;
  std::vector<Convolution> list;
  if (!o.use) return list;
  const auto random = [&](at::IntArrayRef shape) { return at::rand(shape, device); };
  // Channels last, weights too: the fastest way.
  const auto image = [&](at::IntArrayRef shape) { return random(shape).contiguous(at::MemoryFormat::ChannelsLast); };
  const int64_t latent = model.prior->latent_shape().front();
  int64_t channels = o.projection ? o.dims[0] : latent, side = o.projection ? o.init_spatial : 1;
  for (size_t l = 0; l < o.strides.size(); ++l) {
    const int64_t out = l + 1 == o.strides.size() ? model.shape[0] : o.dims[l];
    const int64_t in = channels + (o.latent_concat && l > 0 ? latent : 0);
    Convolution c{
        image({rows, in, side, side}), image({in, out, o.kernels[l], o.kernels[l]}), {}, o.strides[l], o.paddings[l]};
    side = (side - 1) * o.strides[l] - 2 * o.paddings[l] + o.kernels[l];
    c.y = image({rows, out, side, side});
    list.push_back(std::move(c)), channels = out;
  }
  return list;
}

void backward(const Convolution& c, bool inputs) {
  const auto [x, weight, bias] =
      at::convolution_backward(c.y, c.x, c.weight, c10::nullopt, {c.stride, c.stride}, {c.padding, c.padding}, {1, 1},
                               true, {0, 0}, 1, {inputs, !inputs, false});
  finish(inputs ? x : weight);
}

}  // namespace

void LowerBound::generator_forward(const ModelImpl& model, int64_t rows, double count) {
  for (const auto& c : convolutions(model, rows, device_))
    add(
        str("convolution ", sizes_text(c.x), "*", sizes_text(c.weight)),
        [c] {
          finish(at::conv_transpose2d(c.x, c.weight, {}, {c.stride, c.stride}, {c.padding, c.padding}));
        },
        count);
  if (model.options.generator.cnn.use) return;
  const auto widths = widths_of(model);
  const int64_t features = features_of(model.options.generator.basis);
  for (size_t i = 0; i + 1 < widths.size(); ++i)
    product(str("layer ", i + 1, " forward"), random({rows, widths[i] * features}),
            random({widths[i] * features, widths[i + 1]}), count);
}

void LowerBound::generator_inputs(const ModelImpl& model, int64_t rows, double count, bool of_parameters) {
  const auto& generator = model.options.generator;
  bool wanted = !of_parameters || (!generator.cnn.use && generator.basis.tau_trainable);
  for (const auto& c : convolutions(model, rows, device_)) {
    if (wanted)
      add(
          str("its inputs ", sizes_text(c.x)), [c] { backward(c, true); }, count);
    wanted = true;
  }
  if (generator.cnn.use) return;
  const auto widths = widths_of(model);
  const int64_t features = features_of(generator.basis);
  for (size_t i = 0; i + 1 < widths.size(); ++i, wanted = true)
    if (wanted)
      product(str("layer ", i + 1, " inputs"), random({rows, widths[i + 1]}),
              random({widths[i] * features, widths[i + 1]}).t(), count);
}

void LowerBound::generator_weights(const ModelImpl& model, int64_t rows) {
  for (const auto& c : convolutions(model, rows, device_))
    add(str("its weights ", sizes_text(c.weight)), [c] { backward(c, false); });
  if (model.options.generator.cnn.use) return;
  const auto widths = widths_of(model);
  const int64_t features = features_of(model.options.generator.basis);
  for (size_t i = 0; i + 1 < widths.size(); ++i)
    product(str("layer ", i + 1, " weights"), random({rows, widths[i] * features}).t(), random({rows, widths[i + 1]}));
}

void LowerBound::prior_values(const PriorOptions& prior, int64_t rows, double count) {
  exponentials("the prior's basis", rows * prior.layer_widths[0] * prior.layer_widths[1] * features_of(prior.basis),
               count);
}

void LowerBound::prior_table(const PriorOptions& prior) {
  const int64_t inputs = prior.layer_widths[0], outputs = prior.layer_widths[1], features = features_of(prior.basis),
                nodes = 2 * prior.quadrature_nodes + 1;
  exponentials("the table", nodes * inputs * (features + outputs));
  const Tensor phi = random({inputs, nodes, features}), weight = random({inputs, features, outputs}),
               gradient = random({inputs, nodes, outputs});
  add(str("table's products ", sizes_text(phi), "x", sizes_text(weight)), [=] {
    finish(at::bmm(phi, weight));
    finish(at::bmm(phi.transpose(1, 2), gradient));
  });
}

void LowerBound::deep_prior(const PriorOptions& prior, int64_t rows, double count) {
  const auto& widths = prior.layer_widths;
  const int64_t features = features_of(prior.basis);
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    const Tensor weights = random({widths[i] * features, widths[i + 1]});
    product(str("energy's layer ", i + 1), random({rows, widths[i] * features}), weights, count);
    product(str("energy's layer ", i + 1, " inputs"), random({rows, widths[i + 1]}), weights.t(), count);
  }
}

void LowerBound::draws(const PriorOptions& options, int64_t rows, double count) {
  const auto prior = make_prior(options, Rng(1));  // its own, which no training changes
  prior->to(device_);
  std::vector<int64_t> shape = prior->latent_shape();
  shape.insert(shape.begin(), rows);
  const Tensor u = (at::rand(shape, device_) * 0.999) + 5e-4;
  add(
      str("draws ", sizes_text(u)), [prior, view = prior->view(), u] { finish(view->distribution()->icdf(u)); }, count);
}

double LowerBound::run() {
  const at::NoGradGuard no_grad;
  double sum = 0;
  for (auto& part : parts_) sum += part.count * part.times.emplace_back(milliseconds(part.call));
  return sum;
}

std::vector<std::pair<std::string, double>> LowerBound::medians() {
  std::vector<std::pair<std::string, double>> list;
  for (auto& part : parts_) list.emplace_back(part.name, part.count * median(part.times));
  return list;
}

Result measure(const std::function<void()>& task, LowerBound& bound, double seconds, int64_t least) {
  for (int64_t i = 0; i < kWarmUp; ++i) task(), bound.run();
  std::vector<double> times, bounds;
  double spent = 0;
  for (int64_t i = 0; i < kMost && (i < least || spent < seconds * 1000); ++i) {
    times.push_back(milliseconds(task)), bounds.push_back(bound.run());
    spent += times.back() + bounds.back();
  }
  Result result;
  result.note = str(times.size(), " times");
  result.median_ms = median(times), result.bound_ms = median(bounds), result.parts = bound.medians();
  return result;
}

}  // namespace kaem::bench
