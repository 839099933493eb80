#!/bin/bash
# usage: fuzz.sh tools                 says what is missing
#        fuzz.sh run BUILD SECONDS     fuzzes each target of the build for so long, on the corpus in fuzz/corpus/<target>
#        fuzz.sh replay BUILD          runs each replay program on its corpus; last line "N passed, N failed"
set -uo pipefail
cd "$(dirname "$0")/.."

tools() {
  local missing=()
  command -v clang++ >/dev/null || missing+=(clang)
  if ! echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
    clang++ -x c++ -fsanitize=fuzzer - -o /dev/null 2>/dev/null; then
    missing+=(libclang-rt-14-dev)
  fi
  [ ${#missing[@]} -eq 0 ] && return
  echo "fuzz: needs clang++ with libFuzzer; on Debian: apt-get install ${missing[*]}" >&2
  exit 1
}

# The programs of a build whose name begins with $2.
programs() { find "$1" -type f -executable -name "$2*" ! -path '*/CMakeFiles/*' | sort; }

run() {
  local build=$1 seconds=$2 program target count=0
  while read -r program; do
    target=$(basename "$program") target=${target#fuzz_}
    # New inputs go to the build folder; the corpus in the repository is only read.
    mkdir -p "$build/corpus/$target" "$build/findings/$target"
    echo "== $target: $seconds s"
    "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="$build/findings/$target/" "$build/corpus/$target" "fuzz/corpus/$target" || {
      echo "fuzz: $target failed; the input is in $build/findings/$target/" >&2
      exit 1
    }
    count=$((count + 1))
  done < <(programs "$build" fuzz_)
  [ $count -gt 0 ] || { echo "fuzz: no target was built in $build" >&2; exit 1; }
}

replay() {
  local build=$1 program target passed=0 failed=0 files
  while read -r program; do
    target=$(basename "$program") target=${target#replay_}
    mapfile -t files < <(find "fuzz/corpus/$target" -type f 2>/dev/null | sort)
    if [ ${#files[@]} -eq 0 ]; then
      echo "fuzz replay: fuzz/corpus/$target is empty" && failed=$((failed + 1))
    elif "$program" "${files[@]}" >"$build/replay_$target.log" 2>&1; then
      echo "fuzz replay: $target, ${#files[@]} inputs" && passed=$((passed + 1))
    else
      tail -n 30 "$build/replay_$target.log"
      echo "fuzz replay: $target failed" && failed=$((failed + 1))
    fi
  done < <(programs "$build" replay_)
  [ $((passed + failed)) -gt 0 ] || { echo "fuzz replay: no replay program was built in $build"; failed=1; }
  echo "$passed passed, $failed failed"
  [ $failed -eq 0 ]
}

case ${1:-} in
  tools) tools ;;
  run) run "${2:?}" "${3:-60}" ;;
  replay) replay "${2:?}" ;;
  *) echo "usage: fuzz.sh tools | run BUILD SECONDS | replay BUILD" >&2; exit 2 ;;
esac
