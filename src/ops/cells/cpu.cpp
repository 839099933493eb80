#include <ATen/ATen.h>

#include "ops/cells/op.h"
#include "ops/cpu/parallel.h"
#include "ops/simd/table.h"

namespace kaem::ops {
namespace {

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> cell_masses_cpu(const Tensor& log_density_in,
                                                                   const Tensor& widths_in, bool split_edges,
                                                                   bool with_gradient) {
  const Tensor log_density = log_density_in.contiguous(), widths = widths_in.contiguous();
  const int64_t components = log_density.size(0), nodes = log_density.size(1), cells = widths.size(1);
  const auto options = log_density.options();
  Tensor log_normaliser = at::empty({components}, options), error = at::empty({components}, options);
  Tensor cdf = at::empty({components, cells + 1}, options), slope = at::empty({components, cells}, options);
  Tensor gradient = with_gradient ? at::empty({components, nodes}, options) : at::empty({0}, options);
  simd::CellRange range{log_density.const_data_ptr<float>(),
                        widths.const_data_ptr<float>(),
                        nodes,
                        cells,
                        components / widths.size(0),
                        0,
                        components,
                        split_edges,
                        log_normaliser.mutable_data_ptr<float>(),
                        error.mutable_data_ptr<float>(),
                        cdf.mutable_data_ptr<float>(),
                        slope.mutable_data_ptr<float>(),
                        with_gradient ? gradient.mutable_data_ptr<float>() : nullptr};
  const simd::Kernels& kernels = simd::kernels();
  cpu::parallel(components, std::max<int64_t>(1, 16384 / (nodes + 1)), [&](int64_t begin, int64_t end) {
    simd::CellRange own = range;
    own.begin = begin, own.end = end;
    kernels.cell_masses(own, cpu::scratch(kernels.cell_scratch(cells)));
  });
  return {log_normaliser, error, cdf, slope, gradient};
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CPU, m) { raw::cell_masses.add(m, cell_masses_cpu); }

}  // namespace kaem::ops
