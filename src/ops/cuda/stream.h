#pragma once

struct CUstream_st;

/// Launches of the CUDA kernels (each family's cuda.h) take device pointers and a stream, and see no header of
/// LibTorch: nvcc reads those for half a minute.
namespace kaem::ops::cuda {

using Stream = CUstream_st*;

}  // namespace kaem::ops::cuda
