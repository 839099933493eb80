// The prior's edges: fused float32 against the float64 reference implementation, and the same bits whatever the number
// of threads.
#include <ATen/Parallel.h>

#include "support.h"

namespace kaem::ops {
namespace {

struct Problem {
  Problem(const Case& c, int64_t samples, int64_t q_count, bool rows_of_edges = false) : spec(c.spec()) {
    at::manual_seed(11 + static_cast<int64_t>(c.kind));
    Case grid = c;
    grid.rows = samples * q_count;
    knots = make_knots(grid, rows_of_edges ? q_count : 1);
    z = make_points(grid, knots).reshape({samples, q_count, c.inputs});
    if (samples * q_count > 6)
      z.reshape({-1, c.inputs})[6].fill_(1.1);  // 40 makes unbounded activations drown the rest
    z = as_float_sees(z);
    tau = as_float_sees(at::full({}, c.tau, wide()));
    weights = as_float_sees(at::randn({c.inputs, c.features(), q_count}, wide()));
    grad = as_float_sees(at::randn({samples}, wide()));
  }
  BasisSpec spec;
  Tensor z, knots, tau, weights, grad;
};

void compare_with_reference(const Case& c, int64_t samples, int64_t q_count, const std::string& name,
                            bool rows_of_edges = false) {
  if (is_wavelet(c.kind) && !rows_of_edges) compare_with_reference(c, samples, q_count, name + " edges", true);
  const std::string& what = name;
  const Problem p(c, samples, q_count, rows_of_edges);
  Tensor wides[] = {p.z.clone(), p.tau.clone(), p.weights.clone()};
  Tensor narrows[] = {narrow(p.z), narrow(p.tau), narrow(p.weights)};
  for (Tensor& t : wides) t.requires_grad_(true);
  for (Tensor& t : narrows) t.requires_grad_(true);
  wides[1] = tau_leaf(p.tau, c.kind), narrows[1] = tau_leaf(narrow(p.tau), c.kind);
  const Tensor want = reference::edge_sum(wides[0], p.knots, wides[1], wides[2], p.spec);
  const Tensor got = edge_sum(narrows[0], narrow(p.knots), narrows[1], narrows[2], p.spec);
  expect_close(got.detach(), want.detach(), 1e-5, what + " sum");
  want.backward(p.grad);
  got.backward(narrow(p.grad));
  expect_close(narrows[0].grad(), wides[0].grad(), 1e-5, what + " gradient of z");
  if (wides[1].grad().defined()) {  // one number, whose terms cancel: measured against the sum of their sizes
    // The sizes by differences of the features.
    const double h = 1e-5;
    const Tensor phi =
        (edge_features(p.z, p.knots, p.tau + h, p.spec) - edge_features(p.z, p.knots, p.tau - h, p.spec)) / (2 * h);
    const Tensor terms = at::einsum("sqpf,pfq->sq", {phi.abs(), p.weights.abs()}).sum(1) * p.grad.abs();
    expect_within(narrows[1].grad(), wides[1].grad(), 1e-5 * terms.sum().item<double>(), what + " gradient of tau");
  }
  expect_close(narrows[2].grad(), wides[2].grad(), 1e-5, what + " gradient of weights");
  // Value and gradients in one pass, of weights that are the gradient above, and of twice that sum.
  Tensor again[] = {narrow(p.z), narrow(p.tau), narrow(p.weights)};
  for (Tensor& t : again) t.requires_grad_(true);
  again[1] = tau_leaf(narrow(p.tau), c.kind);
  const Tensor sum = weighted_edge_sum(again[0], narrow(p.grad), narrow(p.knots), again[1], again[2], p.spec);
  const Tensor sizes = (reference::edge_sum(p.z, p.knots, p.tau, p.weights, p.spec) * p.grad).abs().sum();
  expect_within(sum.detach(), (want.detach() * p.grad).sum(), 1e-5 * sizes.item<double>() + 1e-6,
                what + " weighted sum");
  (2 * sum).backward();
  expect_close(again[0].grad(), 2 * wides[0].grad(), 1e-5, what + " weighted gradient of z");
  expect_close(again[2].grad(), 2 * wides[2].grad(), 1e-5, what + " weighted gradient of weights");
  if (narrows[1].grad().defined()) {
    EXPECT_TRUE(at::allclose(again[1].grad(), 2 * narrows[1].grad(), 1e-5, 1e-6))
        << what << " weighted gradient of tau";
  }
  for (const int64_t order : {0, 1}) {
    expect_close(edge_values(narrow(p.z), narrow(p.knots), narrow(p.tau), narrow(p.weights), p.spec, order),
                 reference::edge_values(p.z, p.knots, p.tau, p.weights, p.spec, order), 1e-5,
                 what + " values of order " + std::to_string(order));
  }
}

class EveryEdge : public ::testing::TestWithParam<std::pair<BasisKind, const char*>> {};

TEST_P(EveryEdge, AgreesWithTheReference) {
  compare_with_reference({.kind = GetParam().first, .inputs = 9}, 37, 5, "uneven");
  compare_with_reference({.kind = GetParam().first, .inputs = 4, .uniform = true}, 16, 33, "uniform");
  compare_with_reference(
      {.kind = GetParam().first, .degree = 5, .activation = Activation::kNone, .intervals = 3, .inputs = 1}, 1, 1,
      "single");
}

TEST_P(EveryEdge, AgreesWithTheReferenceBeyondOneChunkOfSamples) {
  compare_with_reference(
      {.kind = GetParam().first, .degree = 2, .activation = Activation::kTanh, .intervals = 5, .inputs = 2}, 2051, 3,
      "chunks");
}

TEST_P(EveryEdge, ReferenceGradientsAgreeWithCentralDifferences) {
  Case c{.kind = GetParam().first, .activation = Activation::kTanh, .intervals = 4, .inputs = 2, .uniform = true};
  Problem p(c, 3, 2);
  p.z = (at::rand(p.z.sizes(), wide()) * 0.4 + 0.1) * 0.6 + (at::rand(p.z.sizes(), wide()) * 4).floor() * 0.6 - 1.2;
  const Tensor z = p.z.clone().requires_grad_(true), w = p.weights.clone().requires_grad_(true);
  (reference::edge_sum(z, p.knots, p.tau, w, p.spec) * p.grad).sum().backward();
  const c10::AutoGradMode no_grad(false);
  const auto loss = [&](const Tensor& at_z, const Tensor& at_w) {
    return (reference::edge_sum(at_z, p.knots, p.tau, at_w, p.spec) * p.grad).sum().item<double>();
  };
  const auto differences = [&](const Tensor& t, auto at) {
    Tensor out = at::empty_like(t);
    for (int64_t i = 0; i < t.numel(); ++i) {
      Tensor step = at::zeros_like(t);
      step.flatten()[i] = 1e-6;
      out.flatten()[i] = (at(t + step) - at(t - step)) / 2e-6;
    }
    return out;
  };
  expect_close(z.grad(), differences(z, [&](const Tensor& t) { return loss(t, w); }), 1e-7, "z");
  expect_close(w.grad(), differences(w, [&](const Tensor& t) { return loss(z, t); }), 1e-7, "weights");
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryEdge, ::testing::ValuesIn(kinds()), [](const auto& p) { return p.param.second; });

TEST(WeightedEdgeSum, IsTheSumWithAndWithoutAGraph) {
  const Problem p({.inputs = 5}, 20, 4);
  const auto sum = [&](const Tensor& weight, const Tensor& w, const Tensor& knots) {
    return weighted_edge_sum(narrow(p.z), weight, knots, narrow(p.tau), w, p.spec);
  };
  const Tensor plain = sum(narrow(p.grad), narrow(p.weights), narrow(p.knots));
  EXPECT_FALSE(plain.requires_grad());
  const Tensor graph = sum(narrow(p.grad), narrow(p.weights).requires_grad_(true), narrow(p.knots));
  EXPECT_NEAR(graph.item<double>(), plain.item<double>(), 1e-4 * std::abs(plain.item<double>()) + 1e-4);
  // Weights with a history of their own get their gradient too.
  const Tensor weight = narrow(p.grad).requires_grad_(true);
  sum(weight, narrow(p.weights), narrow(p.knots)).backward();
  expect_close(weight.grad(), reference::edge_sum(p.z, p.knots, p.tau, p.weights, p.spec), 1e-5, "weight");
  EXPECT_THROW(sum(narrow(p.grad).slice(0, 1), narrow(p.weights), narrow(p.knots)), c10::ValueError);
}

TEST(EdgeSum, SkipsSamplesWithoutGradient) {
  Problem p({.inputs = 7}, 50, 6);
  p.grad.masked_fill_(at::rand({50}) < 0.8, 0.0);
  p.grad[0] = 0.0;
  Tensor z64 = p.z.clone().requires_grad_(true), z32 = narrow(p.z).requires_grad_(true);
  Tensor w64 = p.weights.clone().requires_grad_(true), w32 = narrow(p.weights).requires_grad_(true);
  reference::edge_sum(z64, p.knots, p.tau, w64, p.spec).backward(p.grad);
  edge_sum(z32, narrow(p.knots), narrow(p.tau), w32, p.spec).backward(narrow(p.grad));
  expect_close(z32.grad(), z64.grad(), 1e-5, "z");
  expect_close(w32.grad(), w64.grad(), 1e-5, "weights");
  const Tensor again = narrow(p.weights).requires_grad_(true);
  edge_sum(narrow(p.z), narrow(p.knots), narrow(p.tau), again, p.spec).backward(at::zeros({50}));
  EXPECT_EQ(again.grad().abs().max().item<float>(), 0.0F);
}

TEST(EdgeSum, SkipsGradientsThatNobodyWants) {
  const Problem p({.inputs = 5}, 20, 4);
  const Tensor w = narrow(p.weights).requires_grad_(true), z = narrow(p.z), tau = narrow(p.tau);
  edge_sum(z, narrow(p.knots), tau, w, p.spec).sum().backward();
  EXPECT_TRUE(w.grad().defined());
  EXPECT_FALSE(z.grad().defined());
  EXPECT_FALSE(tau.grad().defined());
}

TEST(EdgeSum, GivesTheSameBitsForEveryNumberOfThreads) {
  const Problem p({.inputs = 21}, 77, 41);
  const int threads = at::get_num_threads();
  std::vector<std::vector<Tensor>> runs;
  for (const int n : {1, 2, 3, 7}) {
    at::set_num_threads(n);
    const Tensor z = narrow(p.z).requires_grad_(true), tau = narrow(p.tau).requires_grad_(true);
    const Tensor w = narrow(p.weights).requires_grad_(true);
    const Tensor sum = edge_sum(z, narrow(p.knots), tau, w, p.spec);
    sum.backward(narrow(p.grad));
    const Tensor x = narrow(p.z).reshape({-1, 21}).requires_grad_(true), own = narrow(p.tau).requires_grad_(true);
    basis(x, narrow(p.knots), own, p.spec).square().sum().backward();
    runs.push_back({sum.detach(), z.grad(), tau.grad(), w.grad(), x.grad(), own.grad()});
  }
  at::set_num_threads(threads);
  for (size_t r = 1; r < runs.size(); ++r) {
    for (size_t t = 0; t < runs[r].size(); ++t)
      EXPECT_TRUE(at::equal(runs[0][t], runs[r][t])) << "run " << r << " tensor " << t;
  }
}

TEST(EdgeSum, NamesTheArgumentThatIsWrong) {
  const Problem p({.inputs = 5}, 20, 4);
  try {
    edge_sum(narrow(p.z), narrow(p.knots), narrow(p.tau), narrow(p.weights).slice(1, 1), p.spec);
    FAIL();
  } catch (const c10::ValueError& e) {
    EXPECT_NE(std::string(e.what()).find("edge_sum: expected weights [5, 22, 4], got [5, 21, 4]"), std::string::npos)
        << e.what();
  }
}

}  // namespace
}  // namespace kaem::ops
