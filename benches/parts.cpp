#include <ATen/ATen.h>

#include <cstdlib>
#include <filesystem>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/prior/prior.h"
#include "lower_bound.h"

/// The parts that an update is made of, and the program as a whole.
namespace kaem::bench {
namespace {

using at::Tensor;

Config mnist_config(const Options& options) { return configuration(options, "bench/mnist.ini", "MNIST", "vanilla"); }

/// The prior of the MNIST configuration with all that its energies are computed from.
struct Energies {
  explicit Energies(const Options& options) : prior(mnist_config(options).model.prior) {
    const at::Device device(options.device);
    const int64_t inputs = prior.layer_widths[0], outputs = prior.layer_widths[1];
    KanLayer layer(inputs, outputs, prior.basis, InitialDraws(Rng(1), "layer"));
    layer->to(device);
    spec = layer->spec, knots = layer->knots().detach(), tau = layer->bandwidth().detach();
    weights = layer->weights().detach();
    z = at::rand({100, outputs, inputs}, device) * 2 - 1;
  }
  Tensor z, knots, tau, weights;
  ops::BasisSpec spec;
  PriorOptions prior;
};

/// With how many of `what` a second, before its note.
Result with_rate(Result result, int64_t count, const char* what) {
  result.note = str(static_cast<int64_t>(static_cast<double>(count) / result.median_ms / 1000), " million ", what,
                    " a second, ", result.note);
  return result;
}

Result draws(const Options& options, int64_t count) {
  const at::Device device(options.device);
  const auto prior = make_prior(mnist_config(options).model.prior, Rng(1));
  prior->to(device);
  const at::NoGradGuard no_grad;
  const Tensor u = at::rand({count, 81, 40}, device) * 0.999 + 5e-4, copy = at::empty_like(u);
  LowerBound bound(device);
  bound.add("copy of the uniforms", [&] { finish(copy.copy_(u)); });
  const auto view = prior->view();
  return with_rate(measure([&] { finish(view->distribution()->icdf(u)); }, bound, 4, 20), u.numel(), "draws");
}

Result energies(const Options& options, int64_t order) {
  const at::Device device(options.device);
  const Energies e(options);
  LowerBound bound(device);
  bound.prior_values(e.prior, e.z.size(0));
  const at::NoGradGuard no_grad;
  return measure([&] { finish(ops::edge_values(e.z, e.knots, e.tau, e.weights, e.spec, order)); }, bound, 4, 20);
}

}  // namespace

Result its_draws(const Options& options) { return draws(options, 100); }
Result its_draws_1000(const Options& options) { return draws(options, 1000); }

Result uniforms(const Options& options) {
  const at::Device device(options.device);
  const Tensor from = at::rand({1000, 81, 40}, device), to = at::empty_like(from);
  LowerBound bound(device);
  bound.add("copy of the uniforms", [&] { finish(to.copy_(from)); });
  const auto work = [&] { finish(Rng(1).uniform(Stream::kPrior, 0, to.sizes(), to.options())); };
  return with_rate(measure(work, bound, 4, 20), to.numel(), "uniforms");
}

/// The density at one point, which costs little beside the table that it asks for.
Result prior_table(const Options& options) {
  const at::Device device(options.device);
  const PriorOptions prior_options = mnist_config(options).model.prior;
  const auto prior = make_prior(prior_options, Rng(1));
  prior->to(device);
  const Tensor z = prior->view()->sample(1, Rng(1), Stream::kPrior, 0);
  LowerBound bound(device);
  bound.prior_table(prior_options);
  const auto work = [&] {
    for (Tensor& p : prior->parameters()) p.mutable_grad().reset();
    prior->view()->log_prob(z).sum().backward();
    finish(prior->parameters()[0].grad());
  };
  return measure(work, bound, 4, 20);
}

Result prior_energy(const Options& options) { return energies(options, 0); }
Result prior_grad(const Options& options) { return energies(options, 1); }

/// Nine features an input: eight basis functions (nine of FFT, whose number is odd) and silu.
Result kan_layer(const Options& options, const std::string& basis_name) {
  constexpr int64_t kWidth = 1000, kBatch = 100;
  const at::Device device(options.device);
  BasisOptions basis = mnist_config(options).model.generator.basis;
  basis.kind = basis_name;
  const ops::BasisKind kind = make_basis_spec(basis).kind;
  basis.grid_size = kind == ops::BasisKind::kBSpline ? 5 : kind == ops::BasisKind::kFft ? 4 : 7;
  basis.degree = kind == ops::BasisKind::kCheby ? 7 : 3;
  KanLayer layer(kWidth, kWidth, basis, InitialDraws(Rng(1), "layer"));
  layer->to(device);
  const Tensor x = (at::rand({kBatch, kWidth}, device) * 2 - 1).requires_grad_(true),
               gradient = at::rand({kBatch, kWidth}, device);
  const int64_t features = layer->weights().size(1);
  const Tensor phi = at::rand({kBatch, kWidth * features}, device),
               weight = at::rand({kWidth * features, kWidth}, device);
  LowerBound bound(device);
  bound.product("dense forward", phi, weight);
  bound.product("dense weights", phi.t(), gradient);
  bound.product("dense inputs", gradient, weight.t());
  return measure(
      [&] {
        x.mutable_grad().reset();
        layer->zero_grad();
        layer->forward(x).backward(gradient);
        finish(x.grad());
      },
      bound, 4);
}

namespace {

Result generate(const Options& options, int64_t samples, int64_t chunk) {
  const at::Device device(options.device);
  const Config config = mnist_config(options);
  const Rng rng(1);
  Model model(config.model, DataShape{1, 28, 28}, rng);
  model->to(device);
  model->initialise_grids(rng, 100);
  const auto& generator = config.model.generator;
  const int64_t features = features_of(generator.basis);
  LowerBound bound(device);
  bound.draws(config.model.prior, chunk, static_cast<double>(samples) / static_cast<double>(chunk));
  bound.generator_forward(*model, chunk, static_cast<double>(samples) / static_cast<double>(chunk));
  for (const int64_t width : generator.widths) bound.exponentials("the generator's basis", samples * width * features);
  const at::NoGradGuard no_grad;
  const auto prior = model->prior->view();
  return measure(
      [&] {
        for (int64_t first = 0; first < samples; first += chunk)
          finish(model->generate(prior->sample(chunk, rng, Stream::kSample, 0, first)));
      },
      bound, 8);
}

}  // namespace

Result generate(const Options& options) {
  return generate(options, 10000, 250);  // chunks as `kaem sample` takes them
}
Result generate_batch(const Options& options) { return generate(options, 100, 100); }

Result startup(const Options&) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const auto run = [](const std::string& command) {
    if (std::system((command + " >/dev/null").c_str()) != 0) throw Error("benchmark startup: cannot run " + command);
  };
  LowerBound bound(at::kCPU);
  bound.add("/bin/true", [&] { run("/bin/true"); });
  return measure([&] { run("'" + program + "' --version"); }, bound, 3);
}

}  // namespace kaem::bench
