// The CUDA key of the raw operators: tensors to pointers. This library is opened at run time (load_cuda.cpp); it finds
// the schemas in libkaem.so and takes its fallbacks from there.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime.h>
#include <torch/library.h>
#include <torch/version.h>

#include <array>
#include <cmath>

#include "ops/cuda/kernels.h"
#include "ops/cuda/steps_later.h"
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

/// Number of what is being recorded on a stream, 0 if nothing is.
unsigned long long recording_on(cuda::Stream stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  unsigned long long number = 0;
  C10_CUDA_CHECK(cudaStreamGetCaptureInfo(stream, &status, &number));
  return status == cudaStreamCaptureStatusActive ? number : 0;
}

/// True if `now` is what `then`, which shares its memory, was: nothing was written since, and the view is the same.
bool is_same(const Tensor& now, const Tensor& then, int64_t version) {
  return now.const_data_ptr() == then.const_data_ptr() && now._version() == version && now.sizes() == then.sizes() &&
         now.strides() == then.strides();
}

/// Scales of a basis, and what they were made of (detached: a graph kept here would be kept for long). Those that are
/// made while something is recorded hold for the rest of that recording alone.
struct Scales {
  Tensor knots, tau, values;
  int64_t kind = 0, knots_version = 0, tau_version = 0;
  cuda::Stream stream = nullptr;
  unsigned long long recording = 0;

  bool are_of(const Tensor& k, const Tensor& t, int64_t basis, cuda::Stream where, unsigned long long number) const {
    return values.defined() && is_same(k, knots, knots_version) && is_same(t, tau, tau_version) && basis == kind &&
           where == stream && number == recording;
  }
};

/// The scales that this thread used last: a chain asks for the same few at every step.
Scales& recent_scales(const Tensor& knots, const Tensor& tau, int64_t kind, cuda::Stream stream) {
  constexpr size_t kKept = 8;
  thread_local auto& kept = *new std::array<Scales, kKept>();  // never destroyed: CUDA may be gone by then
  thread_local size_t oldest = 0;
  const unsigned long long recording = recording_on(stream);
  for (Scales& s : kept)
    if (s.are_of(knots, tau, kind, stream, recording)) return s;
  Scales& s = kept[oldest];
  oldest = (oldest + 1) % kKept;
  return s = {knots.detach(), tau.detach(), {}, kind, knots._version(), tau._version(), stream, recording};
}

/// The device and stream of a call, and the basis' scales on it.
class Launch {
 public:
  /// `inputs` (0: as many as rows of knots): of operators on edges.
  Launch(const Tensor& x, const Tensor& knots, const Tensor& tau, int64_t kind, int64_t degree, int64_t activation,
         int64_t inputs = 0)
      : guard_(x.device()),
        stream(c10::cuda::getCurrentCUDAStream().stream()),
        knots_(knots.contiguous()),
        tau_(tau.contiguous()) {
    const BasisSpec spec{static_cast<BasisKind>(kind), degree, static_cast<Activation>(activation)};
    const int64_t rows = knots.size(0), intervals = grid_size_of(spec, knots),
                  features = feature_count(spec, intervals);
    if (inputs == 0) inputs = rows;
    Scales& scales = recent_scales(knots, tau, kind, stream);
    const bool made = scales.values.defined();
    if (!made) scales.values = at::empty({2, rows}, knots_.options());
    scales_ = scales.values;
    basis = {kind,
             degree,
             activation,
             intervals,
             features - (activation == math::kNone ? 0 : 1),
             features,
             inputs,
             rows,
             rows / std::max<int64_t>(1, inputs),
             knots_.const_data_ptr<float>(),
             tau_.const_data_ptr<float>(),
             scales_.mutable_data_ptr<float>()};
    if (rows > 0 && !made) cuda::prepare(basis, stream);
  }

  /// Room for the partial sums of a launch over `count` elements.
  Tensor partial(int64_t count) const {
    return at::empty({cuda::partial_sums(count)}, knots_.options().dtype(at::kDouble));
  }

