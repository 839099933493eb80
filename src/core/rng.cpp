#include "kaem/core/rng.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <optional>
#include <vector>

#include "core/philox_avx512.h"
#include "kaem/core/each_isa.h"
#include "kaem/core/philox.h"

namespace kaem {
namespace {

using philox::Sequence, philox::kUnit23, philox::kUnit32;

// Numbers are made from kLanes blocks at a time, by loops that compilers turn into vector code. Built without
// contraction to fused multiply-adds (src/CMakeLists.txt), every instruction set gives the same bits.
constexpr int64_t kLanes = 32;

using Words = uint32_t[4][kLanes];

/// The words of blocks first, first + 1, ...
KAEM_EACH_ISA void plain_words(const Sequence& sequence, uint64_t first, Words& words) {
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    const philox::Block block = sequence.block(first + static_cast<uint64_t>(lane));
    for (int k = 0; k < 4; ++k) words[k][lane] = block.word[k];
  }
}

void draw_words(const Sequence& sequence, uint64_t first, Words& words) {
  static const bool wide = philox::has_avx512();
  return wide ? philox::words_avx512(sequence, first, words) : plain_words(sequence, first, words);
}

KAEM_EACH_ISA void to_uniforms(const Words& words, float* out) {
  for (int64_t lane = 0; lane < kLanes; ++lane)
    for (int k = 0; k < 4; ++k) out[4 * lane + k] = philox::uniform_of_word(words[k][lane]);
}

KAEM_EACH_ISA void to_normals(const Words& words, float* out) {
  float normals[4][kLanes];  // put in order by themselves, which takes a quarter less time than on the way
  for (int k = 0; k < 4; k += 2)
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const philox::Direction pair = philox::normals_of_words(words[k][lane], words[k + 1][lane]);
      normals[k][lane] = pair.cosine;
      normals[k + 1][lane] = pair.sine;
    }
  for (int64_t lane = 0; lane < kLanes; ++lane)
    for (int k = 0; k < 4; ++k) out[4 * lane + k] = normals[k][lane];
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

/// Fills out[0..n) with the numbers of indices first, first + 1, ...
template <class T>
void fill(T* out, int64_t n, int64_t first, const Sequence& sequence, bool normal) {
  void (*convert)(const Words&, T*) = to_uniforms;
  if (normal) convert = to_normals;
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

/// The operator that draws float32 numbers on the device itself, if kernels for it have been opened (src/ops/cuda).
using FillRandom = void(const at::Tensor& out, const std::optional<at::Tensor>& counter, int64_t seed, int64_t stream,
                        int64_t step, int64_t first, bool normal);
std::optional<c10::TypedOperatorHandle<FillRandom>> device_operator(const at::Device& device) {
  if (!device.is_cuda()) return std::nullopt;
  const auto found = c10::Dispatcher::singleton().findSchema({"kaem::fill_random", ""});
  if (!found || !found->hasKernelForDispatchKey(c10::DispatchKey::CUDA)) return std::nullopt;
  return found->typed<FillRandom>();
}

/// What is drawn: where numbers begin, and whether they are normals.
struct Request {
  uint64_t seed;
  Stream stream;
  int64_t step, first;
  bool normal;
  at::Tensor counter = {};  ///< on the device, added to `first`; undefined: nothing is
};

at::Tensor draw(at::IntArrayRef shape, at::TensorOptions options, const Request& r) {
  const auto dtype = c10::typeMetaToScalarType(options.dtype());
  const bool wide = dtype == at::kDouble;
  // Uniform numbers have 24 bits, so that those of float64 are the same.
  if (dtype == at::kFloat || (wide && !r.normal)) {
    if (const auto fill_random = device_operator(options.device())) {
      at::Tensor out = at::empty(shape, options.dtype(at::kFloat));
      fill_random->call(out, r.counter.defined() ? std::optional(r.counter) : std::nullopt,
                        static_cast<int64_t>(r.seed), static_cast<int64_t>(r.stream), r.step, r.first, r.normal);
      return out.to(dtype);
    }
  }
  // Else drawn on the CPU and copied: the same numbers on every device.
  const Sequence sequence(r.seed, static_cast<uint32_t>(r.stream), r.step);
  const int64_t first = r.first + (r.counter.defined() ? r.counter.item<int64_t>() : 0);
  at::Tensor out = at::empty(shape, at::TensorOptions().dtype(wide ? at::kDouble : at::kFloat));
  if (wide) {
    fill<double>(out.mutable_data_ptr<double>(), out.numel(), first, sequence, r.normal);
  } else {
    fill<float>(out.mutable_data_ptr<float>(), out.numel(), first, sequence, r.normal);
  }
  return out.to(options.device(), dtype);
}

}  // namespace

at::Tensor Rng::uniform(Stream stream, int64_t step, at::IntArrayRef shape, at::TensorOptions options,
                        int64_t first_index) const {
  return draw(shape, options, {seed_, stream, step, first_index, /*normal=*/false});
}

at::Tensor Rng::normal(Stream stream, int64_t step, at::IntArrayRef shape, at::TensorOptions options,
                       int64_t first_index) const {
  return draw(shape, options, {seed_, stream, step, first_index, /*normal=*/true});
}

Rng Rng::of_rows(const BatchRows& rows) const {
  Rng part = *this;
  part.rows_ = rows;
  return part;
}

at::Tensor Rng::rows_of(bool normal, Stream stream, int64_t step, at::IntArrayRef shape, int64_t dim,
                        at::TensorOptions options, int64_t first_index) const {
  const auto numbers = [&](at::IntArrayRef sizes, int64_t first) {
    return draw(sizes, options, {seed_, stream, step, first, normal});
  };
  if (!rows_.is_part()) return numbers(shape, first_index);
  TORCH_CHECK_VALUE(shape[dim] == rows_.count, "numbers of ", shape[dim], " data were asked for, of a part of ",
                    rows_.count);
  const int64_t inner = c10::multiply_integers(shape.slice(dim + 1)),
                outer = c10::multiply_integers(shape.slice(0, dim));
  std::vector<at::Tensor> parts;
  for (int64_t i = 0; i < outer; ++i)
    parts.push_back(numbers(shape.slice(dim), first_index + (i * rows_.total + rows_.first) * inner));
  return parts.size() == 1 ? parts[0].reshape(shape) : at::cat(parts).reshape(shape);
}

at::Tensor Rng::row_uniform(Stream stream, int64_t step, at::IntArrayRef shape, int64_t dim, at::TensorOptions options,
                            int64_t first_index) const {
  return rows_of(/*normal=*/false, stream, step, shape, dim, options, first_index);
}

at::Tensor Rng::row_normal(Stream stream, int64_t step, at::IntArrayRef shape, int64_t dim, at::TensorOptions options,
                           int64_t first_index) const {
  return rows_of(/*normal=*/true, stream, step, shape, dim, options, first_index);
}

at::Tensor Rng::next(bool normal, Stream stream, int64_t step, at::IntArrayRef shape, at::TensorOptions options,
                     const at::Tensor& counter) const {
  at::Tensor out = draw(shape, options, {seed_, stream, step, /*first=*/0, normal, counter});
  counter.add_((out.numel() + 3) / 4 * 4);  // whole blocks: no bits are used twice
  return out;
}

at::Tensor Rng::permutation(Stream stream, int64_t step, int64_t n) const {
  const Sequence sequence(seed_, static_cast<uint32_t>(stream), step);
  at::Tensor out = at::empty({n}, at::kLong);
  int64_t* const index = out.mutable_data_ptr<int64_t>();
  std::iota(index, index + n, int64_t{0});
  // Fisher-Yates; 64 bits a swap make the modulo bias below n / 2^64.
  for (int64_t i = n - 1; i > 0; --i) {
    const philox::Block block = sequence.block(static_cast<uint64_t>(i));
    const uint64_t bits = uint64_t{block.word[0]} << 32 | block.word[1];
    std::swap(index[i], index[bits % static_cast<uint64_t>(i + 1)]);
  }
  return out;
}

uint32_t Rng::bits(Stream stream, int64_t step, int64_t index) const {
  return Sequence(seed_, static_cast<uint32_t>(stream), step).block(static_cast<uint64_t>(index / 4)).word[index % 4];
}

at::Tensor InitialDraws::uniform(std::string_view name, at::IntArrayRef shape) const {
  return rng_.uniform(Stream::kInit, key_of(name), shape);
}

at::Tensor InitialDraws::normal(std::string_view name, at::IntArrayRef shape) const {
  return rng_.normal(Stream::kInit, key_of(name), shape);
}

InitialDraws InitialDraws::of(std::string_view name) const { return {rng_, owner_ + "." + std::string(name)}; }

/// 56 bits of the full name's FNV-1a hash (Fowler, Noll and Vo), which are a step's.
int64_t InitialDraws::key_of(std::string_view name) const {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : owner_ + "." + std::string(name)) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return static_cast<int64_t>((hash ^ hash >> 56) & 0xffffffffffffffU);
}

}  // namespace kaem
