#include "ops/simd/table.h"

#include <ATen/Version.h>

#include <string>

#include "kaem/ops/ops.h"

namespace kaem::ops::simd {

const Kernels& kernels() {
#if defined(KAEM_SIMD_X86)
  static const Kernels& chosen = [&]() -> const Kernels& {
    const std::string level = at::get_cpu_capability();
    if (level == "AVX512") return kAvx512Kernels;
    if (level == "AVX2") return kAvx2Kernels;
    return kDefaultKernels;
  }();
  return chosen;
#else
  return kDefaultKernels;
#endif
}

}  // namespace kaem::ops::simd

namespace kaem::ops {

std::string_view cpu_kernel_level() { return simd::kernels().level; }

}  // namespace kaem::ops
