# The fused CPU kernels: src/ops/simd/kernels.cpp built once per instruction set, picked at run time (docs/architecture.md).
#
# Always -O3 and never sanitised: only an optimised object of one instruction set has no inline function left over that the
# linker could hand to the whole program, where it would be an illegal instruction on an older machine.
function(kaem_simd_library target)
  add_library(${target} OBJECT "${PROJECT_SOURCE_DIR}/src/ops/simd/kernels.cpp")
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${target} PRIVATE kaem::torch)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic $<$<BOOL:${KAEM_WERROR}>:-Werror> ${ARGN}
                                           -O3 -DNDEBUG -U_GLIBCXX_ASSERTIONS -fno-sanitize=all -fno-exceptions)
  set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON)
  target_sources(kaem PRIVATE $<TARGET_OBJECTS:${target}>)
endfunction()

kaem_simd_library(kaem_simd_default)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  kaem_simd_library(kaem_simd_avx2 -mavx2 -mfma -mf16c -DCPU_CAPABILITY=AVX2 -DCPU_CAPABILITY_AVX2)
  kaem_simd_library(kaem_simd_avx512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mf16c
                                     -DCPU_CAPABILITY=AVX512 -DCPU_CAPABILITY_AVX512
                                     -Wno-uninitialized -Wno-maybe-uninitialized)  # false alarms of GCC 12's intrinsics
  target_compile_definitions(kaem PRIVATE KAEM_SIMD_X86)
  foreach(target kaem_simd_default kaem_simd_avx2 kaem_simd_avx512)
    target_compile_definitions(${target} PRIVATE KAEM_SIMD_X86)
  endforeach()
endif()
