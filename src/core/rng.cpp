#include "kaem/core/rng.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>

namespace kaem {
namespace {

using Block = std::array<uint32_t, 4>;

constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57, kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;

/// Philox-4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
inline Block philox(Block counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
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

constexpr double kUnit23 = 1.0 / (1 << 23), kUnit32 = 0x1p-32;

// Numbers are made from kLanes blocks at a time, by loops that compilers turn into vector code. Built without
// contraction to fused multiply-adds (src/CMakeLists.txt), every instruction set gives the same bits.
constexpr int64_t kLanes = 32;
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define KAEM_EACH_ISA __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define KAEM_EACH_ISA
#endif

using Words = uint32_t[4][kLanes];

/// The words of blocks first, first + 1, ...
KAEM_EACH_ISA void draw_words(const Sequence& sequence, uint64_t first, Words& words) {
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    const uint64_t j = first + static_cast<uint64_t>(lane);
    uint32_t c0 = static_cast<uint32_t>(j), c1 = static_cast<uint32_t>(j >> 32), c2 = sequence.step0,
             c3 = sequence.step1_stream, key0 = sequence.key0, key1 = sequence.key1;
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
      const uint64_t product0 = uint64_t{kMultiplier0} * c0, product1 = uint64_t{kMultiplier1} * c2;
      c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ key0;
      c1 = static_cast<uint32_t>(product1);
      c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ key1;
      c3 = static_cast<uint32_t>(product0);
      key0 += kWeyl0, key1 += kWeyl1;
    }
    words[0][lane] = c0, words[1][lane] = c1, words[2][lane] = c2, words[3][lane] = c3;
  }
}

KAEM_EACH_ISA void to_uniforms(const Words& words, float* out) {
  for (int64_t lane = 0; lane < kLanes; ++lane)
    for (int k = 0; k < 4; ++k)
      out[4 * lane + k] =
          (static_cast<float>(static_cast<int32_t>(words[k][lane] >> 9)) + 0.5F) * static_cast<float>(kUnit23);
}

/// log((w + 1/2) / 2^32) to float32's precision at both ends (polynomial of Cephes' logf, Moshier 1989).
inline float log_of_word(uint32_t w) {
  // Below 1/2: mantissa and exponent of w + 1/2. From 1/2 on 1 - u is exact, and small where the logarithm is.
  const float low = static_cast<float>(static_cast<int32_t>(w & 0x7FFFFFFF)) + 0.5F;
  const uint32_t bits = std::bit_cast<uint32_t>(low);
  const float mantissa = std::bit_cast<float>((bits & 0x007FFFFF) | 0x3F000000);  // in [1/2, 1)
  const auto exponent = static_cast<float>(static_cast<int32_t>(bits >> 23) - 126 - 32);
  const float rest = (static_cast<float>(static_cast<int32_t>(~w & 0x7FFFFFFF)) + 0.5F) * static_cast<float>(kUnit32);
  constexpr float kRootHalf = 0.707106781F;
  const bool below = mantissa<kRootHalf, far = rest> 1 - kRootHalf, high = w >= 0x80000000;
  const float x_low = below ? 2 * mantissa - 1 : mantissa - 1, e_low = below ? exponent - 1 : exponent;
  const float x_high = far ? 1 - 2 * rest : -rest, e_high = far ? -1.0F : 0.0F;
  const float x = high ? x_high : x_low, e = high ? e_high : e_low, z = x * x;
  float p = 7.0376836292E-2F;
  for (const float c : {-1.1514610310E-1F, 1.1676998740E-1F, -1.2420140846E-1F, 1.4249322787E-1F, -1.6668057665E-1F,
                        2.0000714765E-1F, -2.4999993993E-1F, 3.3333331174E-1F})
    p = p * x + c;
  return x + (x * z * p - 2.12194440E-4F * e - 0.5F * z) + 0.693359375F * e;
}

struct Direction {
  float cosine, sine;
};

/// Cosine and sine of 2π (w + 1/2) / 2^32: the nearest quarter turn and a polynomial (Cephes' sinf and cosf).
inline Direction direction_of_word(uint32_t w) {
  const uint32_t quarter = (w + 0x20000000) >> 30;
  const auto from_quarter = static_cast<float>(static_cast<int32_t>(w - (quarter << 30))) + 0.5F;
  const float a = from_quarter * static_cast<float>(2 * std::numbers::pi * kUnit32), z = a * a;
  const float s = ((-1.9515295891E-4F * z + 8.3321608736E-3F) * z - 1.6666654611E-1F) * z * a + a;
  const float c =
      ((2.443315711809948E-5F * z - 1.388731625493765E-3F) * z + 4.166664568298827E-2F) * z * z - 0.5F * z + 1;
  const bool odd = (quarter & 1) != 0;
  const float cosine = odd ? s : c, sine = odd ? c : s;
  return {quarter == 1 || quarter == 2 ? -cosine : cosine, quarter >= 2 ? -sine : sine};
}

/// Box and Muller 1958; 32 bits under the logarithm, so that the tail reaches 6.6 standard deviations.
KAEM_EACH_ISA void to_normals(const Words& words, float* out) {
  for (int k = 0; k < 4; k += 2)
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const float radius = std::sqrt(-2 * log_of_word(words[k][lane]));
      const Direction direction = direction_of_word(words[k + 1][lane]);
      out[4 * lane + k] = radius * direction.cosine;
      out[4 * lane + k + 1] = radius * direction.sine;
    }
}

