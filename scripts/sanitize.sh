#!/bin/bash
# Runs a command with the settings that programs built with a sanitizer need beside LibTorch.
# usage: sanitize.sh address|thread COMMAND...
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:?usage: sanitize.sh address|thread COMMAND...}
shift
case $kind in
  address)
    # detect_odr_violation=0: LibTorch's libraries hold several copies of some of their globals.
    # detect_container_overflow=0: vectors are filled by LibTorch, which is not instrumented, and read by us.
    export ASAN_OPTIONS="detect_leaks=1:detect_odr_violation=0:detect_container_overflow=0:strict_string_checks=1:${ASAN_OPTIONS:-}"
    export LSAN_OPTIONS="suppressions=$PWD/scripts/asan.supp:print_suppressions=0:${LSAN_OPTIONS:-}"
    export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
    ;;
  thread)
    # g++'s OpenMP library is not instrumented, so TSan does not see its barriers and would call every parallel loop a
    # race. One OpenMP thread leaves our own threads (signals, progress, downloads) to be checked.
    export OMP_NUM_THREADS=1
    export TSAN_OPTIONS="suppressions=$PWD/scripts/tsan.supp:second_deadlock_stack=1:${TSAN_OPTIONS:-}"
    ;;
  *) echo "sanitize: unknown kind '$kind': address, thread" >&2; exit 2 ;;
esac
exec "$@"
