// The same kernels for every instruction set: this program runs itself with each one forced, and compares all outputs.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kaem/ops/density.h"
#include "support.h"

namespace kaem::ops {
namespace {

const char* const kFile = "KAEM_TEST_LEVEL_FILE";

/// One tensor from every fused kernel.
std::vector<Tensor> all_outputs() {
  at::manual_seed(99);
  std::vector<Tensor> out;
  for (const auto& [kind, name] : kinds()) {
    const Case c{.kind = kind, .activation = Activation::kGelu, .intervals = 11, .inputs = 13, .rows = 29};
    const Tensor knots = narrow(make_knots(c)), tau = tau_leaf(at::full({}, 0.8F), kind);
    const Tensor x = narrow(make_points(c, make_knots(c)).clamp(-3, 3)).requires_grad_(true);
    const Tensor phi = basis(x, knots, tau, c.spec());
    phi.backward(at::randn(phi.sizes(), at::kFloat));
    out.insert(out.end(), {phi.detach(), x.grad(), basis_derivative(x.detach(), knots, tau.detach(), c.spec())});
    if (tau.grad().defined()) out.push_back(tau.grad());
    const Tensor z = (at::rand({21, 7, 13}) * 3 - 1.5).requires_grad_(true), t = tau_leaf(at::full({}, 0.8F), kind);
    const Tensor w = at::randn({13, c.features(), 7}).requires_grad_(true);
    const Tensor sum = edge_sum(z, knots, t, w, c.spec());
    sum.backward(at::randn({21}));
    out.insert(out.end(), {sum.detach(), z.grad(), w.grad()});
    for (const int64_t order : {0, 1})
      out.push_back(edge_values(z.detach(), knots, t.detach(), w.detach(), c.spec(), order));
    out.push_back(mixture_score(z.detach().select(2, 0), knots, t.detach(), w.detach(), at::randn({7, 13}), c.spec()));
  }
  const Tensor density = (at::randn({9, 75}) * 3).requires_grad_(true), widths = at::rand({3, 37}) + 0.1F;
  const CellMasses m = cell_masses(density, widths, false);
  m.log_normaliser.backward(at::randn({9}));
  out.insert(out.end(), {m.log_normaliser.detach(), m.error, m.cdf, m.slope, density.grad()});
  const Tensor edges = at::cat({at::zeros({1}), at::rand({37}).add(0.1).cumsum(0)}), row = at::arange(9, at::kLong);
  // The same table at every level, of a density that is nowhere small: there a digit of u moves the inverse far.
  const CellMasses exact = reference::cell_masses(density.detach().to(at::kDouble) / 6, widths.to(at::kDouble), false);
  const InverseTable table{at::full({9}, 37, at::kLong),  row * 38, row * 37, row * 0, narrow(exact.cdf).flatten(),
                           narrow(exact.slope).flatten(), edges};
  for (const double steepness : {0.0, 2.0}) {
    const auto [distance, gradient] =
        output_error(at::rand({3, 35}), at::randn({2, 3, 4, 35}), steepness, at::full({}, 5.0));
    out.insert(out.end(), {distance, gradient});
  }
  const Tensor u = at::rand({45, 9}) * 0.998 + 0.001;
  out.insert(out.end(), {inverse_cdf(u, table), forward_cdf(u * edges.max(), table)});
  return out;
}

void write_all(const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  file << cpu_kernel_level() << '\n';
  for (const Tensor& t : all_outputs()) {
    const Tensor flat = t.to(at::kFloat).contiguous();
    const int64_t n = flat.numel();
    file.write(reinterpret_cast<const char*>(&n), sizeof n);
    file.write(reinterpret_cast<const char*>(flat.const_data_ptr<float>()), n * 4);
  }
}

/// Runs this program as a child with the instruction set forced; its level and outputs.
std::pair<std::string, std::vector<Tensor>> outputs_at(const std::string& level) {
  const auto path = std::filesystem::temp_directory_path() / ("kaem_levels_" + std::to_string(getpid()) + level);
  const pid_t child = fork();
  if (child == 0) {
    setenv("ATEN_CPU_CAPABILITY", level.c_str(), 1);
    setenv(kFile, path.c_str(), 1);
    execl("/proc/self/exe", "kaem_ops_test", "--gtest_filter=KernelLevels.ChildWritesItsOutputs", nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << level;
  std::ifstream file(path, std::ios::binary);
  std::string name;
  std::getline(file, name);
  std::vector<Tensor> out;
  for (int64_t n = 0; file.read(reinterpret_cast<char*>(&n), sizeof n);) {
    Tensor t = at::empty({n}, at::kFloat);
    file.read(reinterpret_cast<char*>(t.mutable_data_ptr<float>()), n * 4);
    out.push_back(t);
  }
  std::filesystem::remove(path);
  return {name, out};
}

TEST(KernelLevels, ChildWritesItsOutputs) {
  const char* path = std::getenv(kFile);
  if (path == nullptr) GTEST_SKIP() << "this test is the child process of KernelLevels.Agree";
  write_all(path);
}

/// A forced level is believed by LibTorch, so that it must not be tried where the processor lacks it.
bool processor_has(const std::string& level) {
  return level == "avx2" ? __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
                         : __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

class KernelLevelsOf : public ::testing::TestWithParam<std::string> {};

TEST_P(KernelLevelsOf, AgreeWithTheBaseline) {
  const std::string level = GetParam();
  if (!processor_has(level)) GTEST_SKIP() << "NOT TESTED: this processor has no " << level;
  const auto [base_level, base] = outputs_at("default");
  EXPECT_EQ(base_level, "default");
  ASSERT_GT(base.size(), 60U);
  const auto [name, outputs] = outputs_at(level);
  ASSERT_EQ(name, level);
  ASSERT_EQ(outputs.size(), base.size());
  // Outputs are summed in another order and with fused multiply-adds: 2e-6 of the largest magnitude; the gradient of
  // τ is one sum of thousands of terms that cancel.
  for (size_t i = 0; i < base.size(); ++i) {
    const double tolerance = base[i].numel() == 1 ? 5e-5 : 2e-6;
    expect_close(outputs[i], base[i], tolerance, level + " output " + std::to_string(i));
  }
}

INSTANTIATE_TEST_SUITE_P(All, KernelLevelsOf, ::testing::Values("avx2", "avx512"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace kaem::ops
