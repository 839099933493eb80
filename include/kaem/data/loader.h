#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "kaem/core/rng.h"
#include "kaem/data/dataset.h"

namespace kaem {

/// Data of one update on the CPU: what Dataset::batch and Dataset::batch_index give.
struct LoadedBatch {
  at::Tensor x;      ///< float32 [B, C·H·W]
  at::Tensor index;  ///< int64 [B], records of the training data
};

/// Makes each batch while the update before it runs, on a thread of its own, so that training never waits for data.
/// The batches are those of Dataset::batch: they depend on (seed, step) alone, whoever makes them.
class BatchLoader {
 public:
  /// `data` must outlive the loader, which alone may ask it for batches. `pinned`: x lies in page-locked memory, from
  /// which a GPU copies without waiting (needs a CUDA device).
  BatchLoader(const Dataset& data, int64_t batch_size, const Rng& rng, bool pinned = false);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// The batch of update `step`; the one of `step` + 1 is begun. Throws what making it threw.
  LoadedBatch get(int64_t step);

 private:
  struct Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace kaem
