#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "kaem/dist/place.h"

namespace kaem::dist {

/// The processes that train one model, joined by PyTorch's process groups (c10d): Gloo, and NCCL for sums on GPUs where
/// libkaem_cuda.so has it (else they go through the host). Every call is made by all of them, in the same order. Error,
/// in a line, if one of them is lost or another calls something else.
class Group {
 public:
  /// Waits until all have come; Error if they have not within the place's patience.
  explicit Group(const Place& place);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  int64_t rank() const { return place_.rank; }
  int64_t size() const { return place_.size; }
  bool leads() const { return place_.rank == 0; }  ///< writes files and messages for all
  const Place& place() const { return place_; }

  /// The sum over all processes, in place: the same bits everywhere.
  void sum(const at::Tensor& values) const;

  /// What rank 0 has, in place.
  void broadcast(const at::Tensor& values) const;

  /// The rows of all, in the order of the ranks: [n,...] -> [Σn,...], on the CPU.
  at::Tensor gather(const at::Tensor& rows) const;

  /// A sum that is made while the caller goes on; `wait` ends it.
  class Pending;
  std::shared_ptr<Pending> start_sum(const at::Tensor& values) const;
  void wait(Pending& pending) const;

 private:
  struct Engine;
  Place place_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace kaem::dist
