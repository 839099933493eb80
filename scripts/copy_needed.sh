#!/bin/bash
# Copies the shared libraries that programs and libraries need beside them, but for those that every machine or LibTorch brings.
# usage: copy_needed.sh FOLDER FILE...
set -euo pipefail
out=${1:?usage: copy_needed.sh FOLDER FILE...}
shift

# Libraries that the target machine brings itself: the C and C++ run time, OpenMP, LibTorch and CUDA.
own_libraries='^(linux-vdso|ld-linux|lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s|gomp|torch|c10|shm|kaem))[^a-z]|^lib(torch|c10|kaem|nv|cu(da|blas|dnn|fft|file|pti|rand|solver|sparse))'
needed() { readelf -d "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
path_of() { ldconfig -p | awk -v name="$1" '!found && $1 == name && /x86-64|AArch64/ {print $NF; found = 1}'; }

copy_needed() {
  local name path
  while read -r name; do
    [[ $name =~ $own_libraries ]] || [ -e "$out/$name" ] && continue
    path=$(path_of "$name")
    [ -n "$path" ] || { echo "copy_needed: $1 needs $name, which was not found" >&2; exit 1; }
    install -m 644 "$(readlink -f "$path")" "$out/$name"
    copy_needed "$out/$name"
  done < <(needed "$1")
}
for file in "$@"; do
  [ -L "$file" ] || copy_needed "$file"
done
