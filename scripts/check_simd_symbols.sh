#!/bin/bash
# The objects that are compiled for AVX2 and AVX-512 may define no weak symbol: the linker keeps one copy of each for the
# whole program, which would then run that copy (an inlined std function, say) on processors without these instructions.
# usage: check_simd_symbols.sh BUILD | --self-test
set -euo pipefail

# Weak functions and objects (nm: W V u) of the object files given.
weak_symbols() { nm --defined-only --print-file-name "$@" | awk '$(NF-1) ~ /^[WVu]$/' | c++filt; }

if [ "${1:-}" = --self-test ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  echo 'inline int twice(int x) { return 2 * x; } int (*pointer)(int) = twice;' >"$work/weak.cpp"
  echo 'static int twice(int x) { return 2 * x; } int (*pointer)(int) = twice;' >"$work/strong.cpp"
  for name in weak strong; do "${CXX:-c++}" -O2 -c "$work/$name.cpp" -o "$work/$name.o"; done
  [ -n "$(weak_symbols "$work/weak.o")" ] && [ -z "$(weak_symbols "$work/strong.o")" ] && echo "self-test: well"
  exit
fi

build=${1:?usage: check_simd_symbols.sh BUILD}
# Objects of src/ops/simd whose name or folder says the instruction set.
mapfile -t objects < <(find "$build" -path '*simd*' -iname '*.o' | grep -iE 'avx' | sort)
if [ ${#objects[@]} -eq 0 ]; then
  echo "check_simd_symbols: no AVX objects below $build (is the library built?)"
  exit 1
fi
found=$(weak_symbols "${objects[@]}")
if [ -n "$found" ]; then
  echo "check_simd_symbols: weak symbols in objects with AVX code:"
  echo "$found"
  exit 1
fi
echo "check_simd_symbols: none of ${#objects[@]} AVX objects defines a weak symbol"
