#!/bin/bash
# Builds targets of a preset; where there is nothing to be done it prints nothing.
# usage: build.sh FOLDER PRESET JOBS [TARGET...]      CMAKE_ARGS="-D..." configures anew; no target: configures only
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 preset=$2 jobs=$3
shift 3
generator=()
command -v ninja >/dev/null || generator=(-G "Unix Makefiles")
read -r -a arguments <<<"${CMAKE_ARGS:-}"

if [ ${#arguments[@]} -gt 0 ] || { [ ! -f "$folder/build.ninja" ] && [ ! -f "$folder/Makefile" ]; }; then
  # CMake itself looks after build files that have changed.
  cmake --preset "$preset" "${generator[@]}" "${arguments[@]}"
fi
[ $# -gt 0 ] || exit 0
if [ -f "$folder/build.ninja" ]; then
  # The line of a dry run: [1/N] ...; after a change of the build files it knows no more than that CMake is to be run again.
  steps=$(ninja -C "$folder" -n "$@" | sed -n 's/^\[[0-9]*\/\([0-9]*\)\].*/\1/p' | tail -n 1)
  [ -n "$steps" ] || exit 0
  if [ "$steps" -gt 5 ]; then
    # A step takes a processor about 5 s.
    echo "== Building $* in $folder/: $steps steps, about $(((steps * 5 / jobs + 59) / 60)) min with $jobs at a time"
  fi
fi
cmake --build "$folder" --parallel "$jobs" --target "$@"
