#!/bin/bash
# Installs what kaem needs and builds it: system packages (Debian/Ubuntu), .venv with LibTorch, build/.
# Only what is missing is installed, so a second run changes nothing. Works as root, through sudo, and as a user who has
# sudo. Options: --no-build (stop before the build), --packages (print the packages and stop).
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(cmake ninja-build g++ make git ccache binutils
  libcli11-dev libinih-dev libgtest-dev libstb-dev libspdlog-dev nlohmann-json3-dev zlib1g-dev libssl-dev
  libcurl4-openssl-dev libjpeg-dev libzip-dev libhdf5-dev python3 python3-venv)
format_package=clang-format-14 # the version that the sources are formatted with

say() { printf '== %s\n' "$*"; }
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

other_system() {
  cat >&2 <<'TEXT'
install: this is not Debian or Ubuntu. Please install, with your system's package manager:
  CMake >= 3.22, Ninja, make, git, a C++20 compiler (g++ >= 11) with OpenMP, Python >= 3.10 with venv,
  and the development files of: CLI11, inih, Google Test, stb, spdlog, nlohmann-json, zlib, OpenSSL, libcurl,
  libjpeg (turbo), libzip.
Optional: HDF5 (reads .h5 and MATLAB 7.3 files), ccache, clang-format 14.
Then run:
  python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && make build
TEXT
  exit 1
}

install_packages() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || other_system
  local missing=() package
  for package in "${packages[@]}"; do installed "$package" || missing+=("$package"); done
  # Any clang-format 14 will do, under either name.
  if ! command -v clang-format-14 >/dev/null && ! clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    missing+=("$format_package")
  fi
  if [ ${#missing[@]} -eq 0 ]; then say "System packages: all ${#packages[@]} are there"; return; fi
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "not root and no sudo: as root run 'apt-get install ${missing[*]}', then 'make install' again"
    sudo=(sudo)
  fi
  say "System packages: installing ${missing[*]}"
  "${sudo[@]}" apt-get update -q
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

has_libtorch() { [ -n "${1:-}" ] && [ -e "$1/lib/libtorch_cpu.so" ] && [ -e "$1/include/ATen/core/Tensor.h" ]; }

install_venv() {
  if has_libtorch "${LIBTORCH:-}"; then say "LibTorch: using LIBTORCH=$LIBTORCH, so no .venv is made"; return; fi
  local mark=.venv/.kaem-requirements wanted
  wanted=$(sha256sum requirements.txt | cut -d' ' -f1)
  if [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ] && has_libtorch "$(echo .venv/lib/python3*/site-packages/torch)"; then
    say "LibTorch: .venv is up to date"
    return
  fi
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "Python 3.10 or newer is needed, found $(python3 --version)"
  if [ ! -x .venv/bin/python ]; then
    say "Making .venv"
    python3 -m venv .venv || fail "python3 -m venv failed: is the package python3-venv of this Python installed?"
  fi
  say "Installing $(grep -v '^#' requirements.txt | cut -d';' -f1 | sort -u | tr '\n' ' ')into .venv"
  .venv/bin/python -m pip install --disable-pip-version-check -r requirements.txt
  has_libtorch "$(echo .venv/lib/python3*/site-packages/torch)" || fail "torch was installed, but .venv has no LibTorch in it"
  echo "$wanted" >"$mark"
}

build=yes part=all
for option in "$@"; do
  case $option in
    --no-build) build=no ;;
    --user-part) part=user ;; # what is left after the system packages, as the user who called sudo
    --packages) printf '%s\n' "${packages[@]}" "$format_package"; exit 0 ;;
    *) fail "unknown option '$option': --no-build, --packages" ;;
  esac
done

if [ $part = all ]; then
  install_packages
  if [ "$(id -u)" -eq 0 ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
    # The checkout belongs to the user who called sudo: nothing in it may become root's.
    home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    rest=(--user-part)
    [ $build = yes ] || rest+=(--no-build)
    exec runuser -u "$SUDO_USER" -- env -u XDG_CACHE_HOME -u XDG_CONFIG_HOME HOME="$home" USER="$SUDO_USER" LOGNAME="$SUDO_USER" \
      bash scripts/install.sh "${rest[@]}"
  fi
fi
install_venv
if [ $build = yes ]; then
  say "Building"
  make --no-print-directory build
  say "Done: build/kaem is ready. Next: make train-vanilla DATASET=DARCY_FLOW"
fi
