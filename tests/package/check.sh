#!/bin/bash
# Installs the build tree $1 and builds and runs a consumer of find_package(kaem) with compiler $2 and LibTorch $3.
set -euo pipefail
build=$1 compiler=$2 torch=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$build/package-check
rm -rf "$work"
cmake --install "$build" --prefix "$work/prefix" >"$build/package-check.log"
for file in lib*/libkaem.so include/kaem/core/rng.h lib*/cmake/kaem/kaem-config.cmake; do
  compgen -G "$work/prefix/$file" >/dev/null || { echo "not installed: $file"; exit 1; }
done
cmake -S "$here" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)" -DCMAKE_PREFIX_PATH="$work/prefix" -DKAEM_TORCH_ROOT="$torch"
cmake --build "$work/build"
"$work/build/consumer"
cmake -S "$here/../../examples" -B "$work/examples" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)" -DCMAKE_PREFIX_PATH="$work/prefix" -DKAEM_TORCH_ROOT="$torch"
cmake --build "$work/examples" -j2
for example in kan_layer sampler by_hand train; do
  echo "== $example"
  (cd "$work" && "examples/$example")
done
if [ -e "$work/prefix/bin/kaem" ]; then "$work/prefix/bin/kaem" --version; fi
rm -rf "$work"
