#pragma once

// Philox-4x32-10 and the numbers made of its words, for processors and GPUs: C++17, no header of LibTorch. Compiled
// without contraction to fused multiply-adds, every device gives the same bits.

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kaem/core/host_device.h"

namespace kaem::philox {

constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57, kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
constexpr double kUnit23 = 1.0 / (1 << 23), kUnit32 = 1.0 / 4294967296.0, kTwoPi = 6.283185307179586;

/// Four words of a counter or of random bits.
struct Block {
  uint32_t word[4];
};

/// Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
KAEM_HD inline Block philox(Block c, uint32_t key0, uint32_t key1) {
#if defined(__GNUC__) && !defined(__CUDACC__)
#pragma GCC unroll 10
#endif
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * c.word[0], product1 = uint64_t{kMultiplier1} * c.word[2];
    c = {{static_cast<uint32_t>(product1 >> 32) ^ c.word[1] ^ key0, static_cast<uint32_t>(product1),
          static_cast<uint32_t>(product0 >> 32) ^ c.word[3] ^ key1, static_cast<uint32_t>(product0)}};
    key0 += kWeyl0, key1 += kWeyl1;
  }
  return c;
}

/// The numbers of one (seed, stream, step): block j holds those with indices 4j to 4j+3.
struct Sequence {
  uint32_t key0, key1, step0, step1_stream;

  KAEM_HD Sequence(uint64_t seed, uint32_t stream, int64_t step)
      : key0(static_cast<uint32_t>(seed)),
        key1(static_cast<uint32_t>(seed >> 32)),
        step0(static_cast<uint32_t>(step)),
        // 24 bits of the step's upper half and 8 of the stream: 2^56 steps.
        step1_stream(static_cast<uint32_t>(static_cast<uint64_t>(step) >> 32) << 8 | stream) {}

  KAEM_HD Block block(uint64_t j) const {
    return philox({{static_cast<uint32_t>(j), static_cast<uint32_t>(j >> 32), step0, step1_stream}}, key0, key1);
  }
};

KAEM_HD inline uint32_t bits_of(float x) {
  uint32_t bits = 0;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
KAEM_HD inline float float_of(uint32_t bits) {
  float x = 0;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/// (n + 1/2) / 2^23 of the word's upper 23 bits n.
KAEM_HD inline float uniform_of_word(uint32_t w) {
  return (static_cast<float>(static_cast<int32_t>(w >> 9)) + 0.5F) * static_cast<float>(kUnit23);
}

/// log((w + 1/2) / 2^32) to float32's precision at both ends (polynomial of Cephes' logf, Moshier 1989).
KAEM_HD inline float log_of_word(uint32_t w) {
  // Below 1/2: mantissa and exponent of w + 1/2. From 1/2 on 1 - u is exact, and small where the logarithm is.
  const float low = static_cast<float>(static_cast<int32_t>(w & 0x7FFFFFFF)) + 0.5F;
  const uint32_t bits = bits_of(low);
  const float mantissa = float_of((bits & 0x007FFFFF) | 0x3F000000);  // in [1/2, 1)
  const auto exponent = static_cast<float>(static_cast<int32_t>(bits >> 23) - 126 - 32);
  const float rest = (static_cast<float>(static_cast<int32_t>(~w & 0x7FFFFFFF)) + 0.5F) * static_cast<float>(kUnit32);
  constexpr float kRootHalf = 0.707106781F;
  const bool below = mantissa<kRootHalf, far = rest> 1 - kRootHalf, high = w >= 0x80000000;
  const float x_low = below ? 2 * mantissa - 1 : mantissa - 1, e_low = below ? exponent - 1 : exponent;
  const float x_high = far ? 1 - 2 * rest : -rest, e_high = far ? -1.0F : 0.0F;
  const float x = high ? x_high : x_low, e = high ? e_high : e_low, z = x * x;
  float p = 7.0376836292E-2F;
  p = p * x + -1.1514610310E-1F;
  p = p * x + 1.1676998740E-1F;
  p = p * x + -1.2420140846E-1F;
  p = p * x + 1.4249322787E-1F;
  p = p * x + -1.6668057665E-1F;
  p = p * x + 2.0000714765E-1F;
  p = p * x + -2.4999993993E-1F;
  p = p * x + 3.3333331174E-1F;
  return x + (x * z * p - 2.12194440E-4F * e - 0.5F * z) + 0.693359375F * e;
}

struct Direction {
  float cosine, sine;
};

/// Cosine and sine of 2π (w + 1/2) / 2^32: the nearest quarter turn and a polynomial (Cephes' sinf and cosf).
KAEM_HD inline Direction direction_of_word(uint32_t w) {
  const uint32_t quarter = (w + 0x20000000) >> 30;
  const auto from_quarter = static_cast<float>(static_cast<int32_t>(w - (quarter << 30))) + 0.5F;
  const float a = from_quarter * static_cast<float>(kTwoPi * kUnit32), z = a * a;
  const float s = ((-1.9515295891E-4F * z + 8.3321608736E-3F) * z - 1.6666654611E-1F) * z * a + a;
  const float c =
      ((2.443315711809948E-5F * z - 1.388731625493765E-3F) * z + 4.166664568298827E-2F) * z * z - 0.5F * z + 1;
  const bool odd = (quarter & 1) != 0;
  const float cosine = odd ? s : c, sine = odd ? c : s;
  return {quarter == 1 || quarter == 2 ? -cosine : cosine, quarter >= 2 ? -sine : sine};
}

/// Box and Muller 1958; 32 bits under the logarithm, so that the tail reaches 6.6 standard deviations.
KAEM_HD inline Direction normals_of_words(uint32_t first, uint32_t second) {
  const float radius = sqrtf(-2 * log_of_word(first));
  const Direction direction = direction_of_word(second);
  return {radius * direction.cosine, radius * direction.sine};
}

}  // namespace kaem::philox
