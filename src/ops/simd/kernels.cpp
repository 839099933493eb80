// The fused CPU kernels, written once and built once per instruction set (cmake/simd.cmake). Everything but the table
// at the end has internal linkage: a function that the linker shared would run AVX-512 code on machines without it.

#include "ops/simd/table.h"

#include "ops/simd/functions.h"

#include "ops/basis/simd.h"
#include "ops/cells/simd.h"
#include "ops/density/simd.h"
#include "ops/edges/simd.h"
#include "ops/fold/simd.h"
#include "ops/inverse/simd.h"
#include "ops/simd/columns.h"

#if defined(CPU_CAPABILITY_AVX512)
#define KAEM_KERNELS kAvx512Kernels
#define KAEM_LEVEL "avx512"
#elif defined(CPU_CAPABILITY_AVX2)
#define KAEM_KERNELS kAvx2Kernels
#define KAEM_LEVEL "avx2"
#else
#define KAEM_KERNELS kDefaultKernels
#define KAEM_LEVEL "default"
#endif

namespace kaem::ops::simd {

extern const Kernels KAEM_KERNELS;
const Kernels KAEM_KERNELS = {
    KAEM_LEVEL,
    W,
    basis_scratch,
    edge_scratch,
    basis,
    basis_backward,
    edge_sum,
    edge_sum_backward,
    edge_values,
    mixture_scratch,
    mixture_score,
    output_error,
    fold,
    fold_backward,
    cell_scratch,
    cell_masses,
    inverse_scratch,
    inverse_cdf,
    transpose_matrix,
};

}  // namespace kaem::ops::simd
