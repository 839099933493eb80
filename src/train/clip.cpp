// The joint norm of all gradients. LibTorch's runs on one thread: it took 4 % of an MNIST update on two.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>

#include "kaem/core/each_isa.h"
#include "kaem/train/optimizer.h"

namespace kaem {
namespace {

/// Σ x² in float64, in an order that no instruction set changes.
KAEM_EACH_ISA double sum_of_squares(const float* x, int64_t count) {
  constexpr int64_t kLanes = 16;
  double lanes[kLanes] = {};
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    __builtin_prefetch(x + i + 1024);  // a page ahead: processors stop foreseeing at its end
    for (int64_t k = 0; k < kLanes; ++k) lanes[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  for (int64_t i = whole; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

/// ‖x‖² of a contiguous float32 tensor, by blocks that do not depend on the number of threads.
double squared_norm(const at::Tensor& x) {
  constexpr int64_t kBlock = int64_t{1} << 15;
  const int64_t count = x.numel(), blocks = (count + kBlock - 1) / kBlock;
  std::vector<double> sums(static_cast<size_t>(blocks));
  const float* from = x.const_data_ptr<float>();
  at::parallel_for(0, blocks, 2, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b)
      sums[static_cast<size_t>(b)] = sum_of_squares(from + b * kBlock, std::min(kBlock, count - b * kBlock));
  });
  double sum = 0;
  for (const double s : sums) sum += s;
  return sum;
}

bool is_plain(const at::Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat && t.is_contiguous(); }

at::Tensor joint_norm(const std::vector<at::Tensor>& gradients) {
  if (std::all_of(gradients.begin(), gradients.end(), is_plain)) {
    double sum = 0;
    for (const auto& g : gradients) sum += squared_norm(g);
    return at::scalar_tensor(std::sqrt(sum), at::kDouble);
  }
  return at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients)).to(at::kDouble));
}

}  // namespace

at::Tensor clip_gradients(const std::vector<NamedParameter>& parameters, double max_norm) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  for (const auto& p : parameters)
    if (p.value.grad().defined()) gradients.push_back(p.value.grad());
  if (gradients.empty()) return at::scalar_tensor(0.0, at::kDouble);
  const auto total = joint_norm(gradients);
  if (max_norm <= 0) return total;
  if (total.is_cpu()) {  // reading the norm costs nothing here, scaling all gradients by 1 would
    const double norm = total.item<double>();
    if (norm > max_norm) at::_foreach_mul_(gradients, max_norm / (norm + 1e-6));
  } else {
    at::_foreach_mul_(gradients, (max_norm / (total + 1e-6)).clamp_max(1.0).to(gradients.front().scalar_type()));
  }
  return total;
}

}  // namespace kaem
