// The CUDA key of the raw operators: tensors to pointers. This library is opened at run time (load_cuda.cpp); it finds
// the schemas in libkaem.so and takes its fallbacks from there.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>
#include <torch/version.h>

#include <cmath>

#include "ops/cuda/kernels.h"
#include "ops/math.h"
#include "ops/raw_ops.h"

#define KAEM_TEXT_OF(x) #x
#define KAEM_TEXT(x) KAEM_TEXT_OF(x)
/// The LibTorch that this library was built for; load_cuda() compares.
extern "C" __attribute__((visibility("default"))) const char* kaem_cuda_torch_version() {
  return KAEM_TEXT(TORCH_VERSION_MAJOR) "." KAEM_TEXT(TORCH_VERSION_MINOR);
}

namespace kaem::ops::raw {
namespace {

bool fused(const Tensor& t) { return t.scalar_type() == at::kFloat; }

/// The device and stream of a call, and the basis' scales on it.
class Launch {
 public:
  Launch(const Tensor& x, const Tensor& knots, const Tensor& tau, int64_t kind, int64_t degree, int64_t activation)
      : guard_(x.device()),
        stream(c10::cuda::getCurrentCUDAStream().stream()),
        knots_(knots.contiguous()),
        tau_(tau.contiguous()) {
    const int64_t inputs = knots.size(0), intervals = knots.size(1) - 1;
    const int64_t features =
        feature_count({static_cast<BasisKind>(kind), degree, static_cast<Activation>(activation)}, intervals);
    scales_ = at::empty({2, inputs}, knots_.options());
    basis = {kind,
             degree,
             activation,
             intervals,
             features - (activation == math::kNone ? 0 : 1),
             features,
             inputs,
             knots_.const_data_ptr<float>(),
             tau_.const_data_ptr<float>(),
             scales_.mutable_data_ptr<float>()};
    if (inputs > 0) cuda::prepare(basis, stream);
  }

  /// Room for the partial sums of a launch over `count` elements.
  Tensor partial(int64_t count) const {
    return at::empty({cuda::partial_sums(count)}, knots_.options().dtype(at::kDouble));
  }

  bool has_tau() const { return basis.kind != math::kBSpline && basis.kind != math::kCheby; }

 private:
  c10::cuda::CUDAGuard guard_;

 public:
  cuda::Stream stream;
  cuda::Basis basis{};

