#pragma once

/// Compiles a function for each instruction set, the processor's being taken when the program starts; nothing where
/// compilers or sanitizers cannot. The loops in it must give the same bits on all: no fused multiply-adds.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define KAEM_EACH_ISA __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define KAEM_EACH_ISA
#endif
