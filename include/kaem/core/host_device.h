#pragma once

/// Marks functions that CUDA kernels call as well.
#if defined(__CUDACC__)
#define KAEM_HD __host__ __device__
#else
#define KAEM_HD
#endif