  bool has_tau() const { return basis.kind == math::kFft || math::is_radial(basis.kind); }

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
  const Launch launch(z_in, knots, tau, kind, degree, activation, weights_in.size(0));
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
  const Launch launch(z_in, knots, tau, kind, degree, activation, weights_in.size(0));
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
  const Launch launch(z_in, knots, tau, kind, degree, activation, weights_in.size(0));
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous(), out = at::empty_like(z);
  if (z.numel() > 0) {
    cuda::edge_values(launch.basis, data(z), data(weights), nullptr, z.size(0), z.size(1), static_cast<int>(order),
                      room(out), launch.stream);
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

Tensor mixture_score_cuda(const Tensor& z_in, const Tensor& knots, const Tensor& tau, const Tensor& weights_in,
                          const Tensor& constant_in, int64_t kind, int64_t degree, int64_t activation) {
  if (!fused(z_in))
    return composite::mixture_score(z_in, knots, tau, weights_in, constant_in, kind, degree, activation);
  const Launch launch(z_in, knots, tau, kind, degree, activation, weights_in.size(0));
  const Tensor z = z_in.contiguous(), weights = weights_in.contiguous(), constant = constant_in.contiguous();
  const Tensor out = at::empty_like(z);
  if (z.numel() > 0) {
    cuda::mixture_score(launch.basis, data(z), data(weights), data(constant), z.size(0), z.size(1), room(out),
                        launch.stream);
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

std::tuple<Tensor, Tensor> output_error_cuda(const Tensor& x_in, const Tensor& generated_in, double steepness,
                                             const Tensor& scale) {
  if (!fused(generated_in) || !fused(x_in)) return composite::output_error(x_in, generated_in, steepness, scale);
  const c10::cuda::CUDAGuard guard(x_in.device());
  const Tensor x = x_in.contiguous(), generated = generated_in.contiguous();
  // A number of the host's goes along with the launch: nothing is copied, so nothing is waited for.
  const Tensor scales = scale.is_cpu() ? Tensor() : scale.to(x.options());
  const float factor = scale.is_cpu() ? scale.item<float>() : 1.0F;
  const int64_t repeat = generated.size(2), rows = generated.size(0) * generated.size(1) * repeat;
  const Tensor distance = at::empty({generated.size(0), generated.size(1), repeat}, x.options());
  const Tensor gradient = at::empty_like(generated);
  if (rows > 0) {
    cuda::output_error({rows, x.size(1), repeat, x.size(0), static_cast<float>(steepness), factor}, data(x),
                       data(generated), data(scales), room(distance), room(gradient),
                       c10::cuda::getCurrentCUDAStream().stream());
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {distance, gradient};
}

cuda::Fold fold_of(const Tensor& coefficients, bool base) {
  return {coefficients.size(0), coefficients.size(1), coefficients.size(1) + (base ? 1 : 0), coefficients.size(2)};
}

Tensor fold_forward_cuda(const Optional& base_in, const Tensor& spline_in, const Tensor& coefficients_in) {
  if (!fused(coefficients_in)) return composite::fold_forward(base_in, spline_in, coefficients_in);
  const c10::cuda::CUDAGuard guard(coefficients_in.device());
  const Tensor base = base_in.has_value() ? base_in->contiguous() : Tensor(), spline = spline_in.contiguous(),
               coefficients = coefficients_in.contiguous();
  const cuda::Fold fold = fold_of(coefficients, base.defined());
  const Tensor out = at::empty({fold.inputs, fold.features, fold.outputs}, coefficients.options());
  if (out.numel() > 0) {
    cuda::fold(fold, data(base), data(spline), data(coefficients), room(out),
               c10::cuda::getCurrentCUDAStream().stream());
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

void fold_backward_cuda(const Tensor& grad_in, const Tensor& spline_in, const Tensor& coefficients_in,
                        const Optional& base_out, const Optional& spline_out, const Optional& coefficients_out) {
  if (!fused(coefficients_in))
    return composite::fold_backward(grad_in, spline_in, coefficients_in, base_out, spline_out, coefficients_out);
  const c10::cuda::CUDAGuard guard(coefficients_in.device());
  const Tensor grad = grad_in.contiguous(), spline = spline_in.contiguous(),
               coefficients = coefficients_in.contiguous();
  const auto target = [](const Optional& out) {
    TORCH_CHECK(!out || out->is_contiguous(), "fold_backward: expected contiguous results");
    return out ? out->mutable_data_ptr<float>() : nullptr;
  };
  const cuda::Fold fold = fold_of(coefficients, grad.size(1) > coefficients.size(1));
  if (grad.numel() > 0) {
    cuda::fold_backward(fold, data(grad), data(spline), data(coefficients), target(base_out), target(spline_out),
                        target(coefficients_out), c10::cuda::getCurrentCUDAStream().stream());
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

Five cell_masses_cuda(const Tensor& log_density_in, const Tensor& widths_in, bool split_edges, bool with_gradient) {
  if (!fused(log_density_in)) return composite::cell_masses(log_density_in, widths_in, split_edges, with_gradient);
  const c10::cuda::CUDAGuard guard(log_density_in.device());
  const Tensor log_density = log_density_in.contiguous(), widths = widths_in.contiguous();
  const int64_t components = log_density.size(0), nodes = log_density.size(1), cells = widths.size(1);
  const auto options = log_density.options();
  const Tensor log_normaliser = at::empty({components}, options), error = at::empty({components}, options);
  const Tensor cdf = at::empty({components, cells + 1}, options), slope = at::empty({components, cells}, options);
  const Tensor gradient = with_gradient ? at::empty({components, nodes}, options) : at::empty({0}, options);
  if (components > 0) {
    cuda::cell_masses(
        {data(log_density), data(widths), components, nodes, cells, components / widths.size(0), split_edges,
         room(log_normaliser), room(error), room(cdf), room(slope), with_gradient ? room(gradient) : nullptr},
        c10::cuda::getCurrentCUDAStream().stream());
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {log_normaliser, error, cdf, slope, gradient};
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
  TORCH_CHECK(fused(out) && out.is_contiguous(), "fill_random: expected a contiguous float32 tensor");
  const c10::cuda::CUDAGuard guard(out.device());
  if (out.numel() > 0)
    cuda::fill_random({static_cast<uint64_t>(seed), static_cast<uint32_t>(stream), step, cuda::StepsLater::now()},
                      first, out.numel(), normal, counter ? counter->const_data_ptr<int64_t>() : nullptr, room(out),
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
  m.impl("mixture_score", raw::mixture_score_cuda);
  m.impl("output_error", raw::output_error_cuda);
  m.impl("fold_forward", raw::fold_forward_cuda);
  m.impl("fold_backward", raw::fold_backward_cuda);
  m.impl("cell_masses", raw::cell_masses_cuda);
  m.impl("langevin_move", raw::langevin_move_cuda);
  m.impl("fill_random", raw::fill_random_cuda);
  m.impl("inverse_cdf", raw::inverse_cdf_cuda);
  m.impl("forward_cdf", raw::forward_cdf_cuda);
}
