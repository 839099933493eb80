#!/bin/bash
# Stages build-portable/ from a build folder of the preset `portable` (called by that build):
#   kaem          launcher: finds LibTorch, then runs bin/kaem     bin/ lib/ share/   the install tree, stripped
#   run-tests     all test programs of tests/                      lib/               also the Debian libraries it needs
#   gpu-check     run-tests, compute-sanitizer on the kernels, then `kaem bench` on the GPU
# The machine that it runs on must have LibTorch of the same minor version and the usual C and C++ libraries.
set -euo pipefail
build=$(cd "${1:?usage: portable.sh BUILD TORCH}" && pwd) torch=$(cd "${2:?}" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
out=$source/build-portable
limit_mib=64

rm -rf "$out"
for component in runtime cuda portable; do
  cmake --install "$build" --prefix "$out" --component $component --strip >"$build/install-$component.log"
done
cp "$source/scripts/run_tests.py" "$out/"

shopt -s nullglob
"$source/scripts/copy_needed.sh" "$out/lib" "$out"/bin/* "$out"/lib/libkaem*.so* "$out"/tests/*

cat >"$out/environment.sh" <<'TEXT'
# Sets LD_LIBRARY_PATH to the folder of LibTorch: LIBTORCH if set, else the torch package of .venv or the active Python.
if [ -z "${LIBTORCH:-}" ]; then
  for python in "${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/python}" .venv/bin/python python3 python; do
    [ -n "$python" ] && command -v "$python" >/dev/null 2>&1 || continue
    LIBTORCH=$("$python" -c "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')" 2>/dev/null) || LIBTORCH=
    [ -n "$LIBTORCH" ] && break
  done
fi
if [ ! -e "${LIBTORCH:-}/lib/libtorch_cpu.so" ]; then
  echo "kaem: LibTorch was not found: set LIBTORCH to its folder (it holds lib/libtorch_cpu.so), or activate a Python that has torch TORCH_VERSION." >&2
  exit 2
fi
export LIBTORCH LD_LIBRARY_PATH="$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
TEXT
version=$(sed -n 's/^#define TORCH_VERSION \([0-9.]*\).*/\1/p' "$torch/include/torch/headeronly/version.h")
sed -i "s/TORCH_VERSION/${version:-2.11.0}/" "$out/environment.sh"

cat >"$out/kaem" <<'TEXT'
#!/bin/sh
here=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
. "$here/environment.sh"
exec "$here/bin/kaem" "$@"
TEXT

cat >"$out/run-tests" <<'TEXT'
#!/bin/sh
# Runs all test programs in the current folder (best the project's root); options as scripts/run_tests.py.
here=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
. "$here/environment.sh"
exec python3 "$here/run_tests.py" --programs "$here/tests" "$@"
TEXT

cat >"$out/gpu-check" <<'TEXT'
#!/bin/sh
# Tests, the kernels' memory (compute-sanitizer) and benchmarks on the GPU of this machine; options go to run-tests.
# Results: the table, and gpu-check.json in the current folder.
here=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
if ! nvidia-smi -L >/dev/null 2>&1; then
  echo "gpu-check: this machine has no NVIDIA GPU (nvidia-smi finds none); copy build-portable/ to one that has LibTorch and run its gpu-check" >&2
  exit 1
fi
[ -e "$here/lib/libkaem_cuda.so" ] || { echo "gpu-check: built without CUDA kernels: run 'make gpu-check'" >&2; exit 1; }
nvidia-smi -L
"$here/run-tests" "$@" || exit 1
. "$here/environment.sh"
for program in ops posterior train; do # a GPU test that is skipped here has tested nothing
  "$here/tests/kaem_${program}_test" --gtest_filter='*CUDA*' >gpu-check.log 2>&1
  status=$?
  cat gpu-check.log
  [ $status -eq 0 ] || exit 1
  if grep -q SKIPPED gpu-check.log; then echo "gpu-check: GPU tests were skipped" >&2; exit 1; fi
done
sanitizer=$(command -v compute-sanitizer || echo "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer")
unchecked() { echo "gpu-check: $1: the kernels' memory is NOT checked" >&2; }
[ -x "$sanitizer" ] || unchecked "compute-sanitizer was not found"
for tool in "memcheck --report-api-errors no" racecheck; do
  [ -x "$sanitizer" ] || break
  echo "== compute-sanitizer $tool"
  # Without LibTorch's pool of memory an access beyond a tensor is one beyond an allocation.
  PYTORCH_NO_CUDA_MEMORY_CACHING=1 "$sanitizer" --tool $tool --error-exitcode 9 "$here/tests/kaem_ops_test" \
    --gtest_filter='*CUDA*' >gpu-check.log 2>&1
  status=$?
  cat gpu-check.log
  if grep -q 'Device not supported' gpu-check.log; then unchecked "compute-sanitizer refuses this machine"; break; fi
  [ $status -eq 0 ] || exit 1
done
exec "$here/kaem" bench --device cuda --json gpu-check.json
TEXT
chmod +x "$out/kaem" "$out/run-tests" "$out/gpu-check"

size=$(du -sm --apparent-size "$out" | cut -f1)
echo "build-portable/: $size MiB of $limit_mib, $(find "$out/tests" -type f 2>/dev/null | wc -l) test programs, with" \
  "$(find "$out/lib" -type f ! -name 'libkaem*' -printf '%f ' | sort)"
[ "$size" -lt "$limit_mib" ] || { echo "portable: larger than $limit_mib MiB"; exit 1; }
