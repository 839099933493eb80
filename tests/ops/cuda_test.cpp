// The CUDA kernels against the float64 twin on the CPU. Without a GPU they are skipped, and say so.
#include "kaem/core/error.h"
#include "kaem/core/rng.h"
#include "support.h"

namespace kaem::ops {
namespace {

/// Why there is no GPU to test on; empty if there is one.
const std::string& obstacle() {
  static const std::string reason = [] {
    try {
      load_cuda();
      return std::string();
    } catch (const UsageError& e) {
      return std::string(e.what());
    }
  }();
  return reason;
}

Tensor on_gpu(const Tensor& t) { return t.to(at::kFloat).to(at::kCUDA); }

class Kernels_CUDA : public ::testing::TestWithParam<std::pair<BasisKind, const char*>> {
 protected:
  void SetUp() override {
    if (!obstacle().empty()) GTEST_SKIP() << "NOT TESTED on a GPU: " << obstacle();
  }
};

TEST_P(Kernels_CUDA, BasisAgreesWithTheTwin) {
  for (const int64_t degree : {0, 1, 3}) {
    at::manual_seed(4);
    const Case c{.kind = GetParam().first, .degree = degree, .intervals = 9, .inputs = 7, .rows = 45};
    const Tensor knots = make_knots(c), points = make_points(c, knots);
    const Tensor weight = as_float_sees(at::randn({c.rows, c.inputs, c.features()}, wide()));
    const Tensor x = points.clone().requires_grad_(true),
                 tau = as_float_sees(at::full({}, 0.7, wide())).requires_grad_(true);
    const Tensor x_gpu = on_gpu(points).requires_grad_(true), tau_gpu = on_gpu(tau.detach()).requires_grad_(true);
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

TEST_P(Kernels_CUDA, EdgesAgreeWithTheTwin) {
  at::manual_seed(6);
  const Case c{.kind = GetParam().first, .intervals = 8, .inputs = 5, .rows = 33 * 4};
  const Tensor knots = make_knots(c), tau = as_float_sees(at::full({}, 0.9, wide()));
  const Tensor z0 = as_float_sees(make_points(c, knots).clamp(-3, 3)).reshape({33, 4, 5});
  const Tensor w0 = as_float_sees(at::randn({5, c.features(), 4}, wide())),
               grad = as_float_sees(at::randn({33}, wide()));
  const Tensor z = z0.clone().requires_grad_(true), w = w0.clone().requires_grad_(true);
  const Tensor z_gpu = on_gpu(z0).requires_grad_(true), w_gpu = on_gpu(w0).requires_grad_(true);
  const Tensor want = reference::edge_sum(z, knots, tau, w, c.spec());
  const Tensor got = edge_sum(z_gpu, on_gpu(knots), on_gpu(tau), w_gpu, c.spec());
  want.backward(grad);
  got.backward(on_gpu(grad));
  expect_close(got.detach().cpu(), want.detach(), 1e-5, "sum");
  expect_close(z_gpu.grad().cpu(), z.grad(), 1e-5, "gradient of z");
  expect_close(w_gpu.grad().cpu(), w.grad(), 1e-5, "gradient of weights");
  for (const int64_t order : {0, 1}) {
    expect_close(edge_values(z_gpu.detach(), on_gpu(knots), on_gpu(tau), w_gpu.detach(), c.spec(), order).cpu(),
                 reference::edge_values(z0, knots, tau, w0, c.spec(), order), 1e-5, "values");
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Kernels_CUDA, ::testing::ValuesIn(kinds()),
                         [](const auto& p) { return p.param.second; });

class Tables_CUDA : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!obstacle().empty()) GTEST_SKIP() << "NOT TESTED on a GPU: " << obstacle();
  }
};

TEST_F(Tables_CUDA, InverseTransformsAgreeWithTheTwin) {
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

TEST_F(Tables_CUDA, LangevinMovesAgreeWithTheTwin) {
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
  if (obstacle().empty()) GTEST_SKIP() << "this machine has a GPU";
  EXPECT_NE(obstacle().find("cuda"), std::string::npos) << obstacle();
  EXPECT_EQ(obstacle().find('\n'), std::string::npos) << obstacle();
}

}  // namespace
}  // namespace kaem::ops
