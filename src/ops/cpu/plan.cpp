#include "ops/cpu/plan.h"

#include <algorithm>

#include <c10/util/bit_cast.h>

#include "kaem/ops/ops.h"
#include "ops/cpu/parallel.h"
#include "ops/math.h"

namespace kaem::ops::cpu {

float* scratch(int64_t floats) {
  struct alignas(64) Line {
    float values[16];
  };
  thread_local std::vector<Line> lines;
  if (static_cast<int64_t>(lines.size()) * 16 < floats + 16) lines.resize(static_cast<size_t>(floats / 16 + 2));
  return lines.front().values;
}

Plan::Plan(const at::Tensor& knots, const at::Tensor& tau, const BasisSpec& spec, int64_t inputs)
    : knots_(knots.contiguous()) {
  const int64_t rows = knots.size(0), intervals = grid_size_of(spec, knots);
  basis_.kind = static_cast<int64_t>(spec.kind);
  basis_.degree = spec.degree;
  basis_.activation = static_cast<int64_t>(spec.activation);
  basis_.intervals = intervals;
  basis_.features = feature_count(spec, intervals);
  basis_.functions = basis_.features - (spec.activation == Activation::kNone ? 0 : 1);
  basis_.knot_count = knots.size(1);
  basis_.row_stride = inputs > 0 ? std::max<int64_t>(1, rows / inputs) : 1;
  basis_.knots = knots_.const_data_ptr<float>();
  const double bandwidth = tau.item<float>();
  basis_.frequency = tau.item<float>();
  if (spec.kind == BasisKind::kBSpline) {
    extend_knots(rows);
  } else if (is_wavelet(spec.kind)) {
    scale_wavelets(rows);
  } else {
    scale_inputs(rows, bandwidth);
  }
  if (spec.kind == BasisKind::kFft) tau_factor_ = 1.0 / bandwidth;
  if (math::is_radial(basis_.kind)) tau_factor_ = -1.0 / bandwidth;
}

void Plan::extend_knots(int64_t inputs) {
  const int64_t margin = 2 * basis_.degree, count = basis_.knot_count + 2 * margin;
  extended_.resize(static_cast<size_t>(inputs * count));
  for (int64_t i = 0; i < inputs; ++i) {
    const float* own = basis_.knots + i * basis_.knot_count;
    const double first = own[0], last = own[basis_.intervals],
                 spacing = (last - first) / static_cast<double>(basis_.intervals);
    float* to = extended_.data() + i * count;
    for (int64_t j = 0; j < count; ++j) {
      const int64_t inner = j - margin;
      if (inner < 0)
        to[j] = static_cast<float>(first + spacing * static_cast<double>(inner));
      else if (inner > basis_.intervals)
        to[j] = static_cast<float>(last + spacing * static_cast<double>(inner - basis_.intervals));
      else
        to[j] = own[inner];
    }
  }
  basis_.knots = extended_.data();
  basis_.knot_count = count;
}

void Plan::scale_wavelets(int64_t rows) {
  const int64_t count = basis_.intervals;
  scale_.resize(static_cast<size_t>(rows * count));
  for (int64_t i = 0; i < rows * count; ++i)
    scale_[static_cast<size_t>(i)] = 1.0F / basis_.knots[i / count * 2 * count + count + i % count];
  basis_.scale = scale_.data();
}

void Plan::scale_inputs(int64_t inputs, double tau) {
  scale_.resize(static_cast<size_t>(inputs));
  scale_low_.resize(static_cast<size_t>(inputs));
  unit_.resize(static_cast<size_t>(inputs));
  for (int64_t i = 0; i < inputs; ++i) {
    const float* own = basis_.knots + i * basis_.knot_count;
    const double width = static_cast<double>(own[basis_.intervals]) - own[0];
    const auto at = static_cast<size_t>(i);
    unit_[at] = 2.0 / width;
    if (basis_.kind == math::kFft) {
      const double turns = tau / width;
      // 12 bits, so that the product with 12 bits of x - a is exact (basis/functions.h)
      scale_[at] = c10::bit_cast<float>(c10::bit_cast<uint32_t>(static_cast<float>(turns)) & 0xfffff000U);
      scale_low_[at] = static_cast<float>(turns - static_cast<double>(scale_[at]));
    } else {
      scale_[at] = static_cast<float>(static_cast<double>(basis_.intervals) / (tau * width));
    }
  }
  basis_.scale = scale_.data();
  basis_.scale_low = scale_low_.data();
  basis_.unit = unit_.data();
}

}  // namespace kaem::ops::cpu