 private:
  Tensor knots_, tau_, scales_;
};

const float* data(const Tensor& t) { return t.defined() ? t.const_data_ptr<float>() : nullptr; }
float* room(const Tensor& t) { return t.defined() ? t.mutable_data_ptr<float>() : nullptr; }

Tensor basis_of_order(const Tensor& x_in, const Optional& cell_in, const Tensor& knots, const Tensor& tau, int64_t kind,
                      int64_t degree, int64_t activation, int order) {
  const Launch launch(x_in, knots, tau, kind, degree, activation);
  const Tensor x = x_in.contiguous(), cell = cell_in.has_value() ? cell_in->contiguous() : Tensor();
  const Tensor out = at::empty({x.size(0), x.size(1), launch.basis.features}, x.options());
  if (out.numel() > 0) cuda::basis(launch.basis, data(x), data(cell), x.size(0), order, room(out), launch.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

Tensor basis_forward_cuda(const Tensor& x, const Optional& cell, const Tensor& knots, const Tensor& tau, int64_t kind,
                          int64_t degree, int64_t activation) {
  if (!fused(x)) return composite::basis_forward(x, cell, knots, tau, kind, degree, activation);
  return basis_of_order(x, cell, knots, tau, kind, degree, activation, 0);
}

Tensor basis_derivative_cuda(const Tensor& x, const Tensor& knots, const Tensor& tau, int64_t kind, int64_t degree,
                             int64_t activation) {
  if (!fused(x)) return composite::basis_derivative(x, knots, tau, kind, degree, activation);
  return basis_of_order(x, {}, knots, tau, kind, degree, activation, 1);
}

std::tuple<Tensor, Tensor> basis_backward_cuda(const Tensor& grad_in, const Tensor& x_in, const Optional& cell_in,
                                               const Tensor& knots, const Tensor& tau, int64_t kind, int64_t degree,
                                               int64_t activation, std::array<bool, 2> wanted) {
  if (!fused(x_in))
    return composite::basis_backward(grad_in, x_in, cell_in, knots, tau, kind, degree, activation, wanted);
  const Launch launch(x_in, knots, tau, kind, degree, activation);
  const Tensor x = x_in.contiguous(), cell = cell_in.has_value() ? cell_in->contiguous() : Tensor();
  const Tensor grad = grad_in.contiguous(), grad_x = wanted[0] ? at::empty_like(x) : Tensor();
  const Tensor grad_tau = wanted[1] ? at::zeros_like(tau) : Tensor();
  if (x.numel() == 0) return {grad_x, grad_tau};
  const Tensor partial = launch.partial(x.numel());
  cuda::basis_backward(launch.basis, data(x), data(cell), data(grad), x.size(0), room(grad_x),
                       launch.has_tau() ? room(grad_tau) : nullptr, partial.mutable_data_ptr<double>(), launch.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {grad_x, grad_tau};
}

Tensor edge_sum_forward_cuda(const Tensor& z_in, const Tensor& knots, const Tensor& tau, const Tensor& weights_in,
                             int64_t kind, int64_t degree, int64_t activation) {
  if (!fused(z_in)) return composite::edge_sum_forward(z_in, knots, tau, weights_in, kind, degree, activation);
  const Launch launch(z_in, knots, tau, kind, degree, activation);
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous(), out = at::empty({z.size(0)}, z.options());
  if (z.size(0) > 0)
    cuda::edge_sum(launch.basis, data(z), data(weights), z.size(0), z.size(1), room(out), launch.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

Three edge_sum_backward_cuda(const Tensor& grad_in, const Tensor& z_in, const Tensor& knots, const Tensor& tau,
                             const Tensor& weights_in, int64_t kind, int64_t degree, int64_t activation,
                             std::array<bool, 3> wanted) {
  if (!fused(z_in))
    return composite::edge_sum_backward(grad_in, z_in, knots, tau, weights_in, kind, degree, activation, wanted);
  const Launch launch(z_in, knots, tau, kind, degree, activation);
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous(), grad = grad_in.contiguous();
  const int64_t samples = z.size(0), outputs = z.size(1);
  const Tensor grad_z = wanted[0] ? at::empty_like(z) : Tensor(), grad_tau = wanted[1] ? at::zeros_like(tau) : Tensor();
  const Tensor grad_weights = wanted[2] ? at::zeros_like(weights) : Tensor();
  if (z.numel() == 0) return {grad_z, grad_tau, grad_weights};
  const cuda::Basis& b = launch.basis;
  if (wanted[0])
    cuda::edge_values(b, data(z), data(weights), data(grad), samples, outputs, 1, room(grad_z), launch.stream);
  if (wanted[1] && launch.has_tau()) {
    const Tensor partial = launch.partial(z.numel());
    cuda::edge_tau_gradient(b, data(z), data(weights), data(grad), samples, outputs, room(grad_tau),
                            partial.mutable_data_ptr<double>(), launch.stream);
  }
  if (wanted[2])
    cuda::edge_weight_gradient(b, data(z), data(grad), samples, outputs, room(grad_weights), launch.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {grad_z, grad_tau, grad_weights};
}

Tensor edge_values_cuda(const Tensor& z_in, const Tensor& knots, const Tensor& tau, const Tensor& weights_in,
                        int64_t kind, int64_t degree, int64_t activation, int64_t order) {
  if (!fused(z_in)) return composite::edge_values(z_in, knots, tau, weights_in, kind, degree, activation, order);
  const Launch launch(z_in, knots, tau, kind, degree, activation);
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous(), out = at::empty_like(z);
  if (z.numel() > 0) {
    cuda::edge_values(launch.basis, data(z), data(weights), nullptr, z.size(0), z.size(1), static_cast<int>(order),
                      room(out), launch.stream);
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

Tensor langevin_move_cuda(const Tensor& z, const Tensor& prior, const Optional& likelihood, int64_t repeat,
                          const Tensor& noise, const Tensor& temperature, double step, double lower, double upper) {
  if (!fused(z)) return composite::langevin_move(z, prior, likelihood, repeat, noise, temperature, step, lower, upper);
  const c10::cuda::CUDAGuard guard(z.device());
  const Tensor out = at::empty_like(z);
  if (z.numel() == 0) return out;
  const cuda::Move move{data(z),
                        data(prior),
                        likelihood ? data(*likelihood) : nullptr,
                        data(noise),
                        data(temperature),
                        z.numel(),
                        z.numel() / z.size(0),
                        repeat,
                        temperature.numel(),
                        static_cast<float>(step),
                        static_cast<float>(std::sqrt(2 * step)),
                        static_cast<float>(lower),
                        static_cast<float>(upper)};
  cuda::langevin_move(move, room(out), c10::cuda::getCurrentCUDAStream().stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

void fill_random_cuda(const Tensor& out, const Optional& counter, int64_t seed, int64_t stream, int64_t step,
                      int64_t first, bool normal) {
  TORCH_CHECK(fused(out) && out.is_contiguous(), "fill_random: want a contiguous float32 tensor");
  const c10::cuda::CUDAGuard guard(out.device());
  if (out.numel() > 0)
    cuda::fill_random(static_cast<uint64_t>(seed), static_cast<uint32_t>(stream), step, first, out.numel(), normal,
                      counter ? counter->const_data_ptr<int64_t>() : nullptr, room(out),
                      c10::cuda::getCurrentCUDAStream().stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

using TableLaunch = void (*)(const cuda::Table&, const float*, int64_t, int64_t, float*, cuda::Stream);

Tensor through_table(TableLaunch launch, const Tensor& x_in, const Tensor& cells_in, const Tensor& cdf_offset_in,
                     const Tensor& slope_offset_in, const Tensor& edge_offset_in, const Tensor& cdf_in,
                     const Tensor& slope_in, const Tensor& edges_in) {
  const c10::cuda::CUDAGuard guard(x_in.device());
  const Tensor x = x_in.contiguous(), cells = cells_in.contiguous(), cdf_offset = cdf_offset_in.contiguous();
  const Tensor slope_offset = slope_offset_in.contiguous(), edge_offset = edge_offset_in.contiguous();
  const Tensor cdf = cdf_in.contiguous(), slope = slope_in.contiguous(), edges = edges_in.contiguous();
  const Tensor out = at::empty_like(x);
  const cuda::Table table{cells.const_data_ptr<int64_t>(),
                          cdf_offset.const_data_ptr<int64_t>(),
                          slope_offset.const_data_ptr<int64_t>(),
                          edge_offset.const_data_ptr<int64_t>(),
                          data(cdf),
                          data(slope),
                          data(edges)};
  if (x.numel() > 0)
    launch(table, data(x), x.size(0), x.size(1), room(out), c10::cuda::getCurrentCUDAStream().stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

Tensor inverse_cdf_cuda(const Tensor& u, const Tensor& cells, const Tensor& cdf_offset, const Tensor& slope_offset,
                        const Tensor& edge_offset, const Tensor& cdf, const Tensor& slope, const Tensor& edges) {
  if (!fused(u)) return composite::inverse_cdf(u, cells, cdf_offset, slope_offset, edge_offset, cdf, slope, edges);
  return through_table(cuda::inverse_cdf, u, cells, cdf_offset, slope_offset, edge_offset, cdf, slope, edges);
}

Tensor forward_cdf_cuda(const Tensor& z, const Tensor& cells, const Tensor& cdf_offset, const Tensor& slope_offset,
                        const Tensor& edge_offset, const Tensor& cdf, const Tensor& slope, const Tensor& edges) {
  if (!fused(z)) return composite::forward_cdf(z, cells, cdf_offset, slope_offset, edge_offset, cdf, slope, edges);
  return through_table(cuda::forward_cdf, z, cells, cdf_offset, slope_offset, edge_offset, cdf, slope, edges);
}

}  // namespace
}  // namespace kaem::ops::raw

TORCH_LIBRARY_IMPL(kaem, CUDA, m) {
  namespace raw = kaem::ops::raw;
  m.impl("basis_forward", raw::basis_forward_cuda);
  m.impl("basis_derivative", raw::basis_derivative_cuda);
  m.impl("basis_backward", raw::basis_backward_cuda);
  m.impl("edge_sum_forward", raw::edge_sum_forward_cuda);
  m.impl("edge_sum_backward", raw::edge_sum_backward_cuda);
  m.impl("edge_values", raw::edge_values_cuda);
  m.impl("langevin_move", raw::langevin_move_cuda);
  m.impl("fill_random", raw::fill_random_cuda);
  m.impl("inverse_cdf", raw::inverse_cdf_cuda);
  m.impl("forward_cdf", raw::forward_cdf_cuda);
}
