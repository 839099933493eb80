#pragma once

// Vector arithmetic for kernels.cpp: at::vec plus what it lacks or does slowly. Included by kernels.cpp only;
// everything has internal linkage, as an AVX-512 copy that the linker shared with the whole program would crash on
// older machines.

#include <ATen/cpu/vec/vec.h>

#include <cstdint>

namespace kaem::ops::simd {
namespace {

using V = at::vec::Vectorized<float>;
using VI = at::vec::Vectorized<int32_t>;
constexpr int64_t W = V::size();

inline V fma(const V& a, const V& b, const V& c) { return at::vec::fmadd(a, b, c); }
/// One instruction each, unlike at::vec::maximum, which looks for NaNs; of a NaN and a number, either.
inline V larger(const V& a, const V& b) { return at::vec::clamp_min(a, b); }
inline V smaller(const V& a, const V& b) { return at::vec::clamp_max(a, b); }
inline V load(const float* p) { return V::loadu(p); }
inline VI load(const int32_t* p) { return VI::loadu(p); }

#if defined(CPU_CAPABILITY_AVX512)

using Mask = __mmask16;
inline Mask less(const V& a, const V& b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
inline Mask at_most(const V& a, const V& b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
inline V choose(Mask m, const V& yes, const V& no) { return _mm512_mask_blend_ps(m, no, yes); }
inline VI choose(Mask m, const VI& yes, const VI& no) { return VI(_mm512_mask_blend_epi32(m, no, yes)); }
inline bool any(Mask m) { return m != 0; }
inline VI bits(const V& a) { return VI(_mm512_castps_si512(a)); }
inline V as_float(const VI& a) { return V(_mm512_castsi512_ps(a)); }
template <int n>
inline VI shift_left(const VI& a) {
  return VI(_mm512_slli_epi32(a, n));
}
template <int n>
inline VI shift_right(const VI& a) {
  return VI(_mm512_srai_epi32(a, n));
}
inline VI truncate(const V& a) { return VI(_mm512_cvttps_epi32(a)); }
inline V to_float(const VI& a) { return V(_mm512_cvtepi32_ps(a)); }
inline V permute(const V& a, const VI& index) { return V(_mm512_permutexvar_ps(index, a)); }
/// Element index of the 2W values (a,b); `second` marks those of b.
inline V permute(const V& a, const V& b, Mask /*second*/, const VI& index) {
  return V(_mm512_permutex2var_ps(a, index, b));
}
inline V gather(const float* base, const VI& index) { return V(_mm512_i32gather_ps(index, base, 4)); }
/// 1/a but for its last bit; NaN at 0 and infinity.
inline V reciprocal(const V& a) {
  const __m512 r = _mm512_rcp14_ps(a);
  return V(_mm512_fmadd_ps(r, _mm512_fnmadd_ps(a, r, _mm512_set1_ps(1.0F)), r));
}
inline float sum(const V& a) { return _mm512_reduce_add_ps(a); }
inline float largest(const V& a) { return _mm512_reduce_max_ps(a); }

/// Transposes W rows of W floats: row i is at from(i), what becomes of column i goes to to(i).
template <class From, class To>
inline void transpose(From from, To to) {
  __m512 r[16], t[16];
  for (int i = 0; i < 16; ++i) r[i] = _mm512_loadu_ps(from(i));
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xEE);
    r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xDD);
    t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xDD);
  }
  for (int i = 0; i < 4; ++i) {
    _mm512_storeu_ps(to(i), _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88));
    _mm512_storeu_ps(to(i + 4), _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88));
    _mm512_storeu_ps(to(i + 8), _mm512_shuffle_f32x4(t[i], t[i + 8], 0xDD));
    _mm512_storeu_ps(to(i + 12), _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xDD));
  }
}

#elif defined(CPU_CAPABILITY_AVX2)

using Mask = __m256;
inline Mask less(const V& a, const V& b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
inline Mask at_most(const V& a, const V& b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
inline V choose(Mask m, const V& yes, const V& no) { return _mm256_blendv_ps(no, yes, m); }
inline VI choose(Mask m, const VI& yes, const VI& no) {
  return VI(_mm256_blendv_epi8(no, yes, _mm256_castps_si256(m)));
}
inline bool any(Mask m) { return _mm256_movemask_ps(m) != 0; }
inline VI bits(const V& a) { return VI(_mm256_castps_si256(a)); }
inline V as_float(const VI& a) { return V(_mm256_castsi256_ps(a)); }
template <int n>
inline VI shift_left(const VI& a) {
  return VI(_mm256_slli_epi32(a, n));
}
template <int n>
inline VI shift_right(const VI& a) {
  return VI(_mm256_srai_epi32(a, n));
}
inline VI truncate(const V& a) { return VI(_mm256_cvttps_epi32(a)); }
inline V to_float(const VI& a) { return V(_mm256_cvtepi32_ps(a)); }
inline V permute(const V& a, const VI& index) { return V(_mm256_permutevar8x32_ps(a, index)); }
inline V permute(const V& a, const V& b, const Mask& second, const VI& index) {
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(a, index), _mm256_permutevar8x32_ps(b, index), second);
}
inline V gather(const float* base, const VI& index) { return V(_mm256_i32gather_ps(base, index, 4)); }
inline V reciprocal(const V& a) { return V(1.0F) / a; }
inline float sum(const V& a) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}
inline float largest(const V& a) {
  const __m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 pair = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)));
}

