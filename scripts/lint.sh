#!/bin/bash
# Looks at sources one by one, with the commands of a folder that was configured without precompiled headers (preset `lint`).
# usage: lint.sh tidy BUILD JOBS [PATH...]       clang-tidy over sources (default: src)
#        lint.sh includes BUILD JOBS [PATH...]   the compiler over sources and headers: each must name all that it needs (default: all)
set -euo pipefail
cd "$(dirname "$0")/.."
what=$1 build=$2 jobs=$3
shift 3
[ -f "$build/compile_commands.json" ] || { echo "lint: $build is not configured: run 'make $what'" >&2; exit 1; }
listed() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do if [ -f "$file" ]; then echo "$file"; fi; done; }

tidy() {
  local tidy files
  tidy=$(command -v clang-tidy-14 || command -v clang-tidy) || { echo "lint: clang-tidy was not found: apt-get install clang-tidy" >&2; exit 1; }
  mapfile -t files < <(listed "${@:-src}" | grep -E '\.cpp$' |
    while read -r file; do grep -q "/$file\"" "$build/compile_commands.json" && echo "$file"; done)
  [ ${#files[@]} -gt 0 ] || { echo "lint: no source to look at" >&2; exit 1; }
  # libgomp is g++'s; clang-tidy only has to read the pragmas.
  printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$jobs" "$tidy" -p "$build" --quiet --warnings-as-errors='*' \
    --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument
  echo "lint: ${#files[@]} files, nothing found"
}

includes() {
  # A line each: the file, then its compiler run. Headers are compiled with the flags of a source that may include them.
  listed "${@:-.}" | python3 -c '
import json, shlex, sys
commands = {entry["file"]: entry for entry in json.load(open(sys.argv[1] + "/compile_commands.json"))}
of = {}
for path, entry in commands.items():
    words = shlex.split(entry["command"])
    at = words.index("-o")
    of[path] = entry["directory"], words[:at] + ["-fsyntax-only"]
import os
root = os.getcwd()
def model(path):  # a source whose flags serve the header
    for folder in (os.path.dirname(path).replace("include/kaem", "src"), "src/train"):
        for source in sorted(of):
            if os.path.dirname(os.path.relpath(source, root)) == folder and ".venv" not in source and "config" not in folder:
                return source
    return root + "/src/train/trainer.cpp"
for path in sys.stdin.read().split():
    full = os.path.join(root, path)
    if full in of:
        folder, words = of[full]
        print(path + "\t" + shlex.join(["env", "-C", folder, *words, full]))
    elif path.endswith(".h") and path.startswith(("include/", "src/")) and "cuda" not in path and "simd" not in path:
        folder, words = of[model(path)]
        print(path + "\t" + shlex.join(["env", "-C", folder, *words, "-Wno-unused-function", "-x", "c++", full]).replace("-c ", ""))
' "$build" >"$build/runs.txt"
  [ -s "$build/runs.txt" ] || { echo "check-includes: no source to look at" >&2; exit 1; }
  if ! tr '\n' '\0' <"$build/runs.txt" | xargs -0 -n 1 -P "$jobs" bash -c '
    file=${0%%$'"'\t'"'*} run=${0#*$'"'\t'"'}
    output=$(eval "$run" 2>&1) || { printf "check-includes: %s does not compile by itself\n%s\n" "$file" "$output"; exit 1; }'; then
    exit 1
  fi
  echo "check-includes: $(wc -l <"$build/runs.txt") files compile by themselves"
}

"$what" "$@"
