#pragma once

/// Marks functions that CUDA kernels call as well. KAEM_INLINE: those that vector kernels call, whose objects may
/// define no function that others could be given (scripts/check_simd_symbols.sh).
#if defined(__CUDACC__)
#define KAEM_HD __host__ __device__
#define KAEM_INLINE inline
#else
#define KAEM_HD
#define KAEM_INLINE inline __attribute__((always_inline))
#endif