/// Transposes W rows of W floats.
template <class From, class To>
inline void transpose(From from, To to) {
  __m256 r[8], t[8];
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from(i));
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to(i), _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(to(i + 4), _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}

#else  // any other processor: plain loops that the compiler vectorises as far as it can

struct Mask {
  int32_t lane[W];
};
inline Mask less(const V& a, const V& b) {
  Mask m;
  for (int64_t i = 0; i < W; ++i) m.lane[i] = a[i] < b[i];
  return m;
}
inline Mask at_most(const V& a, const V& b) {
  Mask m;
  for (int64_t i = 0; i < W; ++i) m.lane[i] = a[i] <= b[i];
  return m;
}
inline V choose(const Mask& m, const V& yes, const V& no) {
  float out[W];
  for (int64_t i = 0; i < W; ++i) out[i] = m.lane[i] ? yes[i] : no[i];
  return V::loadu(out);
}
inline VI choose(const Mask& m, const VI& yes, const VI& no) {
  int32_t out[W];
  for (int64_t i = 0; i < W; ++i) out[i] = m.lane[i] ? yes[i] : no[i];
  return VI::loadu(out);
}
inline bool any(const Mask& m) {
  int32_t found = 0;
  for (int64_t i = 0; i < W; ++i) found |= m.lane[i];
  return found != 0;
}
inline VI bits(const V& a) {
  float out[W];
  a.store(out);
  return VI::loadu(out);
}
inline V as_float(const VI& a) {
  int32_t out[W];
  a.store(out);
  return V::loadu(out);
}
template <int n>
inline VI shift_left(const VI& a) {
  int32_t out[W];
  for (int64_t i = 0; i < W; ++i) out[i] = static_cast<int32_t>(static_cast<uint32_t>(a[i]) << n);
  return VI::loadu(out);
}
template <int n>
inline VI shift_right(const VI& a) {
  int32_t out[W];
  for (int64_t i = 0; i < W; ++i) out[i] = a[i] >> n;
  return VI::loadu(out);
}
inline VI truncate(const V& a) {
  int32_t out[W];
  for (int64_t i = 0; i < W; ++i) out[i] = static_cast<int32_t>(a[i]);
  return VI::loadu(out);
}
inline V to_float(const VI& a) {
  float out[W];
  for (int64_t i = 0; i < W; ++i) out[i] = static_cast<float>(a[i]);
  return V::loadu(out);
}
inline V permute(const V& a, const VI& index) {
  float out[W];
  for (int64_t i = 0; i < W; ++i) out[i] = a[index[i]];
  return V::loadu(out);
}
inline V permute(const V& a, const V& b, const Mask& second, const VI& index) {
  float out[W];
  for (int64_t i = 0; i < W; ++i) out[i] = second.lane[i] ? b[index[i] % W] : a[index[i] % W];
  return V::loadu(out);
}
inline V reciprocal(const V& a) { return V(1.0F) / a; }
inline V gather(const float* base, const VI& index) {
  float out[W];
  for (int64_t i = 0; i < W; ++i) out[i] = base[index[i]];
  return V::loadu(out);
}
inline float sum(const V& a) {
  float out[W];
  a.store(out);
  for (int64_t step = W / 2; step > 0; step /= 2) {
    for (int64_t i = 0; i < step; ++i) out[i] += out[i + step];
  }
  return out[0];
}
inline float largest(const V& a) {
  float out = a[0];
  for (int64_t i = 1; i < W; ++i) out = a[i] > out ? a[i] : out;
  return out;
}
template <class From, class To>
inline void transpose(From from, To to) {
  for (int i = 0; i < W; ++i) {
    for (int j = 0; j < W; ++j) to(j)[i] = from(i)[j];
  }
}

#endif

/// Sums of W rows of W floats: lane i the i-th row's.
inline V row_sums(const float* rows) {
  float columns[W * W];
  transpose([&](int i) { return rows + i * W; }, [&](int i) { return columns + i * W; });
  V even = load(columns), odd = load(columns + W);
  for (int64_t i = 2; i < W; i += 2) even = even + load(columns + i * W), odd = odd + load(columns + (i + 1) * W);
  return even + odd;
}

/// Horner's scheme, highest coefficient first.
template <class... Rest>
inline V horner(const V& x, const V& leading, Rest... rest) {
  V p = leading;
  ((p = fma(p, x, V(static_cast<float>(rest)))), ...);
  return p;
}

}  // namespace
}  // namespace kaem::ops::simd
