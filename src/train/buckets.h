#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "kaem/dist/group.h"
#include "kaem/train/optimizer.h"

namespace kaem {

/// Sums of gradients over a group's processes, in flat pieces that are sent while the backward pass makes the next
/// ones. Pieces go in the order of the parameters from the last to the first, which is about that in which their
/// gradients come, and is the same in every process.
class GradientSums {
 public:
  /// From now until `finish` the parameters' gradients are watched: for the backward pass that completes them.
  GradientSums(const std::vector<NamedParameter>& parameters, const dist::Group& group);
  ~GradientSums();
  GradientSums(const GradientSums&) = delete;
  GradientSums& operator=(const GradientSums&) = delete;

  /// Leaves the sums with the parameters. Gradients that no process has stay undefined.
  void finish();

 private:
  struct Slot {
    at::Tensor parameter, piece;  ///< `piece`: where its gradient stands in a bucket
    size_t bucket = 0;
    bool made = false;
    unsigned hook = 0;
  };
  struct Bucket {
    at::Tensor flat;
    int64_t missing = 0;  ///< gradients that are still to come
    std::shared_ptr<dist::Group::Pending> sum;
  };

  void take(Slot& slot, const at::Tensor& gradient);
  void start_complete();

  const dist::Group& group_;
  std::vector<Slot> slots_;
  std::vector<Bucket> buckets_;
  size_t started_ = 0;  ///< buckets whose sums are under way
};

}  // namespace kaem
