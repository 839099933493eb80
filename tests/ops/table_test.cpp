// Cell masses and inverse transforms: fused float32 against the float64 reference implementation, round trips, nodes of
// density zero.
#include <cmath>

#include "support.h"

namespace kaem::ops {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Log-densities of `components` smooth curves of about ±`energy` on cells of uneven width.
struct Curves {
  Curves(int64_t components, int64_t cells, int64_t per_row, double energy, bool split_edges) : split(split_edges) {
    at::manual_seed(5 + cells);
    widths = as_float_sees(at::rand({components / per_row, cells}, wide()) * 0.02 + 0.002);
    const Tensor edges =
        at::cat({at::zeros({components / per_row, 1}, wide()), widths.cumsum(1)}, 1).repeat_interleave(per_row, 0);
    const Tensor left = edges.slice(1, 0, -1), right = edges.slice(1, 1), middle = (left + right) / 2;
    Tensor x = split ? at::stack({left, middle, right}, 2).flatten(1)
                     : at::cat({at::stack({left, middle}, 2).flatten(1), edges.slice(1, -1)}, 1);
    const Tensor phase = at::rand({components, 1}, wide()) * 6, speed = at::rand({components, 1}, wide()) * 20 + 1;
    log_density = as_float_sees(energy * (speed * x + phase).sin() + 3.0);
    if (split) log_density = as_float_sees(log_density + 0.3 * at::randn_like(log_density));
  }
  bool split;
  Tensor widths, log_density;
};

class Masses : public ::testing::TestWithParam<bool> {};

TEST_P(Masses, AgreeWithTheReference) {
  for (const int64_t cells : {1, 2, 7, 15, 16, 17, 31, 32, 200, 201}) {
    for (const double energy : {1e-4, 1.0, 10.0, 80.0}) {
      for (const int64_t per_row : {1, 3}) {
        const Curves c(6, cells, per_row, energy, GetParam());
        const std::string what = std::to_string(cells) + " cells, energies of " + std::to_string(energy);
        const Tensor d64 = c.log_density.clone().requires_grad_(true), d32 = narrow(c.log_density).requires_grad_(true);
        const CellMasses want = reference::cell_masses(d64, c.widths, c.split);
        const CellMasses got = cell_masses(d32, narrow(c.widths), c.split);
        EXPECT_LE((got.log_normaliser - want.log_normaliser).abs().max().item<double>(), 1e-5 + 1e-7 * energy) << what;
        EXPECT_LE((got.cdf - want.cdf).abs().max().item<double>(), 2e-6) << what;
        expect_close(got.slope, want.slope, 1e-6, what + " slope");
        // |L2 - L1| is a difference of nearly equal sums: its rounding is that of the mass, 1e-7
        EXPECT_LE(((got.error - want.error).abs() - 1e-5 * want.error).max().item<double>(), 1e-6) << what;
        EXPECT_FALSE(got.cdf.requires_grad() || got.slope.requires_grad() || got.error.requires_grad());
        const Tensor weight = as_float_sees(at::randn({6}, wide()));
        want.log_normaliser.backward(weight);
        got.log_normaliser.backward(narrow(weight));
        expect_close(d32.grad(), d64.grad(), 1e-5, what + " gradient");
      }
    }
  }
}

TEST_P(Masses, ReferenceGradientAgreesWithCentralDifferences) {
  const Curves c(2, 5, 1, 2.0, GetParam());
  const Tensor d = c.log_density.clone().requires_grad_(true);
  reference::cell_masses(d, c.widths, c.split).log_normaliser.sum().backward();
  const c10::AutoGradMode no_grad(false);
  Tensor difference = at::empty_like(d);
  for (int64_t i = 0; i < d.numel(); ++i) {
    Tensor step = at::zeros_like(d);
    step.flatten()[i] = 1e-6;
    difference.flatten()[i] = (reference::cell_masses(d + step, c.widths, c.split).log_normaliser.sum() -
                               reference::cell_masses(d - step, c.widths, c.split).log_normaliser.sum())
                                  .item<double>() /
                              2e-6;
  }
  expect_close(d.grad(), difference, 1e-7, "nodes");
}

TEST_P(Masses, TakeNodesOfDensityZero) {
  Curves c(5, 40, 1, 2.0, GetParam());
  c.log_density[0].slice(0, 0, 30).fill_(-kInfinity);
  c.log_density[1].slice(0, 40).fill_(-kInfinity);
  c.log_density[2][17] = -kInfinity;
  c.log_density[3].fill_(-kInfinity);
  c.log_density[3][40] = 1.0;
  const Tensor d32 = narrow(c.log_density).requires_grad_(true);
  const CellMasses got = cell_masses(d32, narrow(c.widths), c.split);
  const CellMasses want = reference::cell_masses(c.log_density, c.widths, c.split);
  got.log_normaliser.sum().backward();
  for (const Tensor& t : {got.log_normaliser.detach(), got.error, got.cdf, got.slope, d32.grad()}) {
    EXPECT_TRUE(t.isfinite().all().item<bool>());
  }
  expect_close(got.log_normaliser.detach(), want.log_normaliser, 1e-5, "log normaliser");
  expect_close(got.cdf, want.cdf, 1e-5, "distribution");
  EXPECT_EQ(got.cdf.select(1, 0).abs().max().item<float>(), 0.0F);
  EXPECT_EQ(got.cdf.select(1, -1).min().item<float>(), 1.0F);
  EXPECT_TRUE((got.cdf.slice(1, 1) >= got.cdf.slice(1, 0, -1)).all().item<bool>());
}

TEST(MassesOfNan, AreNan) {
  expect_nan_reaches_masses(narrow);
  expect_nan_reaches_masses([](const Tensor& t) { return t; });  // the reference implementation
}

INSTANTIATE_TEST_SUITE_P(Edges, Masses, ::testing::Bool(), [](const auto& p) { return p.param ? "Split" : "Shared"; });

/// A ragged table: component c of `cells.size()`, edges shared by pairs of equal cell count.
struct Ragged {
  Ragged(const std::vector<int64_t>& cells, double energy, double zero_share) {
    at::manual_seed(21);
    const auto offsets = at::TensorOptions().dtype(at::kLong);
    std::vector<Tensor> cdf, slope, edges;
    std::vector<int64_t> f_at, s_at, e_at;
    int64_t f = 0, s = 0, e = 0;
    for (const int64_t n : cells) {
      const Curves c(1, n, 1, energy, false);
      Tensor density = c.log_density.clone();
      const auto cut = static_cast<int64_t>(zero_share * static_cast<double>(2 * n + 1));
      if (cut > 0) density.slice(1, 0, cut).fill_(-kInfinity), density.slice(1, 2 * n + 1 - cut).fill_(-kInfinity);
      const CellMasses m = reference::cell_masses(density, c.widths, false);
      f_at.push_back(f), s_at.push_back(s), e_at.push_back(e);
      cdf.push_back(m.cdf[0]), slope.push_back(m.slope[0]);
      edges.push_back(as_float_sees(at::cat({at::zeros({1}, wide()), c.widths[0].cumsum(0)})) - 1.0);
      f += n + 1, s += n, e += n + 1;
    }
    exact = {at::tensor(cells, offsets),   at::tensor(f_at, offsets),   at::tensor(s_at, offsets),
             at::tensor(e_at, offsets),    as_float_sees(at::cat(cdf)), as_float_sees(at::cat(slope)),
             as_float_sees(at::cat(edges))};
    table = exact;
    table.cdf = narrow(exact.cdf), table.slope = narrow(exact.slope), table.edges = narrow(exact.edges);
  }
  InverseTable exact, table;
};

const std::vector<int64_t> kCells = {200, 1, 2, 15, 16, 17, 200, 257, 3, 33, 64, 129, 400, 5, 9, 31, 32, 240, 7};

Tensor uniforms(int64_t samples, int64_t components) {
  // (n + ½)/2^23, as the models draw them, with both ends
  Tensor n = at::randint(0, int64_t{1} << 23, {samples, components}, wide());
  n[0].fill_(0), n[1].fill_((int64_t{1} << 23) - 1);
  return (n + 0.5) / static_cast<double>(int64_t{1} << 23);
}

TEST(InverseCdf, RoundTripsMeetTheirTolerances) {
  for (const double energy : {1e-3, 1.0, 8.0}) {
    const Ragged r(kCells, energy, 0.0);
    const auto components = static_cast<int64_t>(kCells.size());
    for (const int64_t samples : {2, 16, 37, 600}) {
      const Tensor u = uniforms(samples, components);
      const Tensor z = inverse_cdf(narrow(u), r.table);
      ASSERT_TRUE(z.isfinite().all().item<bool>());
      // F in float64 of the float32 draws; the density from its slope around them
      const Tensor z64 = z.to(at::kDouble), back = reference::forward_cdf(z64, r.exact);
      const double h = 1e-7;
      const Tensor density = (reference::forward_cdf(z64 + h, r.exact) - reference::forward_cdf(z64 - h, r.exact)) / h;
      const Tensor excess = (back - u).abs() - (1e-6 + 1.2e-7 * density * 3.0);
      EXPECT_LE(excess.max().item<double>(), 0.0) << "energy " << energy << " samples " << samples;
      expect_close(forward_cdf(z, r.table), back, 1e-5, "fused distribution");
      expect_close(z, reference::inverse_cdf(u, r.exact), 5e-4, "reference implementation");
    }
  }
}

TEST(InverseCdf, NeverFallsIntoCellsWithoutMass) {
  const Ragged r({200, 200, 64, 33}, 2.0, 0.3);
  const Tensor u = uniforms(500, 4), z = inverse_cdf(narrow(u), r.table);
  ASSERT_TRUE(z.isfinite().all().item<bool>());
  const Tensor slack = 1e-6 * at::ones({}, at::kFloat);
  for (int64_t c = 0; c < 4; ++c) {
    const int64_t n = r.exact.cells[c].item<int64_t>(), f = r.exact.cdf_offset[c].item<int64_t>(),
                  e = r.exact.edge_offset[c].item<int64_t>();
    const Tensor cdf = r.table.cdf.slice(0, f, f + n + 1), edges = r.table.edges.slice(0, e, e + n + 1);
    const Tensor low = edges.masked_select(cdf <= 0).max(), high = edges.masked_select(cdf >= 1).min();
    EXPECT_TRUE((z.select(1, c) >= low - slack).all().item<bool>());
    EXPECT_TRUE((z.select(1, c) <= high + slack).all().item<bool>());
  }
}

TEST(InverseCdf, IsMonotone) {
  const Ragged r({200, 1, 50}, 30.0, 0.0);
  const Tensor u = at::linspace(1e-6, 1 - 1e-6, 4001).unsqueeze(1).repeat({1, 3});
  const Tensor z = inverse_cdf(u, r.table);
  EXPECT_GE((z.slice(0, 1) - z.slice(0, 0, -1)).min().item<float>(), -1e-6F);
}

TEST(InverseCdf, RefusesTablesThatReachBeyondTheirValues) {
  Ragged r({20, 30}, 1.0, 0.0);
  r.table.cells = at::tensor({20, 31}, at::kLong);
  EXPECT_THROW(inverse_cdf(at::full({3, 2}, 0.5F), r.table), c10::ValueError);
  EXPECT_THROW(inverse_cdf(at::full({3, 3}, 0.5F), r.table), c10::ValueError);
}

}  // namespace
}  // namespace kaem::ops