void to_uniforms(const Words& words, double* out) {
  for (int64_t lane = 0; lane < kLanes; ++lane)
    for (int k = 0; k < 4; ++k) out[4 * lane + k] = (static_cast<double>(words[k][lane] >> 9) + 0.5) * kUnit23;
}

void to_normals(const Words& words, double* out) {
  for (int64_t lane = 0; lane < kLanes; ++lane)
    for (int k = 0; k < 4; k += 2) {
      const double radius = std::sqrt(-2 * std::log((words[k][lane] + 0.5) * kUnit32));
      const double angle = 2 * std::numbers::pi * kUnit32 * (words[k + 1][lane] + 0.5);
      out[4 * lane + k] = radius * std::cos(angle);
      out[4 * lane + k + 1] = radius * std::sin(angle);
    }
}

/// Fills out[0..n) with the numbers of indices first.. by `convert`.
template <class T>
void fill(T* out, int64_t n, int64_t first, const Sequence& sequence, void (*convert)(const Words&, T*)) {
  constexpr int64_t kNumbers = 4 * kLanes;
  const int64_t first_chunk = first / kNumbers, last_chunk = (first + n + kNumbers - 1) / kNumbers;
  at::parallel_for(first_chunk, last_chunk, 128, [&](int64_t begin, int64_t end) {
    Words words;
    T values[kNumbers];
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      draw_words(sequence, static_cast<uint64_t>(chunk) * kLanes, words);
      const int64_t at = kNumbers * chunk - first;
      if (at >= 0 && at + kNumbers <= n) {
        convert(words, out + at);
      } else {
        convert(words, values);
        const int64_t from = std::max<int64_t>(at, 0), to = std::min(at + kNumbers, n);
        std::copy(values + (from - at), values + (to - at), out + from);
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
      shape, options, [&](float* out, int64_t n) { fill<float>(out, n, first_index, sequence, to_uniforms); },
      [&](double* out, int64_t n) { fill<double>(out, n, first_index, sequence, to_uniforms); });
}

at::Tensor Rng::normal(Stream stream, int64_t step, at::IntArrayRef shape, at::TensorOptions options,
                       int64_t first_index) const {
  const Sequence sequence(seed_, stream, step);
  return draw(
      shape, options, [&](float* out, int64_t n) { fill<float>(out, n, first_index, sequence, to_normals); },
      [&](double* out, int64_t n) { fill<double>(out, n, first_index, sequence, to_normals); });
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
