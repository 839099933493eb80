// NCCL for sums of tensors on GPUs. Part of libkaem_cuda.so, where NCCL's header was found; group.cpp looks the
// function up.
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

/// A new process group of NCCL, which the caller owns: c10d::Backend with one reference.
extern "C" c10d::Backend* kaem_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size) {
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size).release();
}
