#include "kaem/core/rng.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

namespace kaem {
namespace {

using Block = std::array<uint32_t, 4>;

/// Philox-4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
inline Block philox(Block counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

/// The numbers of one (seed, stream, step): block j holds those with indices 4j to 4j+3.
struct Sequence {
  uint32_t key0, key1, step0, step1_stream;

  Sequence(uint64_t seed, Stream stream, int64_t step)
      : key0(static_cast<uint32_t>(seed)),
        key1(static_cast<uint32_t>(seed >> 32)),
        step0(static_cast<uint32_t>(step)),
        // 24 bits of the step's upper half and 8 of the stream: 2^56 steps.
        step1_stream(static_cast<uint32_t>(static_cast<uint64_t>(step) >> 32) << 8 | static_cast<uint32_t>(stream)) {}

  Block block(int64_t j) const {
    return philox(
        {static_cast<uint32_t>(j), static_cast<uint32_t>(static_cast<uint64_t>(j) >> 32), step0, step1_stream}, key0,
        key1);
  }
};

constexpr double kUnit23 = 1.0 / (1 << 23);

template <class T>
std::array<T, 4> to_uniform(const Block& block) {
  std::array<T, 4> u;
  for (int k = 0; k < 4; ++k) u[k] = (static_cast<T>(block[k] >> 9) + T(0.5)) * T(kUnit23);
  return u;
}

template <class T>
std::array<T, 4> to_normal(const Block& block) {
  std::array<T, 4> z;
  for (int k = 0; k < 4; k += 2) {
    // 32 bits under the logarithm, so that the tail reaches 6.6 standard deviations.
    const double u = (block[k] + 0.5) * 0x1p-32;
    const T radius = static_cast<T>(std::sqrt(-2.0 * std::log(u)));
    const T angle = static_cast<T>(2 * std::numbers::pi * 0x1p-32 * (block[k + 1] + 0.5));
    z[k] = radius * std::cos(angle);
    z[k + 1] = radius * std::sin(angle);
  }
  return z;
}

/// Fills out[0..n) with the numbers of indices first.. by `convert`, four at a time.
template <class T, class Convert>
void fill(T* out, int64_t n, int64_t first, const Sequence& sequence, Convert convert) {
  const int64_t first_block = first / 4, last_block = (first + n + 3) / 4;
  at::parallel_for(first_block, last_block, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      const std::array<T, 4> values = convert(sequence.block(j));
      const int64_t at = 4 * j - first;
      if (at >= 0 && at + 4 <= n) {
        std::copy(values.begin(), values.end(), out + at);
      } else {
        for (int64_t k = 0; k < 4; ++k)
          if (at + k >= 0 && at + k < n) out[at + k] = values[k];
      }
    }
  });
}

template <class Float, class Double>
at::Tensor draw(at::IntArrayRef shape, at::TensorOptions options, Float as_float, Double as_double) {
  const auto dtype = c10::typeMetaToScalarType(options.dtype());
  const bool wide = dtype == at::kDouble;
  // Drawn on the CPU and copied: the same numbers on every device.
  at::Tensor out = at::empty(shape, at::TensorOptions().dtype(wide ? at::kDouble : at::kFloat));
  if (wide) {
    as_double(out.mutable_data_ptr<double>(), out.numel());
  } else {
    as_float(out.mutable_data_ptr<float>(), out.numel());
  }
  return out.to(options.device(), dtype);
}

}  // namespace

at::Tensor Rng::uniform(Stream stream, int64_t step, at::IntArrayRef shape, at::TensorOptions options,
                        int64_t first_index) const {
  const Sequence sequence(seed_, stream, step);
  return draw(
      shape, options, [&](float* out, int64_t n) { fill(out, n, first_index, sequence, to_uniform<float>); },
      [&](double* out, int64_t n) { fill(out, n, first_index, sequence, to_uniform<double>); });
}

at::Tensor Rng::normal(Stream stream, int64_t step, at::IntArrayRef shape, at::TensorOptions options,
                       int64_t first_index) const {
  const Sequence sequence(seed_, stream, step);
  return draw(
      shape, options, [&](float* out, int64_t n) { fill(out, n, first_index, sequence, to_normal<float>); },
      [&](double* out, int64_t n) { fill(out, n, first_index, sequence, to_normal<double>); });
}

at::Tensor Rng::permutation(Stream stream, int64_t step, int64_t n) const {
  const Sequence sequence(seed_, stream, step);
  at::Tensor out = at::empty({n}, at::kLong);
  int64_t* const index = out.mutable_data_ptr<int64_t>();
  std::iota(index, index + n, int64_t{0});
  // Fisher-Yates; 64 bits a swap make the modulo bias below n / 2^64.
  for (int64_t i = n - 1; i > 0; --i) {
    const Block block = sequence.block(i);
    const uint64_t bits = uint64_t{block[0]} << 32 | block[1];
    std::swap(index[i], index[bits % static_cast<uint64_t>(i + 1)]);
  }
  return out;
}

uint32_t Rng::bits(Stream stream, int64_t step, int64_t index) const {
  return Sequence(seed_, stream, step).block(index / 4)[index % 4];
}

}  // namespace kaem
