#!/bin/bash
# clang-tidy over our sources. usage: lint.sh BUILD JOBS [PATH...]     KAEM_LINT_MINUTES: begins no file after so many
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 jobs=$2
shift 2
tidy=$(command -v clang-tidy-14 || command -v clang-tidy) || { echo "lint: clang-tidy was not found: apt-get install clang-tidy" >&2; exit 1; }
[ -f "$build/compile_commands.json" ] || { echo "lint: $build is not configured: run 'make lint'" >&2; exit 1; }
mapfile -t files < <(git ls-files --cached --others --exclude-standard -- "${@:-src}" | grep -E '\.cpp$' |
  while read -r file; do grep -q "/$file\"" "$build/compile_commands.json" && echo "$file"; done)
[ ${#files[@]} -gt 0 ] || { echo "lint: no source to look at" >&2; exit 1; }
# libgomp is g++'s; clang-tidy only has to read the pragmas.
end=$(($(date +%s) + 60 * ${KAEM_LINT_MINUTES:-10000}))
export tidy build end
look() {
  if [ "$(date +%s)" -ge "$end" ]; then echo "lint: out of time, not looked at: $1"; return; fi
  "$tidy" -p "$build" --quiet --warnings-as-errors='*' --extra-arg=-Wno-unknown-warning-option \
    --extra-arg=-Wno-ignored-optimization-argument --extra-arg=-Wno-unused-command-line-argument "$1"
}
export -f look
status=0
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$jobs" bash -c 'look "$0"' | tee "$build/lint.log" || status=1
left=$(grep -c '^lint: out of time' "$build/lint.log" || true)
if [ $status -ne 0 ]; then
  # Once more where the end of a long log is read.
  echo "lint: found:"
  grep -E ': (error|warning): ' "$build/lint.log" | sort -u
  exit 1
fi
echo "lint: $((${#files[@]} - left)) files, nothing found"
