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

[[ $jobs =~ ^[1-9][0-9]*$ ]] || { echo "build: JOBS is '$jobs': want a number of compilers, 1 or more" >&2; exit 2; }
if [ $# -eq 0 ]; then # nothing will be built there, so nothing else would notice that the sources are others now
  cmake --preset "$preset" "${generator[@]}" "${arguments[@]}" >/dev/null
  exit
fi
if [ ${#arguments[@]} -gt 0 ] || { [ ! -f "$folder/build.ninja" ] && [ ! -f "$folder/Makefile" ]; }; then
  # CMake itself looks after build files that have changed.
  cmake --preset "$preset" "${generator[@]}" "${arguments[@]}"
fi
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
