#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace kaem {

/// Purposes of random numbers. Each has numbers of its own, so that adding a sampler does not change the batches.
enum class Stream : uint32_t {
  kInit = 1,    ///< parameter initialisation (InitialDraws)
  kData,        ///< order of training data
  kDequantize,  ///< uniform noise on bytes
  kPrior,       ///< prior draws
  kScramble,    ///< digital shifts and permutations of low-discrepancy draws
  kResample,    ///< resampling uniforms
  kNoise,       ///< noise on generated data
  kGrid,        ///< draws that grids are fitted to
  kPosterior,   ///< Langevin noise and acceptance
  kSample,      ///< pictures
  kEvaluate,    ///< evaluation
  kDarcy,       ///< permeability fields
  kTest,        ///< tests and benchmarks
  kLevelZero,   ///< prior draws of tempered chains
  kScale,       ///< prior draws that preconditioners are made from
  kEncoder,     ///< noise of the encoder's draws
  kStatistics,  ///< prior draws of running statistics
  kFlip,        ///< which training images are mirrored
  kWords,       ///< words of sampled sequences
  kSearch,      ///< settings of the trials of a search
  kPca,         ///< where subspace iteration begins
  kNegative,    ///< prior draws that estimate the normaliser's gradient
  kBound,       ///< noise of the encoder's draws in its evidence bound
};

/// The data of an update that are worked on here: `count` from number `first` on, of `total` in its batch.
struct BatchRows {
  int64_t first = 0, count = 0, total = 0;

  bool is_part() const { return count < total; }
  /// Of the batch.
  double share() const { return is_part() ? static_cast<double>(count) / static_cast<double>(total) : 1; }
};

/// Counter-based random numbers: Philox-4x32-10 (Salmon et al. 2011) keyed by the seed, with counter
/// (index, step, stream). There is no state to save: the number at (stream, step, index) is always the same, on every
/// device, for every chunking and thread count.
class Rng {
 public:
  explicit Rng(uint64_t seed) : seed_(seed) {}

  /// The same numbers, for some data of a batch: what `row_uniform` and `row_normal` draw are those that these data
  /// have when the whole batch is drawn at once, whatever it is cut into.
  Rng of_rows(const BatchRows& rows) const;
  const BatchRows& rows() const { return rows_; }
  /// Data of the whole batch, of which `own` are here.
  int64_t all_rows(int64_t own) const { return rows_.is_part() ? rows_.total : own; }
  /// Of `n` draws for these data: the number of the first among those of the whole batch, and how many these are, where
  /// all data have as many. first_of(n) + n is at most all_of(n) for any n.
  int64_t first_of(int64_t n) const { return rows_.is_part() ? n * rows_.first / rows_.count : 0; }
  int64_t all_of(int64_t n) const { return rows_.is_part() ? (n * rows_.total + rows_.count - 1) / rows_.count : n; }

  uint64_t seed() const { return seed_; }

  /// Uniforms (n + 1/2) / 2^23 in the open (0,1), of `shape`, those with indices first_index, first_index + 1, ...
  at::Tensor uniform(Stream stream, int64_t step, at::IntArrayRef shape, at::TensorOptions options = {},
                     int64_t first_index = 0) const;

  /// Standard normals (Box-Muller), indexed as `uniform`.
  at::Tensor normal(Stream stream, int64_t step, at::IntArrayRef shape, at::TensorOptions options = {},
                    int64_t first_index = 0) const;

  /// Numbers of a batch's data, which stand along dimension `dim` of `shape` (of `rows` alone); those of the whole
  /// batch have indices from first_index on.
  at::Tensor row_uniform(Stream stream, int64_t step, at::IntArrayRef shape, int64_t dim,
                         at::TensorOptions options = {}, int64_t first_index = 0) const;
  at::Tensor row_normal(Stream stream, int64_t step, at::IntArrayRef shape, int64_t dim, at::TensorOptions options = {},
                        int64_t first_index = 0) const;

  /// Normals or uniforms from index `counter` on, an int64 [] on the device that is asked for, which moves on by as
  /// many (in whole blocks of 4): a GPU then needs no number from the host.
  at::Tensor next(bool normal, Stream stream, int64_t step, at::IntArrayRef shape, at::TensorOptions options,
                  const at::Tensor& counter) const;

  /// A uniform random permutation of 0..n-1 (int64 [n], CPU).
  at::Tensor permutation(Stream stream, int64_t step, int64_t n) const;

  /// 32 random bits at (stream, step, index).
  uint32_t bits(Stream stream, int64_t step, int64_t index) const;

 private:
  at::Tensor rows_of(bool normal, Stream stream, int64_t step, at::IntArrayRef shape, int64_t dim,
                     at::TensorOptions options, int64_t first_index) const;

  uint64_t seed_;
  BatchRows rows_;
};

/// Numbers that parameters start from. Each tensor's are those of its full name, so that no two share any, and a new
/// parameter changes no other.
class InitialDraws {
 public:
  /// `owner`: the module's name within the model, such as "prior.layer".
  InitialDraws(const Rng& rng, std::string owner) : rng_(rng), owner_(std::move(owner)) {}

  /// Uniforms in (0,1), or standard normals, of the owner's tensor `name`.
  at::Tensor uniform(std::string_view name, at::IntArrayRef shape) const;
  at::Tensor normal(std::string_view name, at::IntArrayRef shape) const;

  /// Those of the owner's child `name`.
  InitialDraws of(std::string_view name) const;

 private:
  int64_t key_of(std::string_view name) const;

  Rng rng_;
  std::string owner_;
};

}  // namespace kaem
