// The Langevin move in one pass over the chains.
#include <ATen/ATen.h>

#include <cmath>

#include "kaem/core/each_isa.h"
#include "ops/cpu/parallel.h"
#include "ops/math.h"
#include "ops/move/op.h"

namespace kaem::ops {
namespace {

/// Neighbouring numbers of one temperature; `likelihood` holds one gradient for every `repeat` of them (null: none).
struct MoveRange {
  const float *z, *prior, *likelihood, *noise;
  int64_t count, repeat;
  float temperature, step, spread, lower, upper;
};

KAEM_EACH_ISA void move_range(const MoveRange& r, float* out) {
  for (int64_t i = 0; i < r.count; i += r.repeat) {
    const float shared = r.likelihood != nullptr ? r.temperature * r.likelihood[i / r.repeat] : 0.0F;
    for (int64_t k = i; k < i + r.repeat; ++k)
      out[k] = r.z[k] + (r.step * (r.prior[k] + shared) + r.spread * r.noise[k]);
  }
  // One reflection in vector code; what a step of more than the box's width needs beyond it is rare.
  int outside = 0;
  for (int64_t k = 0; k < r.count; ++k) {
    float x = out[k];
    x = x < r.lower ? 2 * r.lower - x : x;
    x = x > r.upper ? 2 * r.upper - x : x;
    outside |= static_cast<int>(x < r.lower) | static_cast<int>(x > r.upper);
    out[k] = x;
  }
  if (outside == 0) return;
  for (int64_t k = 0; k < r.count; ++k) out[k] = math::reflect(out[k], r.lower, r.upper);
}

Tensor langevin_move_cpu(const Tensor& z, const Tensor& prior, const Optional& likelihood, int64_t repeat,
                         const Tensor& noise, const Tensor& temperature, double step, double lower, double upper) {
  Tensor out = at::empty_like(z);
  if (z.numel() == 0) return out;
  const int64_t levels = z.size(0), row = z.size(-1), rows = z.numel() / row, rows_of_level = rows / levels;
  const float *from = z.const_data_ptr<float>(), *drift = prior.const_data_ptr<float>(),
              *xi = noise.const_data_ptr<float>(), *t = temperature.const_data_ptr<float>(),
              *pull = likelihood ? likelihood->const_data_ptr<float>() : nullptr;
  float* to = out.mutable_data_ptr<float>();
  cpu::parallel(rows, std::max<int64_t>(1, 16384 / row), [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t level = begin / rows_of_level, last = std::min(end, (level + 1) * rows_of_level), at = begin * row;
      MoveRange r{from + at,
                  drift + at,
                  nullptr,
                  xi + at,
                  (last - begin) * row,
                  pull != nullptr ? repeat : row,
                  t[temperature.numel() == 1 ? 0 : level],
                  static_cast<float>(step),
                  static_cast<float>(std::sqrt(2 * step)),
                  static_cast<float>(lower),
                  static_cast<float>(upper)};
      if (pull != nullptr && r.temperature != 0) r.likelihood = pull + at / repeat;
      move_range(r, to + at);
      begin = last;
    }
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(kaem, CPU, m) { raw::langevin_move.add(m, langevin_move_cpu); }

}  // namespace kaem::ops
