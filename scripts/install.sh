#!/bin/bash
# Installs what kaem needs: system packages (Debian/Ubuntu) and LibTorch, into .venv. Only what is missing is installed, so that
# a run where all is there takes a moment and, with --quiet, prints nothing. Works as root, through sudo, and as a user who has sudo.
# usage: install.sh [--quiet] [--peers] [--plot] [--python] [--browser] [--reference] [--format] [--lint]    set up (--peers: all of Python's torch, for benches/peers.py;
#                                                      --plot: matplotlib, for make plot; --python: all of torch and what
#                                                      make test-python runs, into .venv-python;
#                                                      --browser: Chromium, for make check-report; --reference: Doxygen;
#                                                      --format, --lint: clang-format, clang-tidy as well)
#        install.sh --packages                         print the packages and stop
# KAEM_TORCH=auto|cpu|cuda: LibTorch without CUDA's libraries, or with them; auto: with them where there is an NVIDIA GPU.
# LIBTORCH=folder: this LibTorch, and no .venv. KAEM_INSTALL=no: install nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(cmake ninja-build g++ make git binutils
  libcli11-dev libinih-dev libgtest-dev libstb-dev libspdlog-dev nlohmann-json3-dev zlib1g-dev libssl-dev
  libcurl4-openssl-dev libjpeg-dev libzip-dev libhdf5-dev python3 python3-venv)
quiet=no part=all torch=${KAEM_TORCH:-auto} options=("$@")

say() { printf '== %s\n' "$*"; }
fine() { [ $quiet = yes ] || say "$@"; }
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }

has_gpu() { [ -e /dev/nvidiactl ] || [ -e /dev/nvidia0 ] || nvidia-smi -L >/dev/null 2>&1; }
# The LibTorch of .venv, whichever Python it is of.
venv_libtorch() { local folder; for folder in .venv/lib/python3*/site-packages/torch; do has_libtorch "$folder" && return; done; return 1; }
has_libtorch() { [ -n "${1:-}" ] && [ -e "$1/lib/libtorch_cpu.so" ] && [ -e "$1/include/ATen/core/Tensor.h" ]; }

other_system() {
  # Where the tools are there, CMake says which library is missing.
  if command -v cmake >/dev/null && command -v c++ >/dev/null && command -v python3 >/dev/null && [ $quiet = yes ]; then return; fi
  cat >&2 <<'TEXT'
install: this is not Debian or Ubuntu. Please install, with your system's package manager:
  CMake >= 3.22, Ninja, make, git, a C++20 compiler (g++ >= 11) with OpenMP, Python >= 3.10 with venv,
  and the development files of: CLI11, inih, Google Test, stb, spdlog, nlohmann-json, zlib, OpenSSL, libcurl,
  libjpeg (turbo), libzip.
Optional: HDF5 (reads .h5 and MATLAB 7.3 files), clang-format 14 and clang-tidy (to contribute).
LibTorch is installed into .venv by the next 'make build', or is the folder that LIBTORCH names.
TEXT
  exit 1
}

