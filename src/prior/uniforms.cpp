#include "prior/uniforms.h"

#include <ATen/ATen.h>

#include <array>

#include "kaem/core/table.h"

namespace kaem {
namespace {

using at::Tensor;

/// LibTorch has direction numbers (Joe and Kuo 2008) for so many dimensions.
constexpr int64_t kMostSobolDimensions = 21201;
constexpr int64_t kSobolBits = 30;

struct Request {
  int64_t n, dimension;
  const Rng& rng;
  Stream stream;
  int64_t step;
  at::TensorOptions options;
  int64_t first_index;
};

Tensor independent(const Request& r) {
  return r.rng.uniform(r.stream, r.step, {r.n, r.dimension}, r.options, r.first_index * r.dimension);
}

/// On the grid (n + 1/2)/2^23, as every uniform of ours: strictly inside (0,1) in float32 too.
Tensor to_open_grid(const Tensor& u, at::TensorOptions options) {
  return (((u * 0x1p23).floor().clamp(0, 0x1p23 - 1) + 0.5) * 0x1p-23)
      .to(options.device(), c10::typeMetaToScalarType(options.dtype()));
}

Tensor sobol(const Request& r) {
  if (r.dimension > kMostSobolDimensions)
    throw ConfigError(
        str("[EbmModel] uniforms = sobol: at most ", kMostSobolDimensions, " dimensions, P x Q is ", r.dimension));
  Tensor directions = at::zeros({r.dimension, kSobolBits}, at::kLong);
  at::_sobol_engine_initialize_state_(directions, r.dimension);
  // Starting the Gray-code recursion from random bits instead of 0 shifts every point digit by digit: each becomes
  // uniform.
  const Tensor shift =
      (r.rng.uniform(Stream::kScramble, r.step * 16 + static_cast<int64_t>(r.stream), {r.dimension}, at::kDouble) *
       static_cast<double>(int64_t{1} << kSobolBits))
          .to(at::kLong);
  Tensor state = shift.clone();
  if (r.first_index > 0) at::_sobol_engine_ff_(state, r.first_index, directions, r.dimension, 0);
  const Tensor first = (state.to(at::kDouble) * 0x1p-30).unsqueeze(0);
  if (r.n == 1) return to_open_grid(first, r.options);
  const Tensor rest =
      std::get<0>(at::_sobol_engine_draw(state, r.n - 1, directions, r.dimension, r.first_index, at::kDouble));
  return to_open_grid(at::cat({first, rest}), r.options);
}

Tensor latin(const Request& r) {
  const Tensor keys = r.rng.uniform(Stream::kScramble, r.step * 16 + static_cast<int64_t>(r.stream), {r.n, r.dimension},
                                    at::kDouble, r.first_index * r.dimension);
  const Tensor strata = keys.argsort(/*dim=*/int64_t{0}).to(at::kDouble);
  const Tensor within = independent({r.n, r.dimension, r.rng, r.stream, r.step, at::kDouble, r.first_index});
  return to_open_grid((strata + within) / static_cast<double>(r.n), r.options);
}

using Draw = Tensor (*)(const Request&);
constexpr auto kUniforms =
    std::to_array<Named<Draw>>({{"independent", independent}, {"sobol", sobol}, {"latin", latin}});

}  // namespace

Tensor draw_uniforms(const std::string& kind, int64_t n, int64_t dimension, const Rng& rng, Stream stream, int64_t step,
                     at::TensorOptions options, int64_t first_index) {
  return find(kUniforms, "uniforms", kind)({n, dimension, rng, stream, step, options, first_index});
}

}  // namespace kaem
