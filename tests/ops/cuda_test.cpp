// The CUDA kernels against the float64 reference implementation on the CPU. Without a GPU they are skipped, and say so.
#include <limits>
#include <string>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/ops/density.h"
#include "support.h"
#include "support/gpu.h"

namespace kaem::ops {
namespace {

using test::no_gpu;

Tensor on_gpu(const Tensor& t) { return t.to(at::kFloat).to(at::kCUDA); }

using Kernels_CUDA = test::OnGpu<::testing::TestWithParam<std::pair<BasisKind, const char*>>>;

TEST_P(Kernels_CUDA, BasisAgreesWithTheReference) {
  for (const int64_t degree : {0, 1, 3}) {
    at::manual_seed(4);
    const Case c{.kind = GetParam().first, .degree = degree, .intervals = 9, .inputs = 7, .rows = 45};
    const Tensor knots = make_knots(c), points = make_points(c, knots);
    const Tensor weight = as_float_sees(at::randn({c.rows, c.inputs, c.features()}, wide()));
    const Tensor x = points.clone().requires_grad_(true),
                 tau = tau_leaf(as_float_sees(at::full({}, 0.7, wide())), c.kind);
    const Tensor x_gpu = on_gpu(points).requires_grad_(true), tau_gpu = tau_leaf(on_gpu(tau.detach()), c.kind);
    const Tensor want = reference::basis(x, knots, tau, c.spec()), got = basis(x_gpu, on_gpu(knots), tau_gpu, c.spec());
    (want * weight).sum().backward();
    (got * on_gpu(weight)).sum().backward();
    expect_close(got.detach().cpu(), want.detach(), 1e-5, "features");
    expect_close(x_gpu.grad().cpu(), x.grad(), 1e-5, "gradient of x");
    expect_close(basis_pullback(on_gpu(weight), x_gpu.detach(), on_gpu(knots), tau_gpu.detach(), c.spec()).cpu(),
                 x.grad(), 1e-5, "pullback");
    expect_close(basis_derivative(x_gpu.detach(), on_gpu(knots), tau_gpu.detach(), c.spec()).cpu(),
                 reference::basis_derivative(points, knots, tau.detach(), c.spec()), 1e-5, "derivative");
    if (!tau.grad().defined()) continue;
    const Tensor terms = reference::basis_tau_derivative(points, knots, tau, c.spec()) * weight;
    expect_within(tau_gpu.grad().cpu(), tau.grad(), 1e-5 * terms.abs().sum().item<double>(), "gradient of tau");
  }
}

/// Edges of a prior, their weights and a gradient of each sample's sum.
struct Edges {
  Edges(BasisKind kind, int64_t p, int64_t q) : c{.kind = kind, .intervals = 8, .inputs = p, .rows = 33 * q} {
    knots = make_knots(c, q), tau = as_float_sees(at::full({}, 0.9, wide()));
    z = as_float_sees(make_points(c, knots).clamp(-3, 3)).reshape({33, q, p});
    weights = as_float_sees(at::randn({p, c.features(), q}, wide()));
    grad = as_float_sees(at::randn({33}, wide()));
  }
  Case c;
  Tensor knots, tau, z, weights, grad;
};

void expect_edges(const Edges& e) {
  for (const bool weighted : {false, true}) {
    const Tensor z = e.z.clone().requires_grad_(true), w = e.weights.clone().requires_grad_(true),
                 tau = tau_leaf(e.tau, e.c.kind);
    const Tensor z_gpu = on_gpu(e.z).requires_grad_(true), w_gpu = on_gpu(e.weights).requires_grad_(true),
                 tau_gpu = tau_leaf(on_gpu(e.tau), e.c.kind);
    const Tensor want = reference::edge_sum(z, e.knots, tau, w, e.c.spec());
    want.backward(e.grad);
    if (weighted) {
      const Tensor got = weighted_edge_sum(z_gpu, on_gpu(e.grad), on_gpu(e.knots), tau_gpu, w_gpu, e.c.spec());
      got.backward();
      expect_within(got.detach().cpu(), (want * e.grad).sum().detach(),
                    1e-5 * (want * e.grad).abs().sum().item<double>(), "weighted sum");
    } else {
      const Tensor got = edge_sum(z_gpu, on_gpu(e.knots), tau_gpu, w_gpu, e.c.spec());
      got.backward(on_gpu(e.grad));
      expect_close(got.detach().cpu(), want.detach(), 1e-5, "sum");
    }
    expect_close(z_gpu.grad().cpu(), z.grad(), 1e-5, "gradient of z");
    expect_close(w_gpu.grad().cpu(), w.grad(), 1e-5, "gradient of weights");
    if (!tau.grad().defined()) continue;
    const Tensor slopes = reference::basis_tau_derivative(e.z.flatten(0, 1), e.knots, e.tau, e.c.spec());
    const Tensor terms =
        slopes.view({33, e.z.size(1), e.z.size(2), -1}) * e.weights.permute({2, 0, 1}) * e.grad.view({33, 1, 1, 1});
    expect_within(tau_gpu.grad().cpu(), tau.grad(), 1e-5 * terms.abs().sum().item<double>(), "gradient of tau");
  }
  for (const int64_t order : {0, 1}) {
    expect_close(edge_values(on_gpu(e.z), on_gpu(e.knots), on_gpu(e.tau), on_gpu(e.weights), e.c.spec(), order).cpu(),
                 reference::edge_values(e.z, e.knots, e.tau, e.weights, e.c.spec(), order), 1e-5, "values");
  }
}

TEST_P(Kernels_CUDA, EdgesAgreeWithTheReference) {
  at::manual_seed(6);
  expect_edges({GetParam().first, 5, 4});
  expect_edges({GetParam().first, 17, 35});  // more than a tile each way
}

/// A layer of `outputs` on the GPU against the reference implementation in float64, there too: it is large.
void expect_layer(BasisKind kind, int64_t inputs, int64_t outputs) {
  const Case c{.kind = kind, .intervals = 9, .inputs = inputs, .rows = 37};
  const auto wide_gpu = wide().device(at::kCUDA);
  const auto random = [&](at::IntArrayRef shape) { return at::randn(shape, wide_gpu).to(at::kFloat).to(at::kDouble); };
  const Tensor knots = make_knots(c).cuda(), weighting = random({c.rows, outputs});
  const std::vector<Tensor> leaves = {make_points(c, knots.cpu()).clamp(-3, 3).cuda(), at::full({}, 0.75, wide_gpu),
                                      random({inputs, outputs}), random({inputs, outputs}),
                                      random({inputs, c.features() - 1, outputs})};
  std::vector<Tensor> want, got;
  Tensor want_y, got_y;
  for (const auto type : {at::kDouble, at::kFloat}) {
    std::vector<Tensor> own;
    for (const Tensor& leaf : leaves) own.push_back(leaf.clone().to(type).requires_grad_(true));
    own[1] = tau_leaf(own[1].detach(), kind);
    const bool in_full = type == at::kDouble;
    Tensor& y = in_full ? want_y : got_y;
    y = in_full ? reference::kan_layer(own[0], knots, own[1], own[2], own[3], own[4], c.spec(), Precision::kFull)
                : kan_layer(own[0], knots.to(type), own[1], own[2], own[3], own[4], c.spec());
    y.backward(weighting.to(type));
    for (const Tensor& leaf : own) (in_full ? want : got).push_back(leaf.grad());
  }
  expect_close(got_y.detach(), want_y.detach(), 1e-5, "outputs");
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (i == 1) continue;  // τ's is a sum with cancellations: BasisAgreesWithTheReference
    expect_close(got[i], want[i], 1e-5, "gradient " + std::to_string(i));
  }
}

TEST_P(Kernels_CUDA, LayersAgreeWithTheReference) {
  at::manual_seed(7);
  expect_layer(GetParam().first, 19, 33);
}

TEST_P(Kernels_CUDA, MixtureScoresAgreeWithTheReference) {
  at::manual_seed(5);
  for (const int64_t inputs : {1, 9, 40}) {
    const Case c{.kind = GetParam().first, .intervals = 8, .inputs = inputs};
    const Tensor knots = make_knots(c, 5), tau = as_float_sees(at::full({}, 0.9, wide()));
    const Tensor z = as_float_sees(at::rand({37, 5}, wide()) * 3 - 1.5);
    const Tensor weights = as_float_sees(at::randn({inputs, c.features(), 5}, wide()));
    const Tensor constant = as_float_sees(at::randn({5, inputs}, wide()) * 5);
    expect_close(
        mixture_score(on_gpu(z), on_gpu(knots), on_gpu(tau), on_gpu(weights), on_gpu(constant), c.spec()).cpu(),
        reference::mixture_score(z, knots, tau, weights, constant, c.spec()), 1e-5, "score");
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Kernels_CUDA, ::testing::ValuesIn(kinds()),
                         [](const auto& p) { return p.param.second; });

using Tables_CUDA = test::OnGpu<>;

TEST_F(Tables_CUDA, MassesAgreeWithTheReference) {
  at::manual_seed(10);
  for (const bool split : {false, true})
    for (const int64_t cells : {1, 37, 256, 257, 700})  // within a block, and more than one
      for (const double energy : {0.1, 3.0, 50.0}) {
        const int64_t nodes = split ? 3 * cells : 2 * cells + 1;
        Tensor density = as_float_sees(at::randn({6, nodes}, wide()) * energy);
        if (nodes > 30) density[1].slice(0, 0, nodes / 2).fill_(-std::numeric_limits<double>::infinity());
        const Tensor widths = as_float_sees(at::rand({3, cells}, wide()) + 0.1);
        const Tensor d = density.clone().requires_grad_(true), d_gpu = on_gpu(density).requires_grad_(true);
        const CellMasses want = reference::cell_masses(d, widths, split),
                         got = cell_masses(d_gpu, on_gpu(widths), split);
        const Tensor weight = as_float_sees(at::randn({6}, wide()));
        want.log_normaliser.backward(weight);
        got.log_normaliser.backward(on_gpu(weight));
        const std::string what = std::to_string(cells) + " cells, energies of " + std::to_string(energy);
        expect_within(got.log_normaliser.detach().cpu(), want.log_normaliser.detach(), 1e-5 + 1e-7 * energy, what);
        expect_within(got.cdf.cpu(), want.cdf, 2e-6, what);
        expect_close(got.slope.cpu(), want.slope, 1e-6, what + " slope");
        EXPECT_LE(((got.error.cpu() - want.error).abs() - 1e-5 * want.error).max().item<double>(), 1e-6) << what;
        expect_close(d_gpu.grad().cpu(), d.grad(), 1e-5, what + " gradient");
        EXPECT_TRUE((got.cdf.slice(1, 1) >= got.cdf.slice(1, 0, -1)).all().item<bool>()) << what;
      }
}

TEST_F(Tables_CUDA, NanReachesMassesAndScores) {
  expect_nan_reaches_masses(on_gpu);
  expect_nan_reaches_scores(on_gpu);
}

TEST_F(Tables_CUDA, OutputErrorsAgreeWithTheReference) {
  at::manual_seed(8);
  for (const double steepness : {0.0, 1.0, 2.0})
    for (const int64_t width : {1, 35, 784}) {
      const Tensor x = as_float_sees(at::rand({3, width}, wide())),
                   generated = as_float_sees(at::randn({2, 3, 4, width}, wide())),
                   scale = as_float_sees(at::full({}, 1.7, wide()));
      const auto [want_distance, want_gradient] = reference::output_error(x, generated, steepness, scale);
      for (const Tensor& where : {scale, on_gpu(scale)}) {  // a fixed deviation is the host's, a trained one is not
        const auto [distance, gradient] = output_error(on_gpu(x), on_gpu(generated), steepness, where);
        expect_close(distance.cpu(), want_distance, 1e-5, "distance");
        expect_close(gradient.cpu(), want_gradient, 1e-5, "gradient");
      }
    }
}

TEST_F(Tables_CUDA, InverseTransformsAgreeWithTheReference) {
  at::manual_seed(8);
  const Tensor density = as_float_sees(at::randn({9, 75}, wide()) * 2),
               widths = as_float_sees(at::rand({3, 37}, wide()) + 0.1);
  const CellMasses want = reference::cell_masses(density, widths, false);
  const CellMasses got = cell_masses(on_gpu(density), on_gpu(widths), false);
  expect_close(got.log_normaliser.cpu(), want.log_normaliser, 1e-5, "log normaliser");
  const Tensor edges = as_float_sees(at::cat({at::zeros({1}, wide()), widths[0].cumsum(0)})),
               row = at::arange(9, at::kLong);
  const InverseTable exact{
      at::full({9}, 37, at::kLong),        row * 38, row * 37, row * 0, as_float_sees(want.cdf).flatten(),
      as_float_sees(want.slope).flatten(), edges};
  const InverseTable table{exact.cells.cuda(),       exact.cdf_offset.cuda(), exact.slope_offset.cuda(),
                           exact.edge_offset.cuda(), on_gpu(exact.cdf),       on_gpu(exact.slope),
                           on_gpu(exact.edges)};
  const Tensor u = as_float_sees(at::rand({101, 9}, wide()) * 0.998 + 0.001), z = inverse_cdf(on_gpu(u), table);
  expect_close(z.cpu(), reference::inverse_cdf(u, exact), 1e-4, "draws");
  expect_close(forward_cdf(z, table).cpu(), u, 2e-5, "round trip");
}

TEST_F(Tables_CUDA, LayersInTilesAgreeWithTheReference) {
  at::manual_seed(7);
  expect_layer(BasisKind::kRbf, 151, 16'000);  // more folded weights than a tile has
}

TEST_F(Tables_CUDA, RandomNumbersAreThoseOfTheProcessor) {
  const Rng rng(77);
  for (const int64_t first : {0, 1, 2, 3, 1001})
    for (const int64_t count : {1, 3, 4, 1000, 100'003}) {
      EXPECT_TRUE(at::equal(rng.uniform(Stream::kTest, 5, {count}, at::kCUDA, first).cpu(),
                            rng.uniform(Stream::kTest, 5, {count}, {}, first)));
      EXPECT_TRUE(at::equal(rng.normal(Stream::kTest, 5, {count}, at::kCUDA, first).cpu(),
                            rng.normal(Stream::kTest, 5, {count}, {}, first)));
    }
}

TEST_F(Tables_CUDA, LangevinMovesAgreeWithTheReference) {
  at::manual_seed(9);
  const std::vector<int64_t> shape = {3, 4, 2, 5, 7};
  const Tensor z = as_float_sees(at::rand(shape, wide()) * 2 - 1), prior = as_float_sees(at::randn(shape, wide()) * 30),
               likelihood = as_float_sees(at::randn({3, 4, 2, 5, 1}, wide()) * 30).expand(shape),
               noise = as_float_sees(at::randn(shape, wide())), t = as_float_sees(at::linspace(0, 1, 3, wide()));
  for (const double step : {1e-3, 0.3}) {
    const Tensor want = reference::langevin_move(z, prior, likelihood, noise, t, step, -1, 1);
    const Tensor pull = on_gpu(likelihood.select(-1, 0)).unsqueeze(-1).expand(shape);
    expect_within(langevin_move(on_gpu(z), on_gpu(prior), pull, on_gpu(noise), on_gpu(t), step, -1, 1).cpu(), want,
                  1e-4, "move");
  }
}

TEST(LoadCuda, RefusesInOneLineWithoutADevice) {
  if (no_gpu().empty()) GTEST_SKIP() << "this machine has a GPU";
  EXPECT_NE(no_gpu().find("cuda"), std::string::npos) << no_gpu();
  EXPECT_EQ(no_gpu().find('\n'), std::string::npos) << no_gpu();
}

}  // namespace
}  // namespace kaem::ops