install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then other_system; return; fi
  local missing sudo=() size
  mapfile -t missing < <(comm -23 <(printf '%s\n' "${packages[@]}" | sort) \
    <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null | sed -n 's/ installed$//p' | sort))
  if [ ${#missing[@]} -eq 0 ]; then fine "System packages: all ${#packages[@]} are there"; return; fi
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "not root and no sudo: as root run 'apt-get install ${missing[*]}', then this again (KAEM_INSTALL=no if you have them from elsewhere)"
    sudo=(sudo)
  fi
  say "System packages: ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  size=$("${sudo[@]}" env LC_ALL=C apt-get install --assume-no --no-install-recommends "${missing[@]}" 2>/dev/null |
    sed -n 's/^Need to get \(.*\) of archives.*/\1 to download; /p') || true
  say "Installing them: ${size:-}about half a minute"
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

# What .venv holds: "<cpu|cuda> <checksum of the files that say so>".
wanted_mark() { printf '%s %s' "$1" "$(cat requirements.txt requirements-cpu.txt | sha256sum | cut -c1-16)"; }

install_venv() {
  local mark=.venv/.kaem-libtorch kind=$torch have
  if [ -n "${LIBTORCH:-}" ] && [ $peers = no ]; then
    has_libtorch "$LIBTORCH" || fail "LIBTORCH=$LIBTORCH holds no LibTorch (lib/libtorch_cpu.so, include/ATen)"
    fine "LibTorch: LIBTORCH=$LIBTORCH"
    return
  fi
  if [ "$kind" = auto ]; then kind=cpu; has_gpu && kind=cuda; fi
  if [ $peers = yes ]; then kind=cuda; fi
  have=$(cat $mark 2>/dev/null || true)
  # The whole of it serves where less would do.
  if venv_libtorch && { [ "$have" = "$(wanted_mark $kind)" ] || [ "$have" = "$(wanted_mark cuda)" ]; }; then
    fine "LibTorch: .venv is up to date (${have%% *}; for another kind remove .venv)"
    return
  fi
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "Python 3.10 or newer is needed, found $(python3 --version)"
  local size="0.6 GB to download, 1.2 GB of disk, about half a minute"
  [ $kind = cuda ] && size="2.5 GB to download, 5 GB of disk, some three minutes"
  say "LibTorch ($kind) into .venv: $size"
  # What an interrupted run left behind, pip would take for whole.
  if [ -z "$have" ] && ! venv_libtorch; then rm -rf .venv; fi
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    python3 -m venv .venv || fail "python3 -m venv failed: is the package python3-venv of this Python installed?"
  fi
  rm -f $mark
  if [ $kind = cuda ]; then
    .venv/bin/python -m pip install --disable-pip-version-check --no-cache-dir -q -r requirements.txt
  else # nothing of Python's torch is run: neither its dependencies nor compiled bytecode
    .venv/bin/python -m pip install --disable-pip-version-check --no-cache-dir -q --no-compile --no-deps -r requirements-cpu.txt
  fi
  venv_libtorch || fail "torch was installed, but .venv has no LibTorch in it"
  wanted_mark $kind >$mark
}

# What `make plot` draws with.
install_plotting() {
  .venv/bin/python -c 'import matplotlib, PIL' 2>/dev/null && return
  say "matplotlib and Pillow into .venv: 30 MB to download, 100 MB of disk, some seconds"
  [ -x .venv/bin/python ] || python3 -m venv .venv || fail "python3 -m venv failed: is the package python3-venv of this Python installed?"
  .venv/bin/python -m pip install --disable-pip-version-check --no-cache-dir -q -r requirements-plot.txt
}

# What the tests of the Python package run: in an environment of its own, for all of torch in .venv would be other headers, with which
# everything would be compiled again.
install_python_tests() {
  .venv-python/bin/python -c 'import torch, pytest, safetensors, tensorboard, matplotlib' 2>/dev/null && return
  say "torch, pytest, safetensors, tensorboard and matplotlib into .venv-python: 2.6 GB to download, 5 GB of disk, some three minutes"
  python3 -m venv .venv-python || fail "python3 -m venv failed: is the package python3-venv of this Python installed?"
  .venv-python/bin/python -m pip install --disable-pip-version-check --no-cache-dir -q -r requirements.txt -r requirements-python.txt
}

peers=no plot=no python=no
for option in "$@"; do
  case $option in
    --quiet) quiet=yes ;;
    --peers) peers=yes ;;
    --plot) plot=yes ;;
    --python) python=yes ;;
    --format) # any clang-format 14 will do, under either name
      command -v clang-format-14 >/dev/null || clang-format --version 2>/dev/null | grep -q 'version 14\.' || packages+=(clang-format-14) ;;
    --reference) packages+=(doxygen) ;;
    --browser) command -v chromium >/dev/null || command -v google-chrome >/dev/null || packages+=(chromium) ;;
    --lint) command -v clang-tidy-14 >/dev/null || command -v clang-tidy >/dev/null || packages+=(clang-tidy) ;;
    --user-part) part=user ;; # what is left after the system packages, as the user who called sudo
    --packages) printf '%s\n' "${packages[@]}"; exit 0 ;;
    *) fail "unknown option '$option': --quiet, --peers, --plot, --python, --browser, --reference, --format, --lint, --packages" ;;
  esac
done
case $torch in auto | cpu | cuda) ;; *) fail "KAEM_TORCH is '$torch': use auto, cpu or cuda" ;; esac
case ${KAEM_INSTALL:-yes} in
  yes) ;;
  no) exit 0 ;;
  *) fail "KAEM_INSTALL is '$KAEM_INSTALL': use yes or no" ;;
esac

if [ $part = all ]; then
  install_packages
  if [ "$(id -u)" -eq 0 ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
    # The checkout belongs to the user who called sudo: nothing in it may become root's.
    home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    exec runuser -u "$SUDO_USER" -- env -u XDG_CACHE_HOME -u XDG_CONFIG_HOME HOME="$home" USER="$SUDO_USER" LOGNAME="$SUDO_USER" \
      KAEM_TORCH="$torch" bash scripts/install.sh --user-part "${options[@]}"
  fi
fi
install_venv
if [ $plot = yes ]; then install_plotting; fi
if [ $python = yes ]; then install_python_tests; fi
fine "Set up. Next: make train-vanilla DATASET=DARCY_FLOW"
